"""``images/<name>/debian.lock``: the exact Debian packages that an image has beyond its base's."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sekisho.errors import BadInputError
from sekisho.model import ImageDefinition, sha256_hex

DEBIAN_LOCK = "debian.lock"

_ASKED = "# packages: "
_LINE = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]+)=(?P<version>[A-Za-z0-9.+:~-]+) (?P<arch>[a-z0-9]+) (?P<size>[1-9][0-9]{0,11})"
    r" sha256:(?P<sha256>[0-9a-f]{64}) (?P<path>pool/[\w+.~%/-]+\.deb)"
)


class LockedDeb(NamedTuple):
    """One package. ``size`` is the ``.deb``'s in bytes; ``path`` leads to it from a mirror's root."""

    name: str
    version: str
    arch: str
    size: int
    sha256: str
    path: str

    def line(self) -> str:
        """Return the package as ``debian.lock`` has it."""
        return f"{self.name}={self.version} {self.arch} {self.size} sha256:{self.sha256} {self.path}"


class DebianLock(NamedTuple):
    """``asked`` are the names in image.yaml that it was made for; ``debs`` come with what they depend on."""

    asked: tuple[str, ...]
    debs: tuple[LockedDeb, ...]

    def text(self) -> str:
        """Return the file's text: one line for each package, by name."""
        rows = [deb.line() for deb in sorted(self.debs)]
        return "\n".join([f"{_ASKED}{', '.join(sorted(self.asked))}", *rows]) + "\n"

    def digest(self) -> str:
        """Return the sha256 of the file's text."""
        return sha256_hex(self.text().encode())


def read_debian_lock(definition: ImageDefinition, folder: Path | None) -> DebianLock:
    """Read the lock beside image.yaml; a definition without Debian packages has an empty one.

    Raises ``BadInputError`` if it is not there, cannot be read, or was made for other packages.
    """
    if not definition.debian:
        return DebianLock((), ())
    path = (folder or Path(definition.name)) / DEBIAN_LOCK
    todo = f"run `sekisho builder debian {definition.name}`, and commit what it writes"
    if not path.is_file():
        raise BadInputError("the definition's Debian packages are not locked", where=str(path), todo=todo)
    head, *lines = path.read_text().splitlines() or [""]
    asked = tuple(name for name in head.removeprefix(_ASKED).split(", ") if name) if head.startswith(_ASKED) else ()
    if sorted(asked) != sorted(definition.debian):
        raise BadInputError(
            f"the lock of Debian packages is for {', '.join(asked) or 'none'}, not {', '.join(definition.debian)}",
            where=str(path),
            todo=todo,
        )
    lock = DebianLock(asked, tuple(_parse(line, f"{path}, line {row}", todo) for row, line in enumerate(lines, 2)))
    _check_names(lock.debs, asked, where=str(path), todo=todo)
    return lock


def _parse(line: str, where: str, todo: str) -> LockedDeb:
    row = _LINE.fullmatch(line)
    if row is None or ".." in row["path"]:
        raise BadInputError("not a line of a lock of Debian packages", where=where, todo=todo)
    return LockedDeb(row["name"], row["version"], row["arch"], int(row["size"]), row["sha256"], row["path"])


def _check_names(debs: Sequence[LockedDeb], asked: Sequence[str], *, where: str, todo: str) -> None:
    names = [deb.name for deb in debs]
    for name in asked:
        if name not in names:
            raise BadInputError(f"the Debian package {name} is not locked", where=where, todo=todo)
    for name in names:
        if names.count(name) > 1:
            raise BadInputError(f"the Debian package {name} is locked twice", where=where, todo=todo)
