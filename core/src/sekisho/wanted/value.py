"""What a file asks for, whatever its format; and how a wrong line of it is named."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from packaging.requirements import Requirement

from sekisho.bare import bare
from sekisho.errors import BadInputError
from sekisho.model import Kind, normalize_project, parse_requirement

LARGEST_FILE = 20_000_000
"""Bytes; a lock of a thousand projects has five million."""

LINE = "\n"
IN_HOUSE = "ask for NAME or NAME==VERSION; what is your own goes to the in-house index (docs/how-to/in-house.md)"

_TOML_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_MANY_PARTS = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){100}""")
"""Dotted keys, for which Python's reader takes the square of their parts."""

_FOREIGN = set("@/\\:")
_ARCHIVES = (".whl", ".zip", ".egg", ".tar.gz", ".tar.bz2", ".tar.xz", ".tgz")


class Choice(NamedTuple):
    """Which optional parts of a file are wanted: extras, and dependency groups (PEP 735)."""

    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class Named(NamedTuple):
    """A match spec or a channel as a file writes it, and the file and line that do."""

    text: str
    where: str


class Wanted(NamedTuple):
    """What was read. ``kind`` is of ``requirements``; ``conda`` are match specs, ``channels`` where they are found.

    ``constraints`` and ``hashes`` are as a request's. ``python`` says which interpreters the file is for (PEP 440
    specifiers), ``arch`` for which processor. ``extra_dependencies`` and ``extra_variables`` are what is
    named for builds, ``extra-build-…``. ``ignored`` are sentences on what was read and does not count.
    """

    kind: Kind = "pypi"
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    hashes: Mapping[str, tuple[str, ...]] = {}
    python: str | None = None
    arch: str | None = None
    conda: tuple[Named, ...] = ()
    channels: tuple[Named, ...] = ()
    extra_dependencies: Mapping[str, Any] = {}
    extra_variables: Mapping[str, Any] = {}
    ignored: tuple[str, ...] = ()


def together(parts: Iterable[Wanted]) -> Wanted:
    """Put parts of one kind together, in their order."""
    rows = list(parts)
    hashes: dict[str, dict[str, None]] = {}
    for row in rows:
        for name, found in row.hashes.items():
            hashes.setdefault(name, {}).update(dict.fromkeys(found))
    return Wanted(
        requirements=tuple(text for row in rows for text in row.requirements),
        constraints=tuple(text for row in rows for text in row.constraints),
        hashes={name: tuple(found) for name, found in hashes.items()},
        python=",".join(row.python for row in rows if row.python) or None,
        arch=next((row.arch for row in rows if row.arch), None),
        conda=tuple(spec for row in rows for spec in row.conda),
        channels=tuple(channel for row in rows for channel in row.channels),
        extra_dependencies={name: found for row in rows for name, found in row.extra_dependencies.items()},
        extra_variables={name: found for row in rows for name, found in row.extra_variables.items()},
        ignored=tuple(text for row in rows for text in row.ignored),
    )


def shown(text: str) -> str:
    """Return a line as it may be shown: short, and without a login or a token in an address."""
    return bare(text)[:120]


def read_requirement(text: str, *, where: str) -> Requirement:
    """Read one requirement; raise ``BadInputError`` for what names an address or a file, or is none."""
    bare = text.partition(";")[0].strip()
    if _FOREIGN & set(bare) or bare.startswith((".", "~")) or bare.lower().endswith(_ARCHIVES):
        raise BadInputError(
            f"{shown(text)!r} names an address or a file, and only projects of a source can be judged",
            where=where,
            todo=IN_HOUSE,
        )
    try:
        wanted = parse_requirement(text)
        normalize_project("pypi", wanted.name)
    except BadInputError as error:
        raise BadInputError(error.what, where=where, todo=error.todo) from error
    except ValueError as error:
        raise BadInputError(str(error), where=where, todo="write it as NAME, NAME==VERSION or NAME>=VERSION") from error
    return wanted


