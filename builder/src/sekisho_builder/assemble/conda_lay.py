"""What a conda package lays into an environment: a function of the package, the prefix and its Python alone.

Deliberate differences from an ordinary installer, all so that the same package always gives the same bytes: no script
runs, no ``.pyc`` is written or taken over (its time of source is another one in a layer), files are 0644 or 0755, and
what is recorded in ``conda-meta/`` names no place outside the environment.
"""

import hashlib
import re
import tempfile
from collections.abc import Iterator
from typing import Literal, NamedTuple

from sekisho.conda_archive import Member, PathEntry
from sekisho.errors import BadInputError
from sekisho_builder.assemble.checks import path_fault
from sekisho_builder.assemble.conda_archive import CondaArchive
from sekisho_builder.assemble.conda_meta import META, LaidPath, prefix_record
from sekisho_builder.assemble.conda_prefix import Placeholder, replaced
from sekisho_builder.assemble.environment import PYTHON, Environment
from sekisho_builder.assemble.scripts import entry_program

_SETUID = 0o6000
_BYTECODE = re.compile(r"(?:.*/)?__pycache__/[^/]+\.pyc")
_IN_MEMORY = 8 << 20
_STEP = 1 << 18
_NOARCH = {"site-packages": "", "python-scripts": "bin"}

LaidKind = Literal["file", "link", "hard link", "folder"]


class Laid(NamedTuple):
    """One thing in the environment. ``path`` has no leading slash, ``target`` is a link's.

    ``content`` must be read before the next thing is asked for, and then ``row`` has its hash. ``origin`` tells a
    member as it is, one whose placeholder was replaced, and what is made by rule. ``placeholder`` is what the bytes
    still hold, in an environment that is movable.
    """

    path: str
    kind: LaidKind
    mode: int
    size: int = 0
    target: str = ""
    content: Iterator[bytes] = iter(())
    row: LaidPath | None = None
    origin: Literal["member", "replaced", "made"] = "member"
    placeholder: Placeholder | None = None

    @property
    def sha256(self) -> str:
        """Return the hash of a file, once it was read."""
        return self.row.sha256[0] if self.row else ""


def lay(archive: CondaArchive, environment: Environment) -> Iterator[Laid]:
    """Yield all that a package lays: its members in their order, programs of entry points, its record.

    Raises ``CorruptError`` for bytes that belie the package's own list, ``BadInputError`` for what no image
    can have.
    """
    _check_python(archive, environment)
    work = _Laying(archive, environment, [], set())
    for member, entry in archive.members():
        if not _BYTECODE.fullmatch(member.path):
            yield work.member(member, entry)
    for entry_point in archive.info.entry_points:
        program = entry_program(
            entry_point.command, f"{entry_point.module}:{entry_point.function}", environment.home, archive, "link.json"
        )
        yield work.made(f"bin/{entry_point.command}", program, "unix_python_entry_point")
    parts = archive.package.parts
    record = prefix_record(archive, work.paths)
    yield work.made(f"{META}/{parts.name}-{parts.version}-{parts.build}.json", record, None)


def _check_python(archive: CondaArchive, environment: Environment) -> None:
    if archive.package.parts.name == PYTHON:
        stated = archive.info.index.get("python_site_packages_path") or ""
        if stated != environment.packages:
            raise archive.corrupt("its channel says another place of site-packages than it does itself")


class _Laying(NamedTuple):
    archive: CondaArchive
    environment: Environment
    paths: list[LaidPath]
    taken: set[str]

    def member(self, member: Member, entry: PathEntry) -> Laid:
        inside = self._inside(member.path)
        path = self._take(inside, member.path)
        if member.mode & _SETUID and member.kind == "file":
            raise self.archive.bad("it has a file that runs as another user (setuid or setgid)", member.path)
        row = LaidPath(inside, entry)
        self.paths.append(row)
        if member.kind == "directory":
            return Laid(path, "folder", 0o755)
        if member.kind == "softlink":
            return Laid(path, "link", 0o777, target=member.target)
        if member.kind == "hardlink":
            return Laid(path, "hard link", 0o777, target=f"{self.environment.prefix}/{self._inside(member.target)}")
        mode = 0o755 if member.mode & 0o111 else 0o644
        if not entry.prefix_placeholder:
            return Laid(path, "file", mode, member.size, content=row.stated(member.chunks), row=row)
        placeholder = Placeholder(entry.prefix_placeholder, "binary" if entry.file_mode == "binary" else "text")
        if self.environment.movable:
            content = row.stated(member.chunks)
            return Laid(path, "file", mode, member.size, content=content, row=row, placeholder=placeholder)
        return self._replaced(path, mode, member, row, placeholder)

    def _replaced(self, path: str, mode: int, member: Member, row: LaidPath, placeholder: Placeholder) -> Laid:
        size, content = member.size, self._with_prefix(member, placeholder)
        if placeholder.mode == "text":  # its size has to be known first, and may be another
            size, content = _aside(content)
        return Laid(path, "file", mode, size, content=row.hashed(content), row=row, origin="replaced")

    def _with_prefix(self, member: Member, placeholder: Placeholder) -> Iterator[bytes]:
        try:
            yield from replaced(member.chunks, placeholder, self.environment.home)
        except ValueError as error:
            raise BadInputError(
                str(error),
                where=f"{self.archive.package.filename}: {member.path}",
                todo="take a shorter prefix, or leave the package out",
            ) from error

    def made(self, inside: str, data: bytes, path_type: str | None) -> Laid:
        """Lay what is made by rule; it is recorded as of ``path_type``, if at all."""
        path, program = self._take(inside, inside), path_type is not None
        row = LaidPath(inside, None, path_type or "", len(data), [hashlib.sha256(data).hexdigest()])
        if program:
            self.paths.append(row)
        holds = Placeholder(self.environment.home, "text") if self.environment.movable and program else None
        mode = 0o755 if program else 0o644
        return Laid(path, "file", mode, len(data), content=iter([data]), row=row, origin="made", placeholder=holds)

    def _inside(self, path: str) -> str:
        """Return where a member goes below the prefix: those of ``noarch: python`` go where Python looks."""
        first, slash, rest = path.partition("/")
        if self.archive.info.noarch != "python" or first not in _NOARCH or not slash:
            return path
        site = self.environment.site.removeprefix(f"{self.environment.prefix}/")
        return f"{_NOARCH[first] or site}/{rest}"

    def _take(self, inside: str, member: str) -> str:
        path = f"{self.environment.prefix}/{inside}"
        if fault := path_fault(path):
            raise self.archive.bad(f"it has a path that an image cannot have: {fault}", member)
        if inside in self.taken:
            raise self.archive.bad("two of its files go to one place", member)
        if inside.partition("/")[0] == META and self.archive.listed.get(member):
            raise self.archive.bad("it writes what only an installer may say", member)
        self.taken.add(inside)
        return path


def _aside(content: Iterator[bytes]) -> tuple[int, Iterator[bytes]]:
    """Return how many bytes there are, and the bytes, kept in memory or in a file that nobody sees."""
    kept = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 (it is closed where it was read)
    for piece in content:
        kept.write(piece)
    size = kept.tell()
    kept.seek(0)

    def pieces() -> Iterator[bytes]:
        with kept:
            while piece := kept.read(_STEP):
                yield piece

    return size, pieces()
