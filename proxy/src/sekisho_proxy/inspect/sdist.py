"""A source distribution of unknown intent becomes facts; nothing of it is run (PEP 625, PEP 517, PEP 643)."""

import gzip
import hashlib
import io
import re
import tarfile
import tomllib
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, Self

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidSdistFilename, canonicalize_name, parse_sdist_filename
from packaging.version import InvalidVersion, Version

from sekisho.errors import ConfusingError, CorruptError
from sekisho.model import BuildSystem, Facts
from sekisho_proxy.inspect.contents import is_native
from sekisho_proxy.inspect.findings import finding
from sekisho_proxy.inspect.metadata import stated

LEGACY = "setuptools.build_meta:__legacy__"
"""What builds where no backend is named (PEP 517)."""

_LEGACY_REQUIRES = ("setuptools>=70.1",)
"""The first that makes a wheel by itself."""

_LARGEST = 8 << 30
_RATIO, _RATIO_FROM = 200, 64 << 20
_MOST_MEMBERS = 200_000
_KEPT = 4 << 20
_MOST_NATIVE = 5000
_BACKEND = re.compile(r"[A-Za-z_][\w.]*(:[A-Za-z_][\w.]*)?", re.ASCII)
_UNREADABLE = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, UnicodeError, RecursionError)


class _Source(NamedTuple):
    """What was found: the one folder on top, sizes in bytes by path, and the small files that matter."""

    top: str
    sizes: dict[str, int]
    native: tuple[str, ...]
    kept: dict[str, bytes]


class _Bounded(io.RawIOBase):
    """The unpacked stream, which ends in an error where it grows into a bomb."""

    def __init__(self, packed: BinaryIO, size: int) -> None:
        self._stream = gzip.GzipFile(fileobj=packed)
        self._most = min(_LARGEST, max(_RATIO_FROM, _RATIO * size))
        self._read = 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size if size >= 0 else 1 << 20)
        self._read += len(data)
        if self._read > self._most:
            raise ConfusingError(f"it unpacks to more than {self._most} bytes")
        return data


class _Header(tarfile.TarInfo):
    """A header that can be read: of others Python thinks that the archive ends there, and not all readers do."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if any(buf):
                raise ConfusingError(f"a header cannot be read: {error}") from error
            raise


def inspect_sdist(file: BinaryIO, filename: str, sha256: str, size: int) -> Facts:
    """Return the facts of a ``.tar.gz``; raise ``ConfusingError`` for one that readers could take for two things."""
    try:
        source = _read(file, size)
    except _UNREADABLE as error:
        raise ConfusingError(f"it cannot be read: {error}") from error
    info = source.kept.get("PKG-INFO", b"")
    try:
        said = stated(info)
    except CorruptError as error:
        raise ConfusingError(error.what) from error
    system, problem = _build_system(source)
    wrong = [*_compare(said, info, filename, source.top), *problem]
    known = ("license_expression", "license_hint", "license_classifiers", "requires_python")
    return Facts(
        sha256=sha256,
        size=size,
        files=len(source.sizes),
        unpacked=sum(source.sizes.values()),
        metadata_sha256=hashlib.sha256(info).hexdigest() if info else None,
        native=source.native,
        requires=said["requires"] or tuple(_egg_requires(source)),
        findings=tuple(finding("metadata_mismatch", text) for text in wrong[:5]),
        build=system,
        **{key: said[key] for key in known},
    )


def _read(file: BinaryIO, size: int) -> _Source:
    stream = _Bounded(file, size)
    tops: set[str] = set()
    sizes: dict[str, int] = {}
    native: list[str] = []
    kept: dict[str, bytes] = {}
    folders: set[str] = set()
    with tarfile.open(fileobj=stream, mode="r|", encoding="utf-8", errors="strict", tarinfo=_Header) as archive:
        for number, member in enumerate(archive):
            if number >= _MOST_MEMBERS:
                raise ConfusingError(f"it has more than {_MOST_MEMBERS} members")
            top, name = _place(member)
            tops.add(top)
            if member.isdir():
                folders.add(name)
                continue
            if name in sizes:
                raise ConfusingError(f"{_show(member.name)} is there twice")
            sizes[name] = member.size
            content = archive.extractfile(member)
            head = content.read(8) if content else b""
            if content and member.size <= _KEPT and _matters(name):
                kept[name] = head + content.read()
            if is_native(name, head):
                native.append(name)
        while rest := archive.fileobj.read(1 << 20) if archive.fileobj else b"":
            if rest.strip(b"\0"):
                raise ConfusingError("there are bytes behind the archive's end")
    if len(tops) != 1:
        raise ConfusingError(f"it has {len(tops)} folders on top instead of one")
    if clash := next((name for name in sizes if name in folders or _below_a_file(name, sizes)), None):
        raise ConfusingError(f"{_show(clash)} is a file and a folder")
    return _Source(tops.pop(), sizes, tuple(sorted(native)[:_MOST_NATIVE]), kept)


def _place(member: tarfile.TarInfo) -> tuple[str, str]:
    """Return a member's top folder and its path below that; raise for what no unpacker should follow."""
    name = member.name
    if member.issym() or member.islnk():
        raise ConfusingError(f"{_show(name)} is a link")
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise ConfusingError(f"{_show(name)} is a special file")
    if name.startswith("/") or "\\" in name or "\0" in name:
        raise ConfusingError(f"{_show(name)} is no relative path")
    parts = name.removeprefix("./").split("/")
    if any(part in {"", ".", ".."} for part in parts):
        raise ConfusingError(f"{_show(name)} leaves its folder")
    if len(parts) < 2 and not member.isdir():
        raise ConfusingError(f"{_show(name)} lies beside the one folder")
    return parts[0], "/".join(parts[1:])


