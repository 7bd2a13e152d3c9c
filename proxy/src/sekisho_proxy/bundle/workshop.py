"""Where a bundle is put together: a folder next to its target, and how it takes the target's place.

Whoever works in such a folder holds a lock on it, which the kernel drops with the process. So a folder whose lock
can be had is a leftover, and the next export removes it.
"""

import ctypes
import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sekisho.disk import disk_errors

_HERE = -100  # AT_FDCWD
_EXCHANGE = 2  # RENAME_EXCHANGE


@contextmanager
def open_workshop(place: Path) -> Iterator[Path]:
    """Give an empty folder to put together in what shall be at ``place``; it is gone when the context is left."""
    _sweep(place, "")
    with disk_errors(place.parent):
        half, lock = _begin(place)
    try:
        yield half
    finally:
        shutil.rmtree(half, ignore_errors=True)
        os.close(lock)


def put_in_place(half: Path, place: Path) -> None:
    """Put ``half`` at ``place``; what was there is removed.

    The two change places in one step where the system can. Where it cannot, there is nothing at ``place`` for the
    moment between two renames; an export that is killed right then leaves the old bundle beside it, as ``….old``.
    """
    if not place.exists():
        half.rename(place)
    elif _exchange(half, place):
        shutil.rmtree(half, ignore_errors=True)
    else:
        _step_aside(half, place)
    _sweep(place, ".old")


def _step_aside(half: Path, place: Path) -> None:
    aside = half.with_name(f"{half.name}.old")
    place.rename(aside)
    try:
        half.rename(place)
    except OSError:
        aside.rename(place)
        raise


def _exchange(one: Path, other: Path) -> bool:
    """Swap two paths by renameat2(2); tell whether kernel, libc and file system can."""
    swap = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    return swap is not None and swap(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0


def _begin(place: Path) -> tuple[Path, int]:
    """Return a new folder and the lock on it, both ours."""
    while True:
        half = place.with_name(f".{place.name}.{uuid.uuid4().hex}")
        half.mkdir()
        with suppress(FileNotFoundError):  # another export may have found it before it was locked
            lock = _lock(half)
            if lock is not None and half.exists():
                return half, lock


def _lock(folder: Path) -> int | None:
    """Return a handle that holds the lock on a folder, or ``None`` while someone else does."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _sweep(place: Path, ending: str) -> None:
    """Remove the leftovers of exports to ``place``; ``.old`` ones only when there is something newer."""
    leftover = re.compile(rf"\.{re.escape(place.name)}\.[0-9a-f]{{32}}{re.escape(ending)}")
    for folder in place.parent.iterdir():
        if leftover.fullmatch(folder.name):
            with suppress(OSError):
                _remove_unlocked(folder)


def _remove_unlocked(folder: Path) -> None:
    lock = _lock(folder)
    if lock is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
