"""A wheel as a package: which file goes where in a virtual environment (PyPA binary distribution format, PEP 427).

Deliberate differences from an ordinary installer, all so that the same wheel always gives the same bytes: no ``.pyc``
is written, INSTALLER says ``sekisho``, RECORD is made anew and complete, and there is never a ``direct_url.json``.
"""

import base64
import csv
import hashlib
import io
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from email.parser import HeaderParser
from typing import NamedTuple

from packaging.utils import InvalidName, canonicalize_name, canonicalize_version

from sekisho_builder.assemble.environment import Environment
from sekisho_builder.assemble.scripts import console_scripts, with_interpreter
from sekisho_builder.assemble.wheel_archive import Member, WheelArchive, check_name

_SIGNATURES = ("RECORD.jws", "RECORD.p7s")
_REPLACED = {"RECORD", *_SIGNATURES, "INSTALLER", "REQUESTED", "direct_url.json"}
_SIZE = r"[0-9]{1,18}"
_ENVIRONMENTS_OWN = re.compile(r"python[\d.tw]*|sh|env|[Aa]ctivate(\.\w+)?|activate_this\.py|deactivate")
_SPEAKS = (".dist-info", ".egg-info")
_HASHES = {"sha256", "sha384", "sha512"}


class Listed(NamedTuple):
    """One line of RECORD: ``digest`` is ``algorithm=value`` in its unpadded base64 form."""

    digest: str
    size: int


class Placed(NamedTuple):
    """One file of the installation: a member as it is, or bytes made here. ``path`` has no leading slash."""

    path: str
    mode: int
    listed: Listed
    member: Member | None = None
    data: bytes = b""


class Wheel(NamedTuple):
    """The parts of an open wheel that installation needs."""

    archive: WheelArchive
    project: str
    release: str
    info: str
    record: Mapping[str, Listed]


def read_wheel(archive: WheelArchive, *, project: str, release: str) -> Wheel:
    """Read what the wheel says of itself; raise ``BadInputError`` unless it is this release of this project."""
    folders = {name.partition("/")[0] for name in archive.members if name.partition("/")[0].endswith(".dist-info")}
    if len(folders) != 1:
        raise archive.bad(f"the wheel has {len(folders)} .dist-info folders, not one")
    info = folders.pop()
    version = HeaderParser().parsestr(archive.read(f"{info}/WHEEL").decode(errors="replace"))["Wheel-Version"] or ""
    if version.strip().partition(".")[0] != "1":
        raise archive.bad(f"wheel version {version!r} is not 1.x", f"{info}/WHEEL")
    metadata = HeaderParser().parsestr(archive.read(f"{info}/METADATA").decode(errors="replace"))
    name, stated = str(metadata["Name"] or "").strip(), str(metadata["Version"] or "").strip()
    if _identity(archive, name, stated) != _identity(archive, project, release):
        raise archive.bad(f"the wheel is {name[:80]} {stated[:80]}, not {project} {release}", f"{info}/METADATA")
    named, _, numbered = info.removesuffix(".dist-info").rpartition("-")
    if _identity(archive, named, numbered.replace("_", "-")) != _identity(archive, project, release):
        raise archive.bad(f"the .dist-info folder is not named after {project} {release}", info)
    return Wheel(archive, project, release, info, _record(archive, info))


def _identity(archive: WheelArchive, name: str, version: str) -> tuple[str, str]:
    try:
        return canonicalize_name(name, validate=True), canonicalize_version(version)
    except InvalidName as error:
        raise archive.bad(f"{name[:80]!r} is no project name") from error


def _record(archive: WheelArchive, info: str) -> dict[str, Listed]:
    """Read RECORD: every file of the archive but itself, each with a hash, and nothing else."""
    where = f"{info}/RECORD"
    listed: dict[str, Listed] = {}
    try:
        rows = list(csv.reader(io.StringIO(archive.read(where).decode(errors="replace"), newline="")))
    except csv.Error as error:
        raise archive.bad(f"RECORD cannot be read: {error}", where) from error
    for row in rows:
        if len(row) != 3 or not row[0]:
            raise archive.bad("a line of RECORD has not three fields", where)
        path, digest, size = row
        if path in listed:
            raise archive.bad(f"RECORD lists {path[:120]} twice", where)
        listed[path] = Listed(digest.rstrip("="), int(size) if re.fullmatch(_SIZE, size) else -1)
    own = {where, *(f"{info}/{name}" for name in _SIGNATURES)}
    missing = [name for name in archive.members if name not in listed and name not in own]
    extra = [name for name in listed if name not in archive.members]
    if missing or extra:
        raise archive.corrupt(
            f"RECORD leaves out {missing[0]}" if missing else f"RECORD lists {extra[0]}, which is not there", where
        )
    for name, line in listed.items():
        if name not in own and line.digest.partition("=")[0] not in _HASHES:
            raise archive.corrupt("RECORD has no sha256 or better for the member", name)
        if name not in own and line.size not in {-1, archive.members[name].size}:
            raise archive.corrupt("RECORD states another size for the member", name)
    return listed


def place(wheel: Wheel, environment: Environment, *, requested: bool) -> list[Placed]:
    """Return every file of the installation, sorted by path, RECORD included."""
    placed: dict[str, Placed] = {}
    for file in (*_members(wheel, environment), *_made(wheel, environment, requested=requested)):
        if file.path in placed:
            raise wheel.archive.bad("two of its files go to one place", file.path)
        placed[file.path] = file
    for path in placed:
        if _ENVIRONMENTS_OWN.fullmatch(path.removeprefix(f"{environment.prefix}/bin/")):
            raise wheel.archive.bad("it would take the place of a program that finds others", path)
    if covering := sorted(folders(placed) & placed.keys()):
        raise wheel.archive.bad("one of its files stands where another needs a folder", covering[0])
    record = _new_record(placed.values(), f"{environment.site}/{wheel.info}/RECORD", environment)
    return sorted((*placed.values(), record), key=lambda file: file.path)


