"""From a file's name to how it is read, and the files that it names."""

import codecs
import os
import re
import stat
from pathlib import Path

from sekisho.errors import BadInputError
from sekisho.wanted.conda_lock import read_conda_lock
from sekisho.wanted.environment import read_environment
from sekisho.wanted.explicit import is_explicit, read_explicit
from sekisho.wanted.lines import Opened, read_lines
from sekisho.wanted.pixi import read_pixi, read_pixi_lock
from sekisho.wanted.project import read_project
from sekisho.wanted.pylock import read_pylock
from sekisho.wanted.uv_lock import read_uv_lock
from sekisho.wanted.value import LARGEST_FILE, Choice, Wanted, shown

_MOST_FILES = 200
_MOST_BYTES = 3 * LARGEST_FILE
"""What a file and all that it names may have together."""

_PYLOCK = re.compile(r"pylock(\.[^.]+)?\.toml")
_PROJECTS = {"pyproject.toml": read_project, "uv.lock": read_uv_lock}
_OF_PLATFORMS = {"pixi.toml": read_pixi, "pixi.lock": read_pixi_lock}
_CONDA_LOCKS = ("conda-lock.yml", "conda-lock.yaml")
_KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
"""What ``pip freeze > requirements.txt`` writes depends on the shell."""


def read_wanted(path: Path, choice: Choice = Choice(), *, subdir: str = "linux-64") -> Wanted:  # noqa: B008 (an immutable value)
    """Read what a file asks for: a requirements file, ``environment.yml``, a project's file, or a lock.

    ``subdir`` is what channels call the platform, of which some locks hold several.

    Raises ``BadInputError`` with file and line for what cannot be read or is not taken, ``OSError`` for a file that
    cannot be opened. Only regular files are read, and none that is larger than ``LARGEST_FILE``.
    """
    where, left = str(path), _Left(_MOST_FILES, _MOST_BYTES)
    text = left.read(path, str(path), where)
    reader = read_pylock if _PYLOCK.fullmatch(path.name) else _PROJECTS.get(path.name)
    if reader is not None:
        return reader(text, choice, where=where)
    if (of_platform := _OF_PLATFORMS.get(path.name)) or path.name.endswith(_CONDA_LOCKS):
        return (of_platform or read_conda_lock)(text, choice, where=where, subdir=subdir)
    if any(choice):
        raise BadInputError(
            "this file has neither extras nor groups", where=where, todo="leave --extra and --group out"
        )
    if path.suffix in {".yml", ".yaml"}:
        return read_environment(text, where=where, nested=_Beside((path,), left))
    if path.suffix in {".toml", ".lock", ".json", ".cfg", ".py"}:
        raise BadInputError(
            "this format is not read",
            where=where,
            todo="use requirements.txt, environment.yml, pyproject.toml, pixi.toml, or a lock of uv, conda or pixi",
        )
    if is_explicit(text):
        return read_explicit(text, where=where)
    return read_lines(text, where=where, nested=_Beside((path,), left))


def read_text(path: Path) -> str:
    """Return what a regular file says, and no more than ``LARGEST_FILE`` bytes.

    Raises ``BadInputError`` for another one and for what is no text, ``OSError`` for one that cannot be opened.
    """
    return _text(_bytes(path, str(path), str(path)), path)


class _Left:
    """How many more files, and bytes of them, may be read for one that somebody named."""

    def __init__(self, files: int, size: int) -> None:
        self._files = files
        self._bytes = size

    def read(self, path: Path, name: str, where: str) -> str:
        """Return what a file says; raise ``BadInputError`` for one that is no regular file, or is too much."""
        self._files -= 1
        if self._files < -1:  # the first one is named by a person
            raise BadInputError(
                f"more than {_MOST_FILES} files name one another", where=where, todo="put them together"
            )
        data = _bytes(path, name, where)
        self._bytes -= len(data)
        if self._bytes < 0:
            raise BadInputError(
                f"with {name} these files have more than {_MOST_BYTES} bytes", where=where, todo="ask for fewer at once"
            )
        return _text(data, path)


class _Beside:
    """Opens the files that a file names: beside it, unless their paths say otherwise (as with pip)."""

    def __init__(self, chain: tuple[Path, ...], left: _Left) -> None:
        self._chain = chain
        self._left = left

    def __call__(self, name: str, where: str) -> Opened:
        """Open a file; raise ``BadInputError`` where that would never end, or there is none."""
        shown_name = shown(name)
        try:
            path = self._chain[-1].parent / name
            if path.resolve() in {one.resolve() for one in self._chain}:
                raise BadInputError(f"{shown_name} is being read already", where=where, todo="remove the line")
            text = self._left.read(path, shown_name, where)
        except FileNotFoundError as error:
            raise BadInputError(
                f"there is no file {shown_name}", where=where, todo="correct the name, or put its lines in"
            ) from error
        except (OSError, ValueError, RuntimeError) as error:  # a NUL, or links that lead in a circle
            raise BadInputError(
                f"{shown_name} cannot be opened: {getattr(error, 'strerror', None) or error}"[:500],
                where=where,
                todo="correct the name, or put its lines in",
            ) from error
        return Opened(text, str(path), _Beside((*self._chain, path), self._left))


def _bytes(path: Path, name: str, where: str) -> bytes:
    """Read a regular file of a bounded size. Nothing else is opened: a pipe would be waited for, a device not end."""
    _check_regular(path.stat(), name, where)
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        found = os.fstat(file.fileno())
        _check_regular(found, name, where)
        data = b"" if found.st_size > LARGEST_FILE else file.read(LARGEST_FILE + 1)
    if max(found.st_size, len(data)) > LARGEST_FILE:
        raise BadInputError(f"{name} is larger than {LARGEST_FILE} bytes", where=where, todo="ask for fewer at once")
    return data


def _check_regular(found: os.stat_result, name: str, where: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = next((kind for is_kind, kind in _KINDS if is_kind(found.st_mode)), "a device")
        raise BadInputError(f"{name} is {kind}, and only regular files are read", where=where, todo="name a file")


def _text(data: bytes, path: Path) -> str:
    """Return what a file says, whatever byte order mark it begins with."""
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadInputError(
            f"this is not {encoding}: {error.reason}", where=f"{path}, line {line}", todo="save it as UTF-8"
        ) from error
