"""What may be left on a disk when the power fails: every state that POSIX allows after each prefix of some steps.

Names: of the changes to a folder since it was last flushed, any subset may have reached the disk, in no order; a rename
is two of them. Bytes: of a file that was not flushed since it was written, nothing, a torn half, zeros, or all.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from math import prod
from pathlib import Path
from typing import NamedTuple

from tests.unit.disk.recording import Step

_MOST_STATES = 256


@dataclass
class _File:
    now: bytes = b""
    safe: bytes | None = b""
    """What a flush made durable; ``None`` since then it was written to."""

    def left(self) -> list[bytes]:
        if self.safe is not None:
            return [self.safe]
        return list({b"", self.now[: len(self.now) // 2], bytes(len(self.now)), self.now})


@dataclass
class _Folder:
    now: dict[str, "_File | _Folder"] = field(default_factory=dict)
    safe: dict[str, "_File | _Folder"] = field(default_factory=dict)
    pending: dict[str, "list[_File | _Folder | None]"] = field(default_factory=dict)
    """What each changed name has meant since the last flush; ``None`` is nothing."""

    def put(self, name: str, node: "_File | _Folder | None") -> None:
        self.pending.setdefault(name, [self.safe.get(name)]).append(node)
        if node is None:
            del self.now[name]
        else:
            self.now[name] = node

    def flush(self) -> None:
        self.safe, self.pending = dict(self.now), {}

    def left(self) -> Iterator[dict[str, "_File | _Folder"]]:
        choices = [
            [(name, node) for node in {id(node): node for node in nodes}.values()]
            for name, nodes in self.pending.items()
        ]
        assert prod(map(len, choices)) <= _MOST_STATES, "too much is left unflushed to try every state"
        for some in product(*choices):
            names = {**self.safe, **dict(some)}
            yield {name: node for name, node in names.items() if node is not None}


Tree = tuple[tuple[str, "bytes | Tree"], ...]
"""A folder as a value: sorted names, each with a file's bytes or another folder."""


class Failure(NamedTuple):
    """One state that a power failure may leave after ``after`` steps, and what had been told by then."""

    after: int
    told: tuple[str, ...]
    tree: Tree


def read_tree(folder: Path) -> Tree:
    rows = [(path.name, read_tree(path) if path.is_dir() else path.read_bytes()) for path in sorted(folder.iterdir())]
    return tuple(rows)


def write_tree(tree: Tree, folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, node in tree:
        if isinstance(node, bytes):
            (folder / name).write_bytes(node)
        else:
            write_tree(node, folder / name)


def _build(tree: Tree) -> _Folder:
    folder = _Folder()
    for name, node in tree:
        folder.now[name] = _File(node, node) if isinstance(node, bytes) else _build(node)
    folder.flush()
    return folder


class _Model:
    def __init__(self, before: Tree) -> None:
        self.root = _build(before)
        self.files: dict[int, _File] = {}
        self.told: list[str] = []

    def _at(self, path: str) -> tuple[_Folder, str]:
        *above, name = Path(path).parts
        folder = self.root
        for part in above:
            found = folder.now[part]  # a KeyError: the folder was made past the disk
            assert isinstance(found, _Folder)
            folder = found
        return folder, name

    def apply(self, step: Step) -> None:
        match step.kind:
            case "told":
                self.told.append(step.path)
            case "write":
                file = self.files[step.file]
                file.now, file.safe = file.now + step.data, None
            case "flush":
                file = self.files[step.file]
                file.safe = file.now
            case "flush-folder":
                folder = self.root
                for part in Path(step.path).parts:
                    folder = folder.now[part]
                folder.flush()
            case _:
                self._change_names(step)

    def _change_names(self, step: Step) -> None:
        folder, name = self._at(step.path)
        match step.kind:
            case "make-folder":
                folder.put(name, _Folder())
            case "create":
                folder.put(name, self.files.setdefault(step.file, _File()))
            case "remove":
                folder.put(name, None)
            case "rename" | "link":
                other, new = self._at(step.to)
                other.put(new, folder.now[name])
                if step.kind == "rename":
                    folder.put(name, None)

    def left(self, folder: _Folder | None = None) -> set[Tree]:
        found: set[Tree] = set()
        for names in (folder or self.root).left():
            rows = [
                [(name, state) for state in (self.left(node) if isinstance(node, _Folder) else node.left())]
                for name, node in sorted(names.items())
            ]
            found.update(product(*rows))
        return found


def failures(before: Tree, steps: list[Step]) -> Iterator[Failure]:
    """Yield every state that a failure of power may leave, after each prefix of ``steps``; each once."""
    model = _Model(before)
    seen: set[Failure] = set()
    for after in range(len(steps) + 1):
        if after:
            model.apply(steps[after - 1])
        for tree in model.left():
            one = Failure(after, tuple(model.told), tree)
            if one._replace(after=0) not in seen:
                seen.add(one._replace(after=0))
                yield one
