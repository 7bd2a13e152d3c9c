"""Demand: how often what was refused was wanted all the same. Proxies count it, the portal adds it up."""

from typing import Annotated

from pydantic import Field, StringConstraints

from sekisho.model.base import Moment, Record
from sekisho.model.identity import EVERYONE, IS_NORMAL, Kind, Slug

OTHERS = ""
"""The project of what is counted under no name: there were too many names, or it was none."""

MOST_ROWS = 1000
"""How many rows a batch may have."""

MOST_COUNT = 10**12
"""What a count ends at, so that no sum of them is too large for a database or for JSON."""

Identifier = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
"""128 random bits in hexadecimal."""

RELEASE_TEXT = r"^[A-Za-z0-9.!+_-]{0,64}$"
ReleaseText = Annotated[str, StringConstraints(pattern=RELEASE_TEXT)]
"""A release, or nothing where none was named."""


class DemandRow(Record):
    """``count`` refusals of one thing by one rule, the first and the last of them at these times.

    ``served`` are those of a workspace in mode ``audit``: it was served, and ``enforce`` would have refused it.

    Every name in it came from somebody who could reach a proxy, so each is short and of harmless letters only.
    """

    workspace: Slug = EVERYONE
    kind: Kind = "pypi"
    project: Annotated[str, Field(max_length=200), IS_NORMAL] = OTHERS
    release: ReleaseText = ""
    rule: Slug
    count: Annotated[int, Field(ge=1, le=MOST_COUNT)]
    first: Moment
    last: Moment
    served: bool = False


class DemandBatch(Record):
    """What ``proxy`` counted since its last batch. ``id`` tells whether one was taken before."""

    proxy: Identifier
    id: Identifier
    rows: Annotated[tuple[DemandRow, ...], Field(min_length=1, max_length=MOST_ROWS)]
