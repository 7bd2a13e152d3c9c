"""From a file's name to how it is read, and the files that it names."""

import codecs
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from sekisho.errors import BadInputError
from sekisho.wanted.environment import read_environment
from sekisho.wanted.lines import Opened, read_lines
from sekisho.wanted.project import read_project
from sekisho.wanted.pylock import read_pylock
from sekisho.wanted.uv_lock import read_uv_lock
from sekisho.wanted.value import LARGEST_FILE, Choice, Wanted

_MOST_FILES = 200
_PYLOCK = re.compile(r"pylock(\.[^.]+)?\.toml")
_PROJECTS = {"pyproject.toml": read_project, "uv.lock": read_uv_lock}
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
"""What ``pip freeze > requirements.txt`` writes depends on the shell."""


def read_wanted(path: Path, choice: Choice = Choice()) -> Wanted:  # noqa: B008 (an immutable value)
    """Read what a file asks for: a requirements file, ``environment.yml``, ``pyproject.toml``, or a lock.

    Raises ``BadInputError`` with file and line for what cannot be read or is not taken, ``OSError`` for a file that
    cannot be opened.
    """
    text, where = _text(path), str(path)
    reader = read_pylock if _PYLOCK.fullmatch(path.name) else _PROJECTS.get(path.name)
    if reader is not None:
        return reader(text, choice, where=where)
    if any(choice):
        raise BadInputError(
            "this file has neither extras nor groups", where=where, todo="leave --extra and --group out"
        )
    if path.suffix in {".yml", ".yaml"}:
        return read_environment(text, where=where, nested=_Beside((path,), count(1)))
    if path.suffix in {".toml", ".lock", ".json", ".cfg", ".py"}:
        raise BadInputError(
            "this format is not read",
            where=where,
            todo="use a requirements file, environment.yml, pyproject.toml, uv.lock or pylock.toml",
        )
    return read_lines(text, where=where, nested=_Beside((path,), count(1)))


class _Beside:
    """Opens the files that a file names: beside it, unless their paths say otherwise (as with pip)."""

    def __init__(self, chain: tuple[Path, ...], count: Iterator[int]) -> None:
        self._chain = chain
        self._count = count

    def __call__(self, name: str, where: str) -> Opened:
        """Open a file; raise ``BadInputError`` where that would never end, or there is none."""
        path = self._chain[-1].parent / name
        if path.resolve() in {one.resolve() for one in self._chain}:
            raise BadInputError(f"{name} is being read already", where=where, todo="remove the line")
        if next(self._count) > _MOST_FILES:
            raise BadInputError(
                f"more than {_MOST_FILES} files name one another", where=where, todo="put them together"
            )
        if not path.is_file():
            raise BadInputError(f"there is no file {name}", where=where, todo="correct the name, or put its lines in")
        return Opened(_text(path), str(path), _Beside((*self._chain, path), self._count))


def _text(path: Path) -> str:
    """Return what a file says, whatever byte order mark it begins with."""
    data = path.read_bytes()
    if len(data) > LARGEST_FILE:
        raise BadInputError(f"the file is larger than {LARGEST_FILE} bytes", where=str(path))
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadInputError(
            f"this is not {encoding}: {error.reason}", where=f"{path}, line {line}", todo="save it as UTF-8"
        ) from error