def parents(path: str) -> Iterator[str]:
    """Yield the folders above a path, nearest first."""
    while path := path.rpartition("/")[0]:
        yield path


def folders(paths: Iterable[str]) -> set[str]:
    """Return every folder above some paths."""
    found: set[str] = set()
    for path in paths:
        for above in parents(path):
            if above in found:
                break
            found.add(above)
    return found


def _members(wheel: Wheel, environment: Environment) -> Iterator[Placed]:
    folder = wheel.info.removesuffix(".dist-info") + ".data"
    for name, member in wheel.archive.members.items():
        mode = 0o755 if member.executable else 0o644
        if name.startswith(f"{wheel.info}/") and name.removeprefix(f"{wheel.info}/") in _REPLACED:
            continue
        listed = Listed(wheel.record[name].digest, member.size)
        if not name.startswith(f"{folder}/"):
            if not name.startswith(f"{wheel.info}/"):
                _refuse_speaking(wheel, environment, f"{environment.site}/{name}")
            yield Placed(f"{environment.site}/{name}", mode, listed, member)
            continue
        _, scheme, rest = (*name.split("/", 2), "")[:3]
        if scheme == "scripts" and rest:
            yield _script(wheel, member, f"{environment.prefix}/bin/{rest}", environment)
        else:
            path = f"{_scheme(wheel, environment, scheme, rest)}/{rest}"
            _refuse_speaking(wheel, environment, path)
            yield Placed(path, mode, listed, member)


def _refuse_speaking(wheel: Wheel, environment: Environment, path: str) -> None:
    """Refuse a file by which this wheel would speak for another package, or for itself past its own ``.dist-info``.

    What counts is where the file goes: a wheel's ``.data`` leads to site-packages too. Python reads such folders
    whatever the case of their names.
    """
    site, _, rest = path.partition(f"{environment.site}/")
    if not site and rest.partition("/")[0].lower().endswith(_SPEAKS):
        raise wheel.archive.bad("it writes what only another package's .dist-info folder may say", path)


def _scheme(wheel: Wheel, environment: Environment, scheme: str, rest: str) -> str:
    folders = {
        "purelib": environment.site,
        "platlib": environment.site,
        "data": environment.prefix,
        "headers": f"{environment.prefix}/include/site/python{environment.python}/{wheel.project}",
    }
    if scheme not in folders or not rest:
        raise wheel.archive.bad(f"{scheme[:80]!r} is no place that a wheel can install to", wheel.info)
    return folders[scheme]


def _script(wheel: Wheel, member: Member, path: str, environment: Environment) -> Placed:
    """Place a script, its ``#!python`` replaced by the environment's interpreter. Programs may be large: peek first."""
    listed = Listed(wheel.record[member.name].digest, member.size)
    head = next(wheel.archive.pieces(member), (b"", b""))[1]
    if with_interpreter(head, environment.home) is head:
        return Placed(path, 0o755, listed, member)
    content = wheel.archive.read(member.name)
    changed = with_interpreter(content, environment.home)
    verify(wheel, member.name, content)
    return Placed(path, 0o755, listing(changed), data=changed)


def verify(wheel: Wheel, name: str, content: bytes) -> None:
    """Raise ``CorruptError`` if a member that was read whole is not what RECORD says."""
    algorithm, _, value = wheel.record[name].digest.partition("=")
    if unpadded(hashlib.new(algorithm, content).digest()) != value:
        raise wheel.archive.corrupt("the member has not the hash that RECORD states", name)


def _made(wheel: Wheel, environment: Environment, *, requested: bool) -> Iterator[Placed]:
    info = f"{environment.site}/{wheel.info}"
    yield _bytes(f"{info}/INSTALLER", b"sekisho\n")
    if requested:
        yield _bytes(f"{info}/REQUESTED", b"")
    name = f"{wheel.info}/entry_points.txt"
    if name in wheel.archive.members:
        content = wheel.archive.read(name)
        verify(wheel, name, content)
        for script, source in console_scripts(content, environment.home, wheel.archive, name):
            check_name(script, wheel.archive)
            yield _bytes(f"{environment.prefix}/bin/{script}", source, mode=0o755)


def _new_record(files: Iterable[Placed], path: str, environment: Environment) -> Placed:
    """List every installed file, sorted, by its path relative to site-packages; RECORD itself without a hash."""
    site = f"{environment.site}/"

    def relative(path: str) -> str:
        return path.removeprefix(site) if path.startswith(site) else posixpath.relpath(path, environment.site)

    rows: list[tuple[str, str, int | str]] = [(relative(file.path), *file.listed) for file in files]
    rows.append((relative(path), "", ""))
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(sorted(rows))
    return _bytes(path, text.getvalue().encode())


def _bytes(path: str, data: bytes, *, mode: int = 0o644) -> Placed:
    return Placed(path, mode, listing(data), data=data)


def listing(data: bytes) -> Listed:
    """Return RECORD's words for bytes made here."""
    return Listed(f"sha256={unpadded(hashlib.sha256(data).digest())}", len(data))


def unpadded(digest: bytes) -> str:
    """Return a digest as RECORD writes it: URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
