"""The policy in force on the disk: a whole snapshot, and where that is large, beside it what came after.

``snapshot.json`` is a whole snapshot, as a bundle brings it. Of a large one a change writes only the newest head, and
the parts that the whole one lacks, to ``snapshot.changes.json``. That names the whole one that it belongs to: what is
left over from another is nothing.
"""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from sekisho.disk import Disk
from sekisho.errors import BadInputError
from sekisho.model import Record, Sha256
from sekisho.policy import SealedSnapshot
from sekisho.policy.sealing import Opened
from sekisho.store import write_atomically
from sekisho.succession import KeyStatement

_LOG = logging.getLogger("sekisho.proxy")
_SMALL = 200_000
"""Bytes, packed, of a snapshot that is always written whole: some two megabytes."""

_LARGEST_SHARE = 8
"""What came after is at most such a part of the whole; then the whole is written anew."""


class Changes(Record):
    """The newest snapshot without the parts that the whole one with the head ``base`` has."""

    base: Sha256
    sealed: SealedSnapshot


class _Base(NamedTuple):
    """What the whole snapshot on the disk is known by, its parts, and the statements on keys beside it."""

    head: str
    parts: frozenset[str]
    keys: tuple[KeyStatement, ...]


class Kept:
    """Writes the policy in force to ``file``, and reads it."""

    def __init__(self, file: Path, disk: Disk) -> None:
        self._file = file
        self._changes = file.with_suffix(".changes.json")
        self._disk = disk
        self._base: _Base | None = None

    def read(self) -> Iterator[Callable[[], SealedSnapshot]]:
        """Yield what reads the whole snapshot, then what reads that which came after it; nothing if there is none."""
        self._base = None
        if self._file.exists():
            yield self._whole
        if self._base is not None and self._changes.exists():
            try:
                changes = Changes.parse_json(self._changes.read_bytes(), where=str(self._changes))
            except BadInputError as error:
                _LOG.error("what came after the policy on the disk cannot be read: %s", error)
                return
            if changes.base == self._base.head:
                yield lambda: changes.sealed

    def forget(self) -> None:
        """Let nothing be written that needs what is on the disk: it does not hold."""
        self._base = None

    def _whole(self) -> SealedSnapshot:
        whole = SealedSnapshot.parse_json(self._file.read_bytes(), where="policy snapshot")
        self._base = _Base(whole.head.digest(), frozenset(whole.by_hash), whole.head.keys)
        return whole

    def write(self, opened: Opened) -> None:
        """Let a snapshot be on the disk, durably; raise what ``write_atomically`` raises.

        Where other keys are trusted since, all parts have to be verified anew, so the whole is written.
        """
        known = self._base.parts if self._base and self._base.keys == opened.keys else frozenset()
        size = sum(map(len, opened.packed.values()))
        new = sum(len(text) for sha256, text in opened.packed.items() if sha256 not in known)
        if self._base is None or not known or size < _SMALL or new * _LARGEST_SHARE > size:
            write_atomically(self._file, opened.written(), disk=self._disk)
            self._base = _Base(opened.head.digest(), frozenset(opened.packed), opened.keys)
            self._changes.unlink(missing_ok=True)
        else:
            changes = Changes(base=self._base.head, sealed=opened.without(known))
            write_atomically(self._changes, changes.canonical(), disk=self._disk)
