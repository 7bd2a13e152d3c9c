"""What the runner says of a wheel that it made from source."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from sekisho.model.base import Moment, Record, Sha256
from sekisho.model.closure import Artifact


class Built(Record):
    """One wheel, what it was made from and with, and whether a second build in the same room gave the same bytes.

    ``wheel`` is the artifact as doors show it. ``requires`` are the wheels that the build system ran with, ``base`` is
    the manifest of the image that they were put on, and ``room`` that of both together. ``environment`` is all that
    the build was told, ``extra`` and ``variables`` what of both a request named. ``differing`` names what the second
    build made otherwise.
    """

    wheel: Artifact
    source: Artifact
    requires: tuple[Artifact, ...]
    base: Sha256
    room: Sha256
    runner: Annotated[str, Field(min_length=1, max_length=100)]
    environment: Mapping[str, str]
    extra: tuple[str, ...] = ()
    variables: Mapping[str, str] = {}
    reproducible: bool
    differing: Annotated[tuple[str, ...], Field(max_length=50)] = ()
    begun: Moment
    ended: Moment
