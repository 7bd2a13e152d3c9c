"""The blob store: bytes by sha256, verified before they become visible.

A blob is written under ``incoming/``, hashed on the way, flushed, renamed into place, and its folder flushed. What a
crash leaves in ``incoming/`` is swept at the next start.
"""

import errno
import hashlib
import os
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sekisho.errors import CorruptError, NotFoundError, StorageFullError

_SHA256 = re.compile(r"^[0-9a-f]{64}$")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def disk_errors(where: Path) -> Iterator[None]:
    """Turn "no space left" into ``StorageFullError``; other errors of the system pass."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFullError(
                "the disk is full", where=str(where), todo="free some space and run the same command again"
            ) from error
        raise


def flush_folder(folder: Path) -> None:
    """Make a rename in ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data``: readers see the old bytes or the new ones, never a mixture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with disk_errors(path), half.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        half.rename(path)
    finally:
        half.unlink(missing_ok=True)
    flush_folder(path.parent)


def write_secret_once(path: Path, data: bytes) -> None:
    """Make a file of mode 0600 unless it is there; of two processes that start together, one wins for both."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    half.touch(mode=0o600)
    try:
        with disk_errors(path):
            half.write_bytes(data)
        os.link(half, path)
    except FileExistsError:
        pass
    finally:
        half.unlink()


class Incoming:
    """A blob on its way in. ``write`` it, then ``keep`` it; whatever is not kept is gone.

    What was written can be read from ``path`` at once: nothing is buffered here.
    """

    def __init__(self, store: "BlobStore") -> None:
        self._store = store
        self.path = store.incoming / uuid.uuid4().hex
        self.file = self.path.open("wb", buffering=0)
        self._sha256 = hashlib.sha256()
        self.size = 0

    def write(self, chunk: bytes) -> None:
        """Add bytes."""
        left = memoryview(chunk)
        with disk_errors(self._store.root):
            while left:
                left = left[self.file.write(left) :]
        self._sha256.update(chunk)
        self.size += len(chunk)

    def keep(self, expected: str | None = None) -> str:
        """Make the blob visible and return its sha256; raise ``CorruptError`` if it is not ``expected``."""
        found = self._sha256.hexdigest()
        if expected is not None and found != expected:
            raise CorruptError(f"the bytes hash to sha256:{found}, not sha256:{expected}")
        with disk_errors(self._store.root):
            os.fsync(self.file.fileno())
            self.file.close()
            target = self._store.path(found)
            target.parent.mkdir(parents=True, exist_ok=True)
            self.path.rename(target)
            flush_folder(target.parent)
        return found

    def drop(self) -> None:
        """Forget what was written; does nothing after ``keep``."""
        with suppress(OSError):  # closing flushes, and a full disk cannot
            self.file.close()
        self.path.unlink(missing_ok=True)


class BlobStore:
    """A folder of blobs, ``sha256/ab/abcd…``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.incoming = root / "incoming"
        with disk_errors(root):
            self.incoming.mkdir(parents=True, exist_ok=True)

    def sweep(self) -> int:
        """Remove what an interrupted writer left; return how many files that were. Call it before serving."""
        left = list(self.incoming.iterdir())
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

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
            incoming = Incoming(self)
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
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)
            flush_folder(target.parent)

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
