"""The few operations that everything durable is made of, in one narrow class, so that a test can record them.

POSIX promises little: a write is durable after ``fsync`` of the file, a name after ``fsync`` of its folder, and that
holds for a new folder's own name as well. Until then a power failure may keep any part of it, in any order.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sekisho.errors import StorageFullError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Disk:
    """The file system. It remembers which folders it made durable, so that each costs that only once."""

    def __init__(self) -> None:
        self._settled: set[Path] = set()

    def create(self, path: Path, mode: int = 0o666) -> int:
        """Make a file that is not there and return its descriptor, locked for as long as its writer lives."""
        while True:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.fstat(handle).st_nlink:
                return handle
            os.close(handle)  # a sweep came before the lock and took it for a leftover

    def write(self, handle: int, data: bytes) -> None:
        """Write all of ``data``."""
        left = memoryview(data)
        while left:
            left = left[os.write(handle, left) :]

    def flush(self, handle: int) -> None:
        """Make what was written to a file durable."""
        os.fsync(handle)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name, in place of what had it."""
        old.rename(new)

    def link(self, old: Path, new: Path) -> None:
        """Give a file a second name; raise ``FileExistsError`` if something has it."""
        os.link(old, new)

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there."""
        path.unlink(missing_ok=True)

    def make_folder(self, folder: Path) -> None:
        """Make a folder, unless it is there."""
        folder.mkdir(exist_ok=True)

    def flush_folder(self, folder: Path) -> None:
        """Make the names in a folder durable."""
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def settle(self, folder: Path) -> None:
        """Make a folder and those above it, each durable in the one above.

        One that is there already is flushed too, once: whoever made it may have been killed before it did so.
        """
        whole = folder.absolute()
        if whole in self._settled and whole.is_dir():
            return
        if whole.parent != whole:
            self.settle(whole.parent)
            is_new = not whole.is_dir()
            if is_new:
                self.make_folder(whole)
            try:
                self.flush_folder(whole.parent)
            except OSError:
                if is_new:
                    raise  # one that was always there may lie in a folder that we cannot even open
        self._settled.add(whole)


DISK = Disk()


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


def sweep(folder: Path, pattern: str = "*") -> int:
    """Remove half-written files that no living process is writing; return how many that were."""
    removed = 0
    for path in folder.glob(pattern):
        with suppress(FileNotFoundError, BlockingIOError):
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
                removed += 1
            finally:
                os.close(handle)
    return removed
