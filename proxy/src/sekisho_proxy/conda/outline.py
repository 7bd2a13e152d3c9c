"""What is remembered of a text that was read: its runs, in order. A run is consecutive records of one name.

It can be thrown away. It is kept under its own sha256, which the catalogue that it belongs to names.
"""

import hashlib
import sys
from pathlib import Path
from typing import NamedTuple

import msgspec

from sekisho.disk import DISK, disk_errors

_MADE_BY = f"1 {msgspec.__version__} {sys.version}"
"""What was found right by other code is read again."""


class Run(NamedTuple):
    """Consecutive records of one name: ``length`` bytes at ``offset`` of the pieces; of new ones with ``hashes``."""

    name: str
    offset: int
    length: int
    records: int
    digest: bytes
    hashes: bytes = b""


class Runs(msgspec.Struct, array_like=True):
    """The runs of one section, in columns: they are read in a hundredth of a second."""

    names: list[str] = []
    offsets: list[int] = []
    lengths: list[int] = []
    counts: list[int] = []
    digests: list[bytes] = []

    def run(self, number: int) -> Run:
        """Return one of them."""
        return Run(
            self.names[number],
            self.offsets[number],
            self.lengths[number],
            self.counts[number],
            self.digests[number],
        )

    def add(self, run: Run) -> None:
        """Add one at the end."""
        self.names.append(run.name)
        self.offsets.append(run.offset)
        self.lengths.append(run.length)
        self.counts.append(run.records)
        self.digests.append(run.digest)

    def extend(self, other: "Runs", begin: int, end: int) -> None:
        """Add some of another's."""
        self.names += other.names[begin:end]
        self.offsets += other.offsets[begin:end]
        self.lengths += other.lengths[begin:end]
        self.counts += other.counts[begin:end]
        self.digests += other.digests[begin:end]


class Outline(msgspec.Struct, array_like=True):
    """The runs of both sections."""

    old: Runs
    new: Runs
    made_by: str = _MADE_BY

    def keep(self, folder: Path) -> str:
        """Write it down; return the sha256 that it is found by."""
        data = msgspec.msgpack.encode(self)
        sha256 = hashlib.sha256(data).hexdigest()
        path = folder / f"{sha256}.outline"
        with disk_errors(path):
            DISK.settle(folder)
            path.with_suffix(".half").write_bytes(data)
            DISK.rename(path.with_suffix(".half"), path)
        return sha256

    @classmethod
    def find(cls, folder: Path, sha256: str) -> "Outline | None":
        """Return the one of that sha256, if it is there, whole, and made by what runs here."""
        try:
            data = (folder / f"{sha256}.outline").read_bytes()
        except OSError:  # as of a disk that is harmed
            return None
        if hashlib.sha256(data).hexdigest() != sha256:
            return None
        try:
            found = msgspec.msgpack.decode(data, type=cls)
        except msgspec.MsgspecError:
            return None
        return found if found.made_by == _MADE_BY else None
