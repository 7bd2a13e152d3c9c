"""Where the members of a package lie, and that each lies in one place, inside the prefix, whatever else there is."""

import unicodedata

from sekisho.conda_archive.tar import Member, MemberKind, show
from sekisho.errors import ConfusingError

MOST_MEMBERS = 300_000
_LONGEST_PATH, _LONGEST_NAME, _DEEPEST = 1000, 255, 60


class Places:
    """The members of one package so far: of each its path is remembered, of ``most`` of them."""

    def __init__(self, most: int = MOST_MEMBERS) -> None:
        self._most = most
        self._kinds: dict[str, MemberKind] = {}
        self._folders: set[str] = set()

    def settle(self, member: Member) -> Member | None:
        """Return a member with its one path and target, or nothing for the root itself.

        Raises ``ConfusingError`` for a path or a link that leads out of the prefix, one that is there twice (be it only
        in another normal form of Unicode), a file that others lie below, or a hard link to nothing.
        """
        path = _relative(member)
        if not path:
            return None
        check_path(path)
        if len(self._kinds) >= self._most:
            raise ConfusingError(f"it has more than {self._most} members")
        same = _normal(path)
        if same in self._kinds:
            raise ConfusingError(f"{show(path)} is there twice")
        if member.kind != "directory" and same in self._folders:
            raise ConfusingError(f"{show(path)} is a folder of others, and none")
        self._enter(same, path)
        self._kinds[same] = member.kind
        return member._replace(path=path, target=self._target(member, path))

    def _enter(self, same: str, path: str) -> None:
        """Remember the folders above a member; each is a folder, or was not named."""
        at = same.rfind("/")
        while at > 0:
            folder = same[:at]
            if folder in self._folders:
                return
            if self._kinds.get(folder, "directory") != "directory":
                raise ConfusingError(f"{show(path)} lies below a file or a link")
            self._folders.add(folder)
            at = same.rfind("/", 0, at)

    def _target(self, member: Member, path: str) -> str:
        if member.kind == "softlink":
            check_target(path, member.target)
        if member.kind != "hardlink":
            return member.target
        target = member.target.removeprefix("./")
        if self._kinds.get(_normal(target)) != "file" or _normal(target) == _normal(path):
            raise ConfusingError(f"{show(path)} is a hard link to nothing that was there before it")
        return target


def check_target(path: str, target: str) -> None:
    """Raise ``ConfusingError`` unless a link at ``path`` leads to somewhere in the prefix.

    It may climb only at its beginning, and no higher than the prefix. So it leads inside through whatever links of this
    kind it goes: none of them can be climbed out of again.
    """
    parts = [part for part in target.split("/") if part not in {"", "."}]
    climbs = 0
    while climbs < len(parts) and parts[climbs] == "..":
        climbs += 1
    odd = "\\" in target or not target.isprintable() or len(target.encode("utf-8", "replace")) > _LONGEST_PATH
    if odd or target.startswith("/") or climbs > path.count("/") or ".." in parts[climbs:]:
        raise ConfusingError(f"{show(path)} is a link that leads out of the prefix, to {show(target)}")


def _relative(member: Member) -> str:
    """Return the path without ``./`` before it; empty for the root."""
    path = member.path.removesuffix("/") if member.kind == "directory" else member.path
    return "" if path == "." and member.kind == "directory" else path.removeprefix("./")


def check_path(path: str) -> None:
    """Raise ``ConfusingError`` unless a path lies below the prefix, whoever reads it."""
    parts = path.split("/")
    if path.startswith("/") or "\\" in path or path[1:2] == ":":
        raise ConfusingError(f"{show(path)} is no relative path")
    if any(part in {"", ".", ".."} for part in parts):
        raise ConfusingError(f"{show(path)} leaves its folder")
    if not path.isprintable():
        raise ConfusingError(f"{show(path)} has characters that cannot be shown")
    longest = max(len(part.encode("utf-8", "replace")) for part in parts)
    if len(path.encode("utf-8", "replace")) > _LONGEST_PATH or longest > _LONGEST_NAME or len(parts) > _DEEPEST:
        raise ConfusingError(f"{show(path)} is longer or deeper than paths may be")


def _normal(path: str) -> str:
    return path if path.isascii() else unicodedata.normalize("NFC", path)
