"""A conda package as an archive that is the locked file, and what it says of itself."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sekisho.conda_archive import Member, PackageInfo, PathEntry, is_link_script, read_info, read_members
from sekisho.errors import BadInputError, ConfusingError, CorruptError
from sekisho.model import PackageName
from sekisho_builder.assemble.open_archive import OpenArchive, check_locked


class CondaPackage(NamedTuple):
    """One conda package as the lock names it: ``path`` is that in its channel ``source``, ``file`` where it is here.

    ``requested`` are the match specs that asked for it. ``unrun`` tells that the image does without its link scripts.
    """

    source: str
    path: str
    filename: str
    sha256: str
    size: int
    file: Path
    requested: tuple[str, ...] = ()
    unrun: bool = False

    @property
    def parts(self) -> PackageName:
        """Return name, version and build."""
        return PackageName.parse(self.filename)

    @property
    def title(self) -> str:
        """Return ``name version``, for people."""
        return f"{self.parts.name} {self.parts.version}"


class CondaArchive(OpenArchive):
    """An open package. ``info`` is its word on itself, ``listed`` what it says of each path.

    Raises ``CorruptError`` for what is not the locked file or cannot be read in one way, ``BadInputError`` for a
    package that is another than its name says, or whose link scripts would have to run.
    """

    def __init__(self, package: CondaPackage) -> None:
        self.package = package
        check_locked(package.file, package.sha256, f"conda package {package.title}")
        super().__init__(package.file)

    def _begin(self) -> None:
        with self._placed():
            self.info: PackageInfo = read_info(self._file, self.package.filename)
        self.listed = {entry.path: entry for entry in self.info.paths}
        self._check_name()
        self._check_scripts()

    def bad(self, what: str, member: str = "") -> BadInputError:
        """Return the error for a package that cannot be part of an image."""
        return BadInputError(what, where=self._where(member), todo="leave the package out of `conda`, or take another")

    def corrupt(self, what: str, member: str = "") -> CorruptError:
        """Return the error for bytes that belie what the package says of them."""
        return CorruptError(what, where=self._where(member), todo="have the package denied, and ask anew")

    def members(self) -> Iterator[tuple[Member, PathEntry]]:
        """Yield what the package installs, with its word on each, in its own order.

        A file's chunks end with ``CorruptError`` if they are not what ``paths.json`` states (CEP 34); they must be read
        before the next member. What is listed and not there is an error at the end.
        """
        seen: set[str] = set()
        with self._placed():
            for member in read_members(self._file, self.package.filename):
                if member.path.partition("/")[0] == "info":
                    continue
                entry = self.listed.get(member.path)
                if member.kind == "directory" and entry is None:
                    continue  # a folder that is named for others' sake
                if entry is None:
                    raise self.corrupt("the package does not list it", member.path)
                if member.kind == "hardlink" and not self._same(entry, self.listed.get(member.target)):
                    raise self.corrupt("it is a second name of a file, and is listed as another", member.path)
                seen.add(member.path)
                yield member._replace(chunks=self._checked(member, entry)), entry
        if missing := self.listed.keys() - seen:
            raise self.corrupt("the package lists it, and has it not", min(missing))

    @staticmethod
    def _same(one: PathEntry, other: PathEntry | None) -> bool:
        return other is not None and one._replace(path=other.path) == other

    def _checked(self, member: Member, entry: PathEntry) -> Iterator[bytes]:
        if member.kind != "file":
            return
        found = hashlib.sha256()
        for chunk in member.chunks:
            found.update(chunk)
            yield chunk
        if entry.sha256 and found.hexdigest() != entry.sha256:
            raise self.corrupt("it has not the hash that paths.json states", member.path)
        if entry.size not in {-1, member.size}:
            raise self.corrupt("it has not the size that paths.json states", member.path)

    def _check_name(self) -> None:
        index, parts = self.info.index, self.package.parts
        stated = (index.get("name"), index.get("version"), index.get("build"))
        if stated != (parts.name, parts.version, parts.build):
            raise self.bad(f"the package says that it is {'-'.join(map(str, stated))[:200]}", "info/index.json")

    def _check_scripts(self) -> None:
        found = sorted(path for path in self.listed if is_link_script(path))
        if found and not self.package.unrun:
            raise BadInputError(
                f"it has scripts that an installer would run, and none runs here: {', '.join(found)}",
                where=self._where(),
                todo="name it in `unrun-scripts` with a reason if the image does without them, or take another package",
            )

    def _where(self, member: str = "") -> str:
        return f"{self.package.filename}: {member}" if member else self.package.filename

    @contextmanager
    def _placed(self) -> Iterator[None]:
        """Say which package a reader's error is about."""
        try:
            yield
        except ConfusingError as error:
            raise self.corrupt(error.what) from error
