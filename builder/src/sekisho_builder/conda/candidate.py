"""A record of a channel, with where it is."""

from collections.abc import Callable
from typing import NamedTuple

from rattler import RepoDataRecord


class Candidate(NamedTuple):
    """``path`` is ``<subdir>/<filename>``; a name is of one channel alone."""

    name: str
    channel: str
    path: str
    record: RepoDataRecord


Counts = Callable[[Candidate], bool]
"""Tells whether a candidate is one now."""
