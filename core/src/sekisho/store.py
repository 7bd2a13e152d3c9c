"""The blob store: bytes by sha256, verified before they become visible.

A blob is written under ``incoming/``, hashed on the way, flushed, renamed into place, and its folder flushed, as is
every folder that had to be made for it. What a crash leaves in ``incoming/`` is swept at the next start.
"""

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sekisho.disk import DISK, Disk, disk_errors, sweep
from sekisho.errors import ConflictError, CorruptError, NotFoundError

_SHA256 = re.compile(r"^[0-9a-f]{64}$")
_HALVES = ".*." + "[0-9a-f]" * 32


@contextmanager
def _half(path: Path, data: Iterable[bytes], disk: Disk, mode: int) -> Iterator[Path]:
    """Give a durable file with ``data`` beside ``path``, which is gone afterwards."""
    half = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    handle = disk.create(half, mode)
    try:
        for piece in data:
            disk.write(handle, piece)
        disk.flush(handle)
        yield half
    finally:
        disk.remove(half)
        os.close(handle)


def write_atomically(path: Path, data: bytes | Iterable[bytes], *, mode: int = 0o666, disk: Disk = DISK) -> None:
    """Replace ``path`` by ``data``, durably: readers see the old bytes or the new ones, never a mixture.

    What is large comes in pieces, so that it never is in memory as a whole. ``mode`` is what the umask takes from.
    """
    data = (data,) if isinstance(data, bytes) else data
    with disk_errors(path):
        disk.settle(path.parent)
        with _half(path, data, disk, mode) as half:
            disk.rename(half, path)
        disk.flush_folder(path.parent)


def write_secret_once(path: Path, data: bytes, *, disk: Disk = DISK) -> None:
    """Make a file of mode 0600 unless it is there; of two processes that start together, one wins for both."""
    if path.exists():
        with suppress(OSError):  # whoever made it may not have come so far; it may lie where nothing can be written
            disk.flush_folder(path.parent)
        return
    with disk_errors(path):
        disk.settle(path.parent)
        with _half(path, (data,), disk, 0o600) as half, suppress(FileExistsError):
            disk.link(half, path)
        disk.flush_folder(path.parent)


def sweep_halves(folder: Path) -> int:
    """Remove what interrupted ``write_atomically`` left in ``folder``; return how many files that were."""
    return sweep(folder, _HALVES)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give a folder, closed to others, that becomes ``target`` once all is well, and is gone otherwise.

    Raises ``ConflictError`` if there is something at ``target``, ``NotFoundError`` if there is nothing above it.
    """
    whole = target.absolute()
    if not whole.parent.is_dir():
        raise NotFoundError("the folder to write into does not exist", where=str(whole.parent))
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConflictError("there is something here already", where=str(target), todo="name a new folder")
    half = whole.with_name(f".{target.name}.{uuid.uuid4().hex}")
    with disk_errors(whole.parent):
        half.mkdir(mode=0o700)
        try:
            yield half
            half.rename(whole)
            DISK.flush_folder(whole.parent)
        finally:
            shutil.rmtree(half, ignore_errors=True)


class Incoming:
    """A blob on its way in. ``write`` it, then ``keep`` it; whatever is not kept is gone.

    What was written can be read from ``path`` at once: nothing is buffered here.
    """

    def __init__(self, store: "BlobStore", disk: Disk) -> None:
        self._store = store
        self._disk = disk
        self.path = store.incoming / uuid.uuid4().hex
        self._handle: int | None = disk.create(self.path)
        self._sha256 = hashlib.sha256()
        self.size = 0

    def _open(self) -> int:
        if self._handle is None:
            message = "this blob was kept or dropped"
            raise ValueError(message)
        return self._handle

    def write(self, chunk: bytes) -> None:
        """Add bytes."""
        with disk_errors(self._store.root):
            self._disk.write(self._open(), chunk)
        self._sha256.update(chunk)
        self.size += len(chunk)

    def keep(self, expected: str | None = None) -> str:
        """Make the blob visible and return its sha256; raise ``CorruptError`` if it is not ``expected``."""
        found = self._sha256.hexdigest()
        if expected is not None and found != expected:
            raise CorruptError(f"the bytes hash to sha256:{found}, not sha256:{expected}")
        target = self._store.path(found)
        with disk_errors(self._store.root):
            self._disk.flush(self._open())
            self._disk.settle(target.parent)
            self._disk.rename(self.path, target)
            self._disk.flush_folder(target.parent)
            self._close()
        return found

    def drop(self) -> None:
        """Forget what was written; does nothing after ``keep``."""
        self._disk.remove(self.path)
        with suppress(OSError):  # closing flushes, and a full disk cannot
            self._close()

    def _close(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


class BlobStore:
    """A folder of blobs, ``sha256/ab/abcd…``."""

    def __init__(self, root: Path, *, disk: Disk = DISK) -> None:
        self.root = root
        self.incoming = root / "incoming"
        self._disk = disk
        with disk_errors(root):
            disk.settle(self.incoming)

    def sweep(self) -> int:
        """Remove what interrupted writers left; return how many files that were. Call it before serving."""
        return sweep(self.incoming)

    def path(self, sha256: str) -> Path:
        """Return where the blob is, or would be. Refuses anything that is no sha256, so no path can be smuggled."""
        if not _SHA256.fullmatch(sha256):
            raise NotFoundError(f"{sha256[:80]!r} is not a sha256")
        return self.root / "sha256" / sha256[:2] / sha256

    def has(self, sha256: str) -> bool:
        """Tell whether the blob is here."""
        return self.path(sha256).is_file()

    @contextmanager
    def receive(self) -> Iterator[Incoming]:
        """Open a blob for writing; without ``keep`` nothing stays."""
        with disk_errors(self.root):
            incoming = Incoming(self, self._disk)
        try:
            yield incoming
        finally:
            incoming.drop()

    def add(self, chunks: Iterable[bytes], *, expected: str | None = None) -> str:
        """Store bytes and return their sha256; raise ``CorruptError`` if it is not ``expected``."""
        with self.receive() as incoming:
            for chunk in chunks:
                incoming.write(chunk)
            return incoming.keep(expected)

    def adopt(self, source: Path, sha256: str) -> None:
        """Take over a verified file of the same file system by renaming it."""
        target = self.path(sha256)
        with disk_errors(self.root):
            self._disk.settle(target.parent)
            self._disk.rename(source, target)
            self._disk.flush_folder(target.parent)

    def read(self, sha256: str) -> bytes:
        """Return a small blob; raise ``NotFoundError`` if it is not here."""
        try:
            return self.path(sha256).read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError(f"no blob sha256:{sha256}", where=str(self.root)) from error


def chunks(path: Path, size: int = 1 << 20) -> Iterator[bytes]:
    """Yield a file's bytes, ``size`` at a time."""
    with path.open("rb") as file:
        while chunk := file.read(size):
            yield chunk


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
