"""What one file of all records holds, kept by name: pieces in a file that only grows, and a catalogue of them.

Both are derived and can be thrown away. A catalogue is put in place only after all its pieces are written; each piece
is known by a digest of its bytes, which is also the digest of its name. What is no longer in the catalogue is left
behind, until more than half of the file is.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from sekisho.disk import DISK, disk_errors
from sekisho.errors import CorruptError
from sekisho_proxy.conda.stated import Refused

_ROOM_FOR_LOSS = 16 << 20
"""Bytes that may be left behind in any case."""

_NONE = bytes(32)


class Piece(NamedTuple):
    """Where the records of one name are: of ``packages`` ``old_length`` bytes at ``old``, and of ``packages.conda``.

    The bytes are the members of a JSON object, as they stand: file name and record, with commas between them.
    """

    digest: bytes
    old: int
    old_length: int
    new: int
    new_length: int


class Catalogue(msgspec.Struct, frozen=True, array_like=True):
    """The pieces of one subdir, by name, in ``file``; ``packages`` is where the channel says that those are.

    ``outline`` is the sha256 of its text's outline, or empty.
    """

    file: str
    names: dict[str, Piece]
    refused: tuple[Refused, ...] = ()
    packages: str = ""
    outline: str = ""

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
        return {name: piece.digest for name, piece in self.names.items()}


def digest_of(old: bytes, new: bytes) -> bytes:
    """Return the digest of a name, given the sha256 of either part; empty where there is none."""
    return hashlib.sha256((old or _NONE) + (new or _NONE)).digest()


class Growing:
    """A file of pieces that is written to, made when it is. Nothing of what is in it changes.

    While it is written to, how long it was stands beside it: what a process left that was killed is taken back by the
    next one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._length = path.with_suffix(".length")
        self._was_there = path.exists()
        self._handle = -1
        self._began = self._at = 0

    def _open(self) -> int:
        if self._handle < 0:
            with disk_errors(self._path):
                DISK.settle(self._path.parent)
                self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
                self._began = self._at = self._note_length(self._handle)
        return self._handle

    def _note_length(self, handle: int) -> int:
        with suppress(FileNotFoundError, ValueError):
            os.ftruncate(handle, min(int(self._length.read_bytes()), os.fstat(handle).st_size))
        size = os.fstat(handle).st_size
        self._length.write_bytes(b"%d" % size)
        return os.lseek(handle, size, os.SEEK_SET)

    def append(self, data: bytes) -> int:
        """Write bytes at the end; return where they begin."""
        with disk_errors(self._path):
            DISK.write(self._open(), data)
        at, self._at = self._at, self._at + len(data)
        return at

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of it; fewer where it is shorter, and none of a disk that is harmed."""
        handle = self._open()
        with suppress(OSError):
            return os.pread(handle, length, offset)
        return b""

    def undo(self) -> None:
        """Take back what was written."""
        if self._handle >= 0:
            os.ftruncate(self._handle, self._began)
            if not self._was_there:
                DISK.remove(self._path)

    def close(self) -> None:
        """Close the file."""
        if self._handle >= 0:
            os.close(self._handle)
            self._length.unlink(missing_ok=True)


class Pieces:
    """The folder of one subdir's pieces."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, catalogue: Catalogue, name: str) -> tuple[bytes, bytes]:
        """Return a name's piece; raise ``CorruptError`` if it is not what the catalogue says."""
        piece = catalogue.names[name]
        old = new = b""
        with suppress(FileNotFoundError), (self.folder / catalogue.file).open("rb") as file:
            old = os.pread(file.fileno(), piece.old_length, piece.old)
            new = os.pread(file.fileno(), piece.new_length, piece.new)
        if digest_of(*(part and hashlib.sha256(part).digest() for part in (old, new))) != piece.digest:
            raise CorruptError(f"the piece of {name} is not whole", where=str(self.folder))
        return old, new

    def still(self, old: Catalogue | None) -> Catalogue | None:
        """Return ``old`` if what is new may be written behind its pieces."""
        return old if old and self._is_worth_keeping(old) else None

    @contextmanager
    def writing(self, old: Catalogue | None) -> Iterator[tuple[str, Growing]]:
        """Give the file to write to: that of ``old``, if it is ``still`` to be used. An error takes all back.

        Nothing of ``old`` is changed: as long as the new catalogue is not in force, it holds.
        """
        file = old.file if old and self.still(old) else self._next(old)
        growing = Growing(self.folder / file)
        try:
            yield file, growing
        except BaseException:
            growing.undo()
            raise
        finally:
            growing.close()

    def sweep(self, catalogue: Catalogue) -> None:
        """Remove the files that a catalogue in force does not need."""
        needed = {catalogue.file, f"{catalogue.outline}.outline"}
        for path in self.folder.glob("*.*"):
            if path.name not in needed:
                DISK.remove(path)

    def _is_worth_keeping(self, old: Catalogue) -> bool:
        path = self.folder / old.file
        used = sum(piece.old_length + piece.new_length for piece in old.names.values())
        return path.is_file() and path.stat().st_size <= 2 * used + _ROOM_FOR_LOSS

    def _next(self, old: Catalogue | None) -> str:
        return "0.pieces" if old is None or old.file != "0.pieces" else "1.pieces"