def _below_a_file(name: str, sizes: dict[str, int]) -> bool:
    parts = name.split("/")[:-1]
    return any("/".join(parts[:count]) in sizes for count in range(1, len(parts) + 1))


def _matters(name: str) -> bool:
    return name in {"PKG-INFO", "pyproject.toml", "setup.py"} or name.endswith(".egg-info/requires.txt")


def _compare(said: dict[str, Any], info: bytes, filename: str, top: str) -> Iterator[str]:
    """Yield where PKG-INFO, the folder on top and the file's name speak of different releases."""
    try:
        name, version = parse_sdist_filename(filename)
    except (InvalidSdistFilename, InvalidVersion, ValueError):
        yield f"{filename[:200]!r} is no name of a source distribution"
        return
    if not info:
        yield "there is no PKG-INFO"
        return
    if canonicalize_name(said["name"] or "") != name:
        yield f"PKG-INFO names {said['name']!r}, the file {name!r}"
    if not _is(said["version"] or "", version):
        yield f"PKG-INFO states version {said['version']!r}, the file {version}"
    folder, _, release = top.rpartition("-")
    if canonicalize_name(folder) != name or not _is(release, version):
        yield f"the folder on top is {top[:200]!r}"


def _is(text: str, version: Version) -> bool:
    try:
        return Version(text) == version
    except ValueError:  # InvalidVersion, or a number that Python does not read
        return False


def _build_system(source: _Source) -> tuple[BuildSystem | None, list[str]]:
    """Return what pyproject.toml says of the build (PEP 518), and what is wrong with that."""
    text = source.kept.get("pyproject.toml")
    legacy = BuildSystem(requires=_LEGACY_REQUIRES, backend=LEGACY, legacy=True)
    if text is None:
        return (legacy, []) if "setup.py" in source.sizes else (None, ["there is nothing that says how it is built"])
    try:
        table = tomllib.loads(text.decode()).get("build-system")
        if table is None:
            return legacy, []
        requires = [str(Requirement(wanted)) for wanted in table["requires"]]
        if any(Requirement(wanted).url for wanted in requires):
            return None, ["its build system asks for an address"]
        backend = str(table.get("build-backend", LEGACY))
        path = [str(part) for part in table.get("backend-path", ())]
        if not _BACKEND.fullmatch(backend) or any(_leaves(part) for part in path):
            return None, ["its build system names a backend that cannot be"]
        legacy_too = "build-backend" not in table
        return BuildSystem(requires=tuple(requires), backend=backend, path=tuple(path), legacy=legacy_too), []
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return None, [f"pyproject.toml says nothing valid of the build: {error}"]


def _leaves(path: str) -> bool:
    return path.startswith("/") or "\\" in path or ".." in path.split("/")


def _egg_requires(source: _Source) -> Iterator[str]:
    """Yield what old setuptools kept beside PKG-INFO (``requires.txt``, by section), as Requires-Dist has it."""
    data = next((kept for name, kept in source.kept.items() if name.endswith(".egg-info/requires.txt")), b"")
    extra, marker = "", ""
    for line in data.decode(errors="replace").splitlines():
        text = line.strip()
        if text.startswith("[") and text.endswith("]"):
            extra, _, marker = text[1:-1].partition(":")
        elif text:
            try:
                wanted = Requirement(text)
            except InvalidRequirement:
                continue
            conditions = [f"({one})" for one in (str(wanted.marker or ""), marker.strip()) if one]
            conditions += [f'extra == "{canonicalize_name(extra)}"'] if extra else []
            wanted.marker = None
            yield f"{wanted}; {' and '.join(conditions)}" if conditions else str(wanted)


def _show(name: str) -> str:
    return repr(name[:120].encode("utf-8", "replace").decode())