def read_toml(text: str, *, where: str) -> dict[str, Any]:
    """Parse TOML; raise ``BadInputError`` naming file and line."""
    if long := _MANY_PARTS.search(text):
        number = text.count(LINE, 0, long.start()) + 1
        raise BadInputError("a key of more than 100 parts", where=f"{where}, line {number}", todo="correct it")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # besides TOML's own, what Python does of a number that is too long
        found = _TOML_LINE.search(str(error))
        line = found[1] if found else str(text.count("\n") + 1)
        raise BadInputError(f"not valid TOML: {error or 'nested too deep'}", where=f"{where}, line {line}") from error


def table(value: object, *keys: str, where: str) -> dict[str, Any]:
    """Return the table below ``keys``, empty if it is not there; raise ``BadInputError`` for what is no table."""
    for number, key in enumerate(keys):
        value = value.get(key, {}) if isinstance(value, dict) else value
        if not isinstance(value, dict):
            raise BadInputError(f"`{'.'.join(keys[: number + 1])}` is not a table", where=where)
    return dict(value) if isinstance(value, dict) else {}


def texts(value: object, name: str, *, where: str) -> tuple[str, ...]:
    """Return a list of strings; raise ``BadInputError`` for anything else."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadInputError(f"`{name}` is not a list of strings", where=where)
    return tuple(value)


def at(where: str, text: str, needle: str) -> str:
    """Name the line of a file in which ``needle`` stands first; after a line break it is one that begins with it."""
    before, found, _ = text.partition(needle) if needle else (text, "", "")
    return f"{where}, line {before.count(LINE) + needle.startswith(LINE) + 1}" if found else where


class Lines:
    """Where each line of a file stands first: a row of a list by what it says, a key by its name. Made in one pass."""

    def __init__(self, text: str, where: str) -> None:
        self._where = where
        self._numbers: dict[str, int] = {}
        for number, line in enumerate(text.split(LINE), 1):
            said = line.strip().removeprefix("- ").strip()
            bare = said.split("#")[0].strip().strip("\"'")
            for key in (said, bare, said.partition("=")[0].strip().strip("\"'"), f"{said.partition(':')[0]}:"):
                self._numbers.setdefault(key, number)

    def at(self, *said: str) -> str:
        """Name the line that says the first of these that any does; the file alone if none does."""
        number = next((self._numbers[one] for one in said if one in self._numbers), None)
        return self._where if number is None else f"{self._where}, line {number}"


@contextmanager
def line_of(where: str, text: str, needle: str) -> Iterator[None]:
    """Name the line in which ``needle`` stands in a complaint that names only the file; it is looked for only then."""
    try:
        yield
    except BadInputError as error:
        if error.where != where:
            raise
        raise BadInputError(error.what, where=at(where, text, needle), todo=error.todo) from error


def check_count(count: int, most: int, what: str, *, where: str) -> None:
    """Raise ``BadInputError`` for more than a request can hold, before time is spent on it."""
    if count > most:
        raise BadInputError(f"more than {most} {what}", where=where, todo="ask for fewer at once")


def may_run(filename: str) -> bool:
    """Tell whether a wheel may be one for Linux with glibc, or for any platform; no target is anything else."""
    platform = filename.rpartition("-")[2]
    return "manylinux" in platform or platform.startswith(("any.", "linux_"))


def chosen(asked: Iterable[str], known: Iterable[str], what: str, *, where: str) -> set[str]:
    """Return the normalised names asked for; raise ``BadInputError`` if the file has no such extra or group."""
    wanted = {normalize_project("pypi", name) for name in asked}
    if missing := wanted - {normalize_project("pypi", name) for name in known}:
        raise BadInputError(
            f"there is no {what} {', '.join(sorted(missing))}",
            where=where,
            todo=f"it has {', '.join(sorted(known)) or 'none'}",
        )
    return wanted
