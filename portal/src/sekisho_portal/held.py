"""Which locks, images and workspaces hold something: a package, one release, one file, or what an advisory concerns."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from sekisho.advisories import AdvisoryIndex
from sekisho.errors import BadInputError
from sekisho.model import Kind, normalize_project, normalize_release
from sekisho_portal.lock_index import HeldFile, LockIndex, LockRow

_SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_PURL = re.compile(r"pkg:(pypi|conda)/([^@?#]+)(?:@([^?#]+))?(?:\?(?:.*&)?file_name=([^&#]+).*)?")
_NAMED = re.compile(r"(?:(pypi|conda):)?([A-Za-z0-9_][A-Za-z0-9_.-]*?)(?:==(.+))?")
_ADVISORY = re.compile(r"(?:CVE|GHSA|PYSEC|MAL|OSV)-[A-Za-z0-9-]+")
_BOTH: tuple[Kind, ...] = ("pypi", "conda")


class Sought(NamedTuple):
    """What is asked about. One of ``sha256``, ``advisory`` and ``names`` (by kind) is given."""

    sha256: str | None = None
    advisory: str | None = None
    names: tuple[tuple[Kind, str], ...] = ()
    release: str | None = None
    filename: str | None = None


def read_sought(text: str) -> Sought:
    """Read NAME, NAME==VERSION, ``conda:NAME``, a sha256, a package URL, or an advisory's name.

    Raises ``BadInputError`` for anything else.
    """
    text = text.strip()
    if found := _SHA256.fullmatch(text):
        return Sought(sha256=found[1])
    if found := _PURL.fullmatch(text):
        kind: Kind = "conda" if found[1] == "conda" else "pypi"
        names = ((kind, normalize_project(kind, unquote(found[2]))),)
        return Sought(names=names, release=found[3] and unquote(found[3]), filename=found[4] and unquote(found[4]))
    if _ADVISORY.fullmatch(text):
        return Sought(advisory=text)
    if found := _NAMED.fullmatch(text):
        kinds: tuple[Kind, ...] = ("conda",) if found[1] == "conda" else ("pypi",) if found[1] else _BOTH
        return Sought(names=tuple(_spellings(found[2], kinds)), release=found[3] and found[3].strip())
    raise BadInputError(
        f"{text[:120]!r} is no name, hash, package URL or advisory",
        todo="write NAME, NAME==VERSION, conda:NAME, a sha256, pkg:pypi/NAME@VERSION, or CVE-2024-1234",
    )


def _spellings(name: str, kinds: tuple[Kind, ...]) -> Iterator[tuple[Kind, str]]:
    for kind in kinds:
        yield kind, normalize_project(kind, name.lower() if kind == "conda" else name)


Containing = Callable[[str], Iterable[tuple[str, str]]]
"""Returns (sha256, release) of the packages of channels that hold a project of the index."""


def find_held(
    index: LockIndex,
    advisories: AdvisoryIndex,
    sought: Sought,
    containing: Containing,
    *,
    workspace: str | None,
    limit: int,
) -> dict[str, Any]:
    """Return the files that fit, and the locks that hold them, newest first: their number, and ``limit`` of them.

    A file is marked ``maybe`` where nobody can tell from what an advisory says whether it is concerned.
    """
    index.follow()
    found = dict(_files(index, advisories, sought, containing))
    holding = index.holding(tuple(found), workspace=workspace, limit=limit)
    names = {file.id: f"{file.project} {file.release}" for file in found}
    return {
        "total": holding.total,
        "files": [_file(file, certain=certain) for file, certain in found.items() if file.id in holding.files],
        "locks": [_lock(lock, names) for lock in holding.locks],
        "known": sought.advisory is None or bool(advisories.concerned(sought.advisory)),
    }


def _files(
    index: LockIndex, advisories: AdvisoryIndex, sought: Sought, containing: Containing
) -> Iterator[tuple[HeldFile, bool]]:
    if sought.sha256 is not None:
        yield from ((file, True) for file in index.files_of([sought.sha256]))
        return
    if sought.advisory is not None:
        yield from _concerned(index, advisories, sought.advisory)
        yield from _holding(index, advisories, sought.advisory, containing)
        return
    for kind, name in sought.names:
        wanted = normalize_release(kind, sought.release) if sought.release else None
        for file in index.files(kind, name):
            of_release = wanted is None or normalize_release(kind, file.release) == wanted
            if of_release and sought.filename in (None, file.filename):
                yield file, True


def _concerned(index: LockIndex, advisories: AdvisoryIndex, name: str) -> Iterator[tuple[HeldFile, bool]]:
    for kind, project in advisories.concerned(name):
        for file in index.files("conda" if kind == "conda" else "pypi", project):
            hits = [
                hit
                for known_as in advisories.known_as(kind, project)
                for hit in advisories.affecting(*known_as, file.release)
                if name in hit.advisory.names
            ]
            if hits:
                yield file, any(hit.certain for hit in hits)


def _holding(
    index: LockIndex, advisories: AdvisoryIndex, name: str, containing: Containing
) -> Iterator[tuple[HeldFile, bool]]:
    """Yield the packages of channels that hold what an advisory concerns, whatever else they are known as."""
    certain: dict[str, bool] = {}
    for kind, project in advisories.concerned(name):
        for sha256, release in containing(project) if kind == "pypi" else ():
            hits = [hit for hit in advisories.affecting(kind, project, release) if name in hit.advisory.names]
            if hits:
                certain[sha256] = certain.get(sha256, False) or any(hit.certain for hit in hits)
    for file in index.files_of(certain):
        yield file, certain[file.sha256]


def _file(file: HeldFile, *, certain: bool) -> dict[str, Any]:
    said = {"kind": file.kind, "project": file.project, "release": file.release, "filename": file.filename}
    return {**said, "sha256": file.sha256, **({} if certain else {"maybe": True})}


def _lock(lock: LockRow, names: Mapping[int, str]) -> dict[str, Any]:
    said = {"request": lock.request, "name": lock.name, "workspace": lock.workspace, "digest": lock.digest}
    return {**said, "image": lock.image or None, "holds": [names[number] for number in lock.files]}
