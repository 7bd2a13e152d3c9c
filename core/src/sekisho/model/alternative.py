"""Another answer, for a request whose closure needs a person or is denied."""

from typing import Annotated

from pydantic import Field

from sekisho.model.base import Record, Sha256
from sekisho.model.identity import ProjectName


class Change(Record):
    """Another release of a project; ``before`` or ``after`` is missing where only one of the closures has it."""

    project: ProjectName
    before: str | None = None
    after: str | None = None


class Alternative(Record):
    """What to have instead of ``closure``: the nearest answer of which policy allows more, as far as it is known.

    ``requirements`` is what to ask for; they are those of the request where it can be satisfied otherwise. ``review``
    and ``deny`` name what would still need an approval, and what no approval admits.
    """

    closure: Sha256
    requirements: Annotated[tuple[str, ...], Field(min_length=1)]
    changes: tuple[Change, ...]
    review: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
