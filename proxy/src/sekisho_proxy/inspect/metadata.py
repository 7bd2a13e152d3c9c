"""A wheel's METADATA: found, bounded, and read (core metadata 2.5)."""

import zipfile
import zlib
from typing import BinaryIO

from packaging.metadata import parse_email
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from sekisho.errors import CorruptError

_LIMIT = 16 << 20
_HINT = 120
_HEADERS = 2 << 20
_MOST_LINES = 5000
_MOST_NAMES = 500
_MOST_LICENCES = 20
_UMBRELLAS = {"OSI Approved", "DFSG approved"}
UNREADABLE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    KeyError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    EOFError,
)
"""What reading a damaged or hostile archive raises."""


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
    except UNREADABLE as error:
        raise CorruptError(f"no METADATA can be read: {error}", where=filename) from error


def stated(metadata: bytes) -> dict[str, object]:
    """Return the facts that METADATA states: name, version, licence, requirements. Unknown is ``None`` or empty.

    A field that may be there once and is there twice is given with both its values, so that it means nothing valid.
    Raises ``CorruptError`` for more headers than any wheel has: reading them takes time by their square.
    """
    raw, odd = parse_email(_headers(metadata))
    licence = " ".join(raw.get("license", " / ".join(odd.get("license", ()))).split())
    classifiers = _licence_classifiers(raw.get("classifiers", []))
    return {
        "name": raw.get("name"),
        "version": raw.get("version"),
        "license_expression": raw.get("license_expression") or " / ".join(odd.get("license-expression", ())) or None,
        "license_hint": licence if 0 < len(licence) <= _HINT else _only(classifiers),
        "license_classifiers": classifiers,
        "requires_python": raw.get("requires_python"),
        "requires": tuple(raw.get("requires_dist", [])),
    }


def described(metadata: bytes) -> dict[str, object]:
    """Return what METADATA tells of its release, under PyPI's own names. A field that is there twice is unknown.

    Raises ``CorruptError`` as ``stated`` does.
    """
    raw, _ = parse_email(_headers(metadata))
    keywords = raw.get("keywords")
    return {
        "author": raw.get("author"),
        "author_email": raw.get("author_email"),
        "classifiers": raw.get("classifiers", []),
        "keywords": ",".join(keywords) if keywords else None,
        "license": raw.get("license"),
        "license_expression": raw.get("license_expression"),
        "maintainer": raw.get("maintainer"),
        "maintainer_email": raw.get("maintainer_email"),
        "provides_extra": raw.get("provides_extra", []),
        "requires_dist": raw.get("requires_dist", []),
        "requires_python": raw.get("requires_python"),
        "summary": raw.get("summary"),
    }


def _headers(metadata: bytes) -> bytes:
    """Return what is before the body, if that is of a bearable size, with the line ends that e-mail knows as one."""
    head = metadata.replace(b"\r\n", b"\n").replace(b"\r", b"\n").partition(b"\n\n")[0]
    lines = head.split(b"\n")
    names = {line.partition(b":")[0] for line in lines if line[:1] not in {b" ", b"\t"}}
    if len(head) > _HEADERS or len(lines) > _MOST_LINES or len(names) > _MOST_NAMES:
        raise CorruptError("METADATA has too many headers")
    return head + b"\n\n"


def _licence_classifiers(classifiers: list[str]) -> tuple[str, ...]:
    """Return the last part of each licence classifier, sorted, without those that stand for many licences."""
    licences = {text.rpartition("::")[2].strip()[:_HINT] for text in classifiers if text.startswith("License ::")}
    return tuple(sorted(licences - _UMBRELLAS)[:_MOST_LICENCES])


def _only(licences: tuple[str, ...]) -> str | None:
    return licences[0] if len(licences) == 1 else None
