"""What a package says of itself under ``info/`` (CEP 34), parsed: nothing is guessed, and what is odd is refused."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, NoReturn

from sekisho.conda_archive.names import check_path
from sekisho.conda_archive.tar import Member
from sekisho.errors import ConfusingError

LARGEST_INFO = 64 << 20
"""Bytes of the largest file of ``info/`` that is read: paths.json of 300,000 paths."""

_DOCUMENTS = frozenset(
    f"info/{name}"
    for name in (
        "index.json",
        "paths.json",
        "link.json",
        "about.json",
        "run_exports.json",
        "files",
        "has_prefix",
        "no_link",
    )
)
_LARGEST_LICENCE = 1 << 20
_DEFAULT_PLACEHOLDER = "/opt/anaconda1anaconda2anaconda3"
"""What stands for the prefix where ``has_prefix`` names none: see CEP 34."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ENTRY_POINT = re.compile(r"\s*([\w.-]+)\s*=\s*([\w.]+)\s*:\s*([\w.]+)\s*", re.ASCII)

PathType = Literal["hardlink", "softlink", "directory"]
FileMode = Literal["", "text", "binary"]


class PathEntry(NamedTuple):
    """What ``paths.json`` says of one path: a softlink's ``sha256`` and ``size`` are those of what it leads to.

    ``sha256`` is empty and ``size`` is -1 where nobody states it, as packages without a ``paths.json``.
    """

    path: str
    path_type: PathType = "hardlink"
    sha256: str = ""
    size: int = -1
    prefix_placeholder: str = ""
    file_mode: FileMode = ""
    no_link: bool = False


class EntryPoint(NamedTuple):
    """A command that the installer of a ``noarch: python`` package writes: ``command = module:function``."""

    command: str
    module: str
    function: str


@dataclass(frozen=True)
class PackageInfo:
    """A package's word on itself. ``states_paths`` tells whether it has a paths.json, or older lists alone.

    ``licences`` are the texts under ``info/licenses/``, by path; ``names`` is all that lies under ``info/``.
    """

    index: Mapping[str, Any]
    paths: tuple[PathEntry, ...]
    states_paths: bool
    noarch: Literal["", "python", "generic"]
    entry_points: tuple[EntryPoint, ...]
    about: Mapping[str, Any]
    run_exports: Mapping[str, Any]
    files: tuple[str, ...]
    licences: Mapping[str, bytes]
    names: frozenset[str]

    @classmethod
    def of(cls, kept: Mapping[str, bytes], names: frozenset[str] = frozenset()) -> "PackageInfo":
        """Read what ``is_kept`` names of ``info/``, by path; raise ``ConfusingError`` for what makes no sense."""
        index = _object(kept, "info/index.json")
        if not index:
            raise ConfusingError("there is no info/index.json")
        link = _object(kept, "info/link.json").get("noarch") or {}
        if not isinstance(link, dict):
            raise ConfusingError("info/link.json says nothing valid of noarch")
        return cls(
            index=index,
            paths=tuple(_paths(kept) if "info/paths.json" in kept else _older_paths(kept)),
            states_paths="info/paths.json" in kept,
            noarch=_noarch(index.get("noarch"), link.get("type")),
            entry_points=tuple(_entry_points(link.get("entry_points"))),
            about=_object(kept, "info/about.json"),
            run_exports=_run_exports(kept),
            files=tuple(_lines(kept, "info/files")),
            licences={path: text for path, text in kept.items() if path.startswith("info/licenses/")},
            names=names,
        )


def is_kept(member: Member) -> bool:
    """Tell whether a member's bytes are of those that ``PackageInfo.of`` reads."""
    if member.kind != "file":
        return False
    licence = member.path.startswith("info/licenses/") and member.size <= _LARGEST_LICENCE
    return member.path in _DOCUMENTS or licence


