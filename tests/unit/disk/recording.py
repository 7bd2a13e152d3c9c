"""A disk that works and writes down what it was told, below one folder."""

import os
from pathlib import Path
from typing import NamedTuple

from sekisho.disk import Disk


class Step(NamedTuple):
    """One operation. Paths are relative to the recorder's folder; ``file`` numbers what was created."""

    kind: str
    path: str = ""
    to: str = ""
    file: int = 0
    data: bytes = b""

    def __str__(self) -> str:
        return " ".join(str(part) for part in (self.kind, self.path, self.to) if part)


class RecordingDisk(Disk):
    """Does what a disk does, and keeps the steps. ``tell`` marks what somebody was told was done."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root.absolute()
        self.steps: list[Step] = []
        self._files: dict[int, tuple[int, str]] = {}
        self._created = 0

    def _inside(self, path: Path) -> str | None:
        whole = path.absolute()
        return str(whole.relative_to(self.root)) if whole.is_relative_to(self.root) else None

    def _note(self, kind: str, path: Path, to: Path | None = None) -> None:
        inside = self._inside(path)
        if inside is not None:
            self.steps.append(Step(kind, inside, self._inside(to) or "" if to else ""))

    def tell(self, what: str) -> None:
        self.steps.append(Step("told", what))

    def told(self) -> list[str]:
        return [str(step) for step in self.steps]

    def create(self, path: Path, mode: int = 0o666) -> int:
        handle = super().create(path, mode)
        self._created += 1
        self._files[handle] = self._created, self._inside(path) or ""
        self.steps.append(Step("create", self._files[handle][1], file=self._created))
        return handle

    def write(self, handle: int, data: bytes) -> None:
        super().write(handle, data)
        number, path = self._files[handle]
        self.steps.append(Step("write", path, file=number, data=bytes(data)))

    def flush(self, handle: int) -> None:
        super().flush(handle)
        number, path = self._files[handle]
        self.steps.append(Step("flush", path, file=number))

    def rename(self, old: Path, new: Path) -> None:
        super().rename(old, new)
        self._note("rename", old, new)

    def link(self, old: Path, new: Path) -> None:
        super().link(old, new)
        self._note("link", old, new)

    def remove(self, path: Path) -> None:
        was = os.path.lexists(path)
        super().remove(path)
        if was:
            self._note("remove", path)

    def make_folder(self, folder: Path) -> None:
        super().make_folder(folder)
        self._note("make-folder", folder)

    def flush_folder(self, folder: Path) -> None:
        super().flush_folder(folder)
        self._note("flush-folder", folder)
