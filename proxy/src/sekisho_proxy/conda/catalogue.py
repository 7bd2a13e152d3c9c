"""What one file of all records holds, kept by name: pieces in a file that only grows, and a catalogue of them.

Both are derived and can be thrown away. A catalogue is put in place only after all its pieces are written; each piece
is known by its sha256, which is also the digest of its name. What is no longer in the catalogue is left behind, until
more than half of the file is.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from sekisho.disk import DISK, disk_errors
from sekisho.errors import CorruptError
from sekisho_proxy.conda.value import Refused

_ROOM_FOR_LOSS = 16 << 20
"""Bytes that may be left behind in any case."""


class Place(NamedTuple):
    """Where a piece is: ``length`` bytes at ``offset``, which hash to ``digest``."""

    offset: int
    length: int
    digest: bytes


class Catalogue(msgspec.Struct, frozen=True, array_like=True):
    """The pieces of one subdir, by name, in ``file``; ``packages`` is where the channel says that those are."""

    file: str
    names: dict[str, Place]
    refused: tuple[Refused, ...] = ()
    packages: str = ""

    def dump(self) -> bytes:
        """Return the form that is kept."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def load(cls, data: bytes) -> "Catalogue":
        """Read that form; raise ``CorruptError`` for any other."""
        try:
            return msgspec.msgpack.decode(data, type=cls)
        except msgspec.MsgspecError as error:
            raise CorruptError(f"the catalogue of pieces cannot be read: {error}") from error

    def digests(self) -> dict[str, bytes]:
        """Return the digest of each name."""
        return {name: place.digest for name, place in self.names.items()}


class Pieces:
    """The folder of one subdir's pieces."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, catalogue: Catalogue, name: str) -> bytes:
        """Return a name's piece; raise ``CorruptError`` if it is not what the catalogue says."""
        place = catalogue.names[name]
        try:
            with (self.folder / catalogue.file).open("rb") as file:
                data = os.pread(file.fileno(), place.length, place.offset)
        except FileNotFoundError:
            data = b""
        if hashlib.sha256(data).digest() != place.digest:
            raise CorruptError(f"the piece of {name} is not whole", where=str(self.folder))
        return data

    def write(
        self, old: Catalogue | None, pieces: Iterable[tuple[str, bytes]], refused: Iterable[Refused]
    ) -> tuple[Catalogue, list[str]]:
        """Keep the pieces of all names; return their catalogue, and which of them are new or changed.

        Nothing of ``old`` is changed: as long as the new catalogue is not in force, it holds.
        """
        known = old.names if old and self._is_worth_keeping(old) else {}
        file = old.file if old and known else self._next(old)
        names: dict[str, Place] = {}
        changed: list[str] = []
        path = self.folder / file
        with disk_errors(path):
            DISK.settle(self.folder)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                at = os.lseek(handle, 0, os.SEEK_END)
                for name, data in pieces:
                    digest = hashlib.sha256(data).digest()
                    place = known.get(name)
                    if place is None or place.digest != digest:
                        DISK.write(handle, data)
                        place, at = Place(at, len(data), digest), at + len(data)
                        changed.append(name)
                    names[name] = place
            finally:
                os.close(handle)
        return Catalogue(file, names, tuple(refused)), changed

    def sweep(self, catalogue: Catalogue) -> None:
        """Remove the files that a catalogue in force does not need."""
        for path in self.folder.glob("*.pieces"):
            if path.name != catalogue.file:
                DISK.remove(path)

    def _is_worth_keeping(self, old: Catalogue) -> bool:
        path = self.folder / old.file
        used = sum(place.length for place in old.names.values())
        return path.is_file() and path.stat().st_size <= 2 * used + _ROOM_FOR_LOSS

    def _next(self, old: Catalogue | None) -> str:
        return "0.pieces" if old is None or old.file != "0.pieces" else "1.pieces"