def read_json(data: bytes, name: str) -> object:
    """Return the value of a JSON text (RFC 8259) in which no key stands twice; raise ``ConfusingError`` for no such."""
    try:
        return json.loads(data, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ConfusingError(f"{name} cannot be read: {error}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        message = "a key stands twice"
        raise ValueError(message)
    return found


def _refuse(name: str) -> NoReturn:
    message = f"{name} is no number"
    raise ValueError(message)


def _object(kept: Mapping[str, bytes], name: str) -> dict[str, Any]:
    if name not in kept:
        return {}
    value = read_json(kept[name], name)
    if not isinstance(value, dict):
        raise ConfusingError(f"{name} is no object")
    return value


def _run_exports(kept: Mapping[str, bytes]) -> dict[str, Any]:
    """Return run_exports.json as an object; a list is those that are weak."""
    if "info/run_exports.json" not in kept:
        return {}
    value = read_json(kept["info/run_exports.json"], "info/run_exports.json")
    if isinstance(value, list):
        return {"weak": value}
    if not isinstance(value, dict):
        raise ConfusingError("info/run_exports.json is no object")
    return value


def _noarch(index: object, link: object) -> Literal["", "python", "generic"]:
    """Return the kind of a package without an architecture; the two files may not differ on it."""
    stated = {"generic" if value is True else value for value in (index, link) if value not in {None, False, ""}}
    if len(stated) > 1 or not stated <= {"python", "generic"}:
        raise ConfusingError("index.json and link.json say different things of noarch, or nothing valid")
    return "python" if "python" in stated else "generic" if stated else ""


def _entry_points(stated: object) -> Iterator[EntryPoint]:
    if stated is not None and not isinstance(stated, list):
        raise ConfusingError("the entry points in info/link.json are no list")
    for row in stated or ():
        found = _ENTRY_POINT.fullmatch(row) if isinstance(row, str) else None
        if not found or not found[1].strip("."):
            raise ConfusingError(f"{str(row)[:120]!r} is no entry point")
        yield EntryPoint(found[1], found[2], found[3])


def _paths(kept: Mapping[str, bytes]) -> Iterator[PathEntry]:
    rows = _object(kept, "info/paths.json").get("paths")
    if not isinstance(rows, list):
        raise ConfusingError("info/paths.json has no list of paths")
    seen: set[str] = set()
    for row in rows:
        entry = _entry(row)
        if entry.path in seen:
            raise ConfusingError(f"info/paths.json lists {entry.path[:120]!r} twice")
        seen.add(entry.path)
        yield entry


def _entry(row: object) -> PathEntry:
    if not isinstance(row, dict) or not isinstance(row.get("_path"), str):
        raise ConfusingError("info/paths.json has a row without a path")
    path, path_type = row["_path"], row.get("path_type", "hardlink")
    sha256, size = row.get("sha256") or "", row.get("size_in_bytes", -1)
    placeholder, mode = row.get("prefix_placeholder") or "", row.get("file_mode") or ""
    right = (
        path_type in {"hardlink", "softlink", "directory"}
        and isinstance(sha256, str)
        and (not sha256 or _SHA256.fullmatch(sha256) is not None)
        and isinstance(size, int)
        and isinstance(placeholder, str)
        and (not placeholder or is_placeholder(placeholder))
        and mode in {"", "text", "binary"}
    )
    if not right:
        raise ConfusingError(f"info/paths.json says nothing valid of {path[:120]!r}")
    check_path(path.removesuffix("/") if path_type == "directory" else path)
    file_mode: FileMode = "binary" if mode == "binary" else "text" if placeholder or mode else ""
    return PathEntry(path, path_type, sha256, size, placeholder, file_mode, bool(row.get("no_link")))


def is_placeholder(text: str) -> bool:
    """Tell whether ``text`` can stand for a prefix in files: longer than a slash, and in one line."""
    return 2 <= len(text) <= 4096 and text.isprintable()


def _older_paths(kept: Mapping[str, bytes]) -> Iterator[PathEntry]:
    """Yield the paths of a package that is older than paths.json; of softlinks and hashes its lists know nothing."""
    prefixes = dict(_has_prefix(kept))
    unlinked = set(_lines(kept, "info/no_link"))
    for path in dict.fromkeys(_lines(kept, "info/files")):
        check_path(path)
        placeholder, mode = prefixes.get(path, ("", ""))
        file_mode: FileMode = "binary" if mode == "binary" else "text" if mode else ""
        yield PathEntry(path, prefix_placeholder=placeholder, file_mode=file_mode, no_link=path in unlinked)


def _has_prefix(kept: Mapping[str, bytes]) -> Iterator[tuple[str, tuple[str, str]]]:
    for line in _lines(kept, "info/has_prefix"):
        try:
            words = shlex.split(line, posix=True)
        except ValueError as error:
            raise ConfusingError(f"info/has_prefix cannot be read: {line[:120]!r}") from error
        if len(words) == 1:
            yield words[0], (_DEFAULT_PLACEHOLDER, "text")
        elif len(words) == 3 and words[1] in {"text", "binary"} and is_placeholder(words[0]):
            yield words[2], (words[0], words[1])
        else:
            raise ConfusingError(f"info/has_prefix cannot be read: {line[:120]!r}")


def _lines(kept: Mapping[str, bytes], name: str) -> list[str]:
    try:
        text = kept.get(name, b"").decode()
    except UnicodeDecodeError as error:
        raise ConfusingError(f"{name} is no UTF-8") from error
    return [line for line in text.split("\n") if line.strip()]
