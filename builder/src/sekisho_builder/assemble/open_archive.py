"""What every package is that is read here: a file that is open while it is used, and held to the lock before."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

from sekisho.errors import CorruptError
from sekisho.store import file_sha256


class OpenArchive(ABC):
    """An open file. What ``_begin`` reads is known from the start; where that fails, the file is closed again."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        try:
            self._begin()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @abstractmethod
    def _begin(self) -> None:
        """Read and check what has to hold before anything else is read."""


def check_locked(path: Path, sha256: str, what: str) -> None:
    """Raise ``CorruptError`` unless this is the file that the lock names."""
    if file_sha256(path) != sha256:
        raise CorruptError(f"the {what} is not the locked file", where=str(path), todo="delete it, and build again")
