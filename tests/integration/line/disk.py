"""A small disk: a tmpfs that a test fills to the last byte, and makes larger."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

MEGABYTE = 1 << 20


class SmallDisk:
    """A tmpfs at ``folder``, ``size`` megabytes large."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self._size = size
        folder.mkdir(parents=True, exist_ok=True)
        done = self._run("mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(folder))
        if done.returncode != 0:
            pytest.skip(f"a tmpfs cannot be mounted here: {done.stderr.strip()}")

    @staticmethod
    def _run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

    def fill(self, *, leave: int) -> None:
        """Fill it until ``leave`` bytes are free, though others may write there meanwhile."""
        with (self.folder / "filler").open("ab") as file:
            for _ in range(20):
                status = os.statvfs(self.folder)
                try:
                    os.posix_fallocate(file.fileno(), file.tell(), max(1, status.f_bavail * status.f_frsize - leave))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                else:
                    return
        raise AssertionError(f"{self.folder} could not be filled in 20 attempts")

    def enlarge(self) -> None:
        """Make it twice as large, as an operator would; what filled it stays."""
        self._size *= 2
        done = self._run("mount", "-o", f"remount,size={self._size}m", str(self.folder))
        assert done.returncode == 0, done.stderr

    def unmount(self) -> None:
        done = self._run("umount", str(self.folder))
        if done.returncode != 0:
            done = self._run("umount", "--lazy", str(self.folder))
        assert done.returncode == 0, done.stderr
