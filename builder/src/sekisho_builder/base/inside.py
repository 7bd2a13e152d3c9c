"""What a base image holds that packages lean on: its Python, its C library, its platform. Read, never run."""

import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from sekisho.errors import BadInputError
from sekisho_builder.oci.layout import Layout

_PYTHON = "usr/bin/python3"
_LIBRARY = re.compile(r"(usr/)?lib(64|/[a-z0-9_]+-linux-gnu)?/libc(-2\.\d+)?\.so(\.6)?")
_STATED = re.compile(rb"GNU C Library [^\n]{0,200}release version (2)\.(\d{1,2})")
_NAMED = re.compile(r"python3\.(\d{1,2})")
_HOPS = 8
_LARGEST = 8 << 20
"""Bytes that a C library may have."""


class Inside(NamedTuple):
    """A base's ``/usr/bin/python3`` as (3, minor), glibc as (2, minor), and its platform as OCI names it.

    ``None`` is what could not be found.
    """

    python: tuple[int, int] | None
    glibc: tuple[int, int] | None
    os: str
    architecture: str


def look_inside(base: Layout) -> Inside:
    """Read the layers of a base, the upper over the lower; raise ``BadInputError`` for a layer that is no tar.

    Files that an upper layer deletes are taken for there: a base without its Python fails its gates.
    """
    links, libraries = dict[str, str](), dict[str, tuple[int, int]]()
    for path, entry in _entries(base):
        if isinstance(entry, str):
            links[path] = entry
        else:
            links.pop(path, None)
            if entry:
                libraries[path] = entry
    config = base.config
    return Inside(
        _python(links), max(libraries.values(), default=None), str(config.get("os")), str(config.get("architecture"))
    )


def _entries(base: Layout) -> Iterator[tuple[str, str | tuple[int, int] | None]]:
    """Yield (path, target) of links, (path, version) of C libraries, and (path, nothing) of other files."""
    for row in base.layers:
        try:
            with tarfile.open(base.blob(row.sha256), "r|*") as archive:
                for info in archive:
                    path = str(PurePosixPath("/", info.name)).lstrip("/")
                    if info.issym():
                        yield path, info.linkname
                    elif info.isreg() and _LIBRARY.fullmatch(path) and info.size <= _LARGEST:
                        content = archive.extractfile(info)
                        found = _STATED.search(content.read() if content else b"")
                        yield path, ((int(found[1]), int(found[2])) if found else None)
                    elif info.isreg():
                        yield path, None
        except (tarfile.TarError, EOFError, OSError) as error:
            raise BadInputError(
                f"layer sha256:{row.sha256[:12]} of the base cannot be read: {error}",
                where=str(base.folder),
                todo="take a base whose layers are tar or tar+gzip",
            ) from error


def _python(links: Mapping[str, str]) -> tuple[int, int] | None:
    """Follow ``/usr/bin/python3`` to the program that names its version."""
    at = _PYTHON
    for _ in range(_HOPS):
        if found := _NAMED.fullmatch(PurePosixPath(at).name):
            return 3, int(found[1])
        if at not in links:
            break
        at = _joined(PurePosixPath(at).parent, links[at])
    return None


def _joined(folder: PurePosixPath, target: str) -> str:
    parts: list[str] = []
    for part in PurePosixPath("/", folder, target).parts[1:]:
        if part == "..":
            parts = parts[:-1]
        else:
            parts.append(part)
    return "/".join(parts)
