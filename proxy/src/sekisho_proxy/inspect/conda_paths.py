"""A conda package's ``info/paths.json`` held to the members that are there, and to their bytes (CEP 34)."""

import hashlib
import posixpath
import re
from collections.abc import Iterator

from sekisho.conda_archive import Member, PackageInfo, PathEntry
from sekisho.conda_archive.tar import MemberKind

_NOTHING = hashlib.sha256().hexdigest()
_PREFIX = re.compile(r"(?:/|[A-Za-z]:[\\/]).{3,}")
_LONGEST_CHAIN = 20


class Paths:
    """The members outside ``info/``: kinds, sizes in bytes and modes by path, digests of files, targets of links."""

    def __init__(self) -> None:
        self.kinds: dict[str, MemberKind] = {}
        self.sizes: dict[str, int] = {}
        self.modes: dict[str, int] = {}
        self.digests: dict[str, bytes] = {}
        self.targets: dict[str, str] = {}

    def add(self, member: Member, digest: bytes) -> None:
        """Add a member; directories are known by what lies in them."""
        if member.kind == "directory":
            return
        path = member.path
        self.kinds[path], self.sizes[path], self.modes[path] = member.kind, member.size, member.mode
        if member.kind == "file":
            self.digests[path] = digest
        elif member.kind == "hardlink":
            self.digests[path], self.sizes[path] = self.digests[member.target], self.sizes[member.target]
        else:
            self.targets[path] = member.target

    def behind(self, path: str) -> str:
        """Return what a path leads to within the package, through its links; "" where it leads to no file of it."""
        for _ in range(_LONGEST_CHAIN):
            if path in self.digests:
                return path
            if path not in self.targets:
                return ""
            path = posixpath.normpath(posixpath.join(posixpath.dirname(path), self.targets[path]))
        return ""


def check_paths(info: PackageInfo, paths: Paths) -> list[str]:
    """Return what paths.json leaves out, adds, or states wrongly."""
    if not info.states_paths:
        return ["there is no info/paths.json"]
    listed = {entry.path for entry in info.paths}
    wrong = [text for entry in info.paths for text in _wrong(entry, paths)]
    wrong.extend(f"{path!r} is not listed in paths.json" for path in paths.kinds if path not in listed)
    return wrong


def _wrong(entry: PathEntry, paths: Paths) -> Iterator[str]:
    path, kind = entry.path, paths.kinds.get(entry.path)
    if entry.prefix_placeholder and not _PREFIX.fullmatch(entry.prefix_placeholder):
        yield f"of {path!r} {entry.prefix_placeholder[:80]!r} would be replaced, which is no prefix"
    if entry.path_type == "directory":
        if kind is not None:
            yield f"{path!r} is listed as a folder and is none"
    elif kind is None:
        yield f"{path!r} is listed and not there"
    elif (kind == "softlink") != (entry.path_type == "softlink"):
        yield f"{path!r} is listed as a {entry.path_type} and is a {kind}"
    else:
        yield from _wrong_bytes(entry, paths)


def _wrong_bytes(entry: PathEntry, paths: Paths) -> Iterator[str]:
    """Compare hash and size; those of a softlink are its target's, if that is here, though some builders state none."""
    path, links = entry.path, entry.path_type == "softlink"
    there = paths.behind(path)
    if links and (not there or entry.sha256 in {"", _NOTHING}):
        return
    if not entry.sha256:
        yield f"{path!r} is listed without a hash"
    elif paths.digests[there].hex() != entry.sha256:
        yield f"{path!r} is not what paths.json states"
    elif entry.size not in {-1, paths.sizes[there]}:
        yield f"{path!r} has another size than paths.json states"
