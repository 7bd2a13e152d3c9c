"""One act at a time, in this process and in those beside it that work on the same data folder."""

import fcntl
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from sekisho.disk import DISK, Disk, disk_errors
from sekisho.settings import Settings


class Turn:
    """A lock on a file, which the kernel drops with the process. Whoever has it may decide, rotate keys, or copy.

    It cannot be taken twice by one thread.
    """

    def __init__(self, path: Path, *, disk: Disk = DISK) -> None:
        self._path = path
        self._disk = disk
        self._thread = threading.Lock()
        self._held = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as held:
            held.enter_context(self._thread)
            with disk_errors(self._path):
                self._disk.settle(self._path.parent)
                lock = held.enter_context(self._path.open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._held = held.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        held, self._held = self._held, ExitStack()
        held.close()


def portal_turn(settings: Settings) -> Turn:
    """Return the turn of the portal whose state is in the data folder."""
    return Turn(settings.data / "portal" / "turn.lock")
