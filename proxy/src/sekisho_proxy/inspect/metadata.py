"""A wheel's METADATA: found, bounded, and read (core metadata 2.5)."""

import zipfile
from typing import BinaryIO

from packaging.metadata import parse_email
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from sekisho.errors import CorruptError

_LIMIT = 16 << 20
_HINT = 120


def wheel_identity(filename: str) -> tuple[str, Version]:
    """Return (normalised name, version) that a wheel's file name states; raise ``CorruptError`` if it states none."""
    try:
        name, version, _, _ = parse_wheel_filename(filename)
    except (InvalidWheelFilename, InvalidVersion) as error:
        raise CorruptError(f"not a wheel's name: {filename[:200]!r}") from error
    return name, version


def dist_info(names: list[str], filename: str) -> str:
    """Return the one ``.dist-info`` folder that belongs to ``filename``; raise ``CorruptError`` for none or several."""
    folders = {name.partition("/")[0] for name in names if name.partition("/")[0].endswith(".dist-info")}
    if len(folders) != 1:
        raise CorruptError(f"{len(folders)} .dist-info folders instead of one", where=filename)
    folder = folders.pop()
    wanted, version = wheel_identity(filename)
    name, _, release = folder.removesuffix(".dist-info").partition("-")
    try:
        same = canonicalize_name(name) == wanted and Version(release) == version
    except InvalidVersion:
        same = False
    if not same:
        raise CorruptError(f"the folder {folder!r} belongs to another release", where=filename)
    return folder


def read_bounded(archive: zipfile.ZipFile, name: str, *, limit: int = _LIMIT) -> bytes:
    """Return a small member; raise ``CorruptError`` if it unpacks to more than ``limit`` bytes."""
    with archive.open(name) as member:
        data = member.read(limit + 1)
    if len(data) > limit:
        raise CorruptError(f"{name!r} is larger than {limit} bytes")
    return data


def extract_metadata(file: BinaryIO, filename: str) -> bytes:
    """Return the METADATA of the wheel in ``file``; raise ``CorruptError`` if there is none that fits its name."""
    try:
        with zipfile.ZipFile(file) as archive:
            folder = dist_info(archive.namelist(), filename)
            return read_bounded(archive, f"{folder}/METADATA")
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, ValueError, EOFError) as error:
        raise CorruptError(f"no METADATA can be read: {error}", where=filename) from error


def stated(metadata: bytes) -> dict[str, object]:
    """Return the facts that METADATA states: name, version, licence, requirements. Unknown is ``None`` or empty."""
    raw, _ = parse_email(metadata)
    licence = " ".join(raw.get("license", "").split())
    return {
        "name": raw.get("name"),
        "version": raw.get("version"),
        "license_expression": raw.get("license_expression"),
        "license_hint": licence if 0 < len(licence) <= _HINT else _classified(raw.get("classifiers", [])),
        "requires_python": raw.get("requires_python"),
        "requires": tuple(raw.get("requires_dist", [])),
    }


def _classified(classifiers: list[str]) -> str | None:
    licences = {text.rpartition("::")[2].strip() for text in classifiers if text.startswith("License ::")}
    licences.discard("OSI Approved")
    return licences.pop() if len(licences) == 1 else None
