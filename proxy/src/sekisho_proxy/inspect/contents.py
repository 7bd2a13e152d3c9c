"""Every member of a wheel read once, as a stream: hashes, native code, and the small files that matter."""

import base64
import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import BinaryIO, NamedTuple

from sekisho.errors import ConfusingError
from sekisho.inflate import InflateError, crc32, inflated
from sekisho.zip_layout import Member

_CHUNK = 1 << 18
_LARGEST = 20 << 30
_RATIO = 200
_RATIO_FROM = 64 << 20
_KEPT = 64 << 20
_MOST_NATIVE = 5000
_NATIVE_NAME = re.compile(r"\.(so(\.\d+)*|dylib|dll|pyd|exe)$", re.IGNORECASE)
_NATIVE_MAGIC = (
    b"\x7fELF",
    b"MZ",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
)


class Contents(NamedTuple):
    """What the members are, by name: sha256, size in bytes, native code, and the bytes of the few that were kept."""

    sha256: Mapping[str, bytes]
    sizes: Mapping[str, int]
    native: tuple[str, ...]
    kept: Mapping[str, bytes]


def is_native(name: str, head: bytes) -> bool:
    """Tell by a member's name or first bytes whether it is compiled code."""
    return bool(_NATIVE_NAME.search(name)) or head.startswith(_NATIVE_MAGIC)


def check_bomb(members: list[Member]) -> None:
    """Raise ``ConfusingError`` for an archive that unpacks to far more than it is."""
    unpacked = sum(member.size for member in members)
    packed = sum(member.packed for member in members)
    if unpacked > _LARGEST:
        raise ConfusingError(f"it unpacks to {unpacked} bytes")
    if unpacked > _RATIO_FROM and unpacked > _RATIO * max(packed, 1):
        raise ConfusingError(f"{packed} bytes unpack to {unpacked}")


def read_contents(file: BinaryIO, members: list[Member], keep: frozenset[str]) -> Contents:
    """Read every member, by the name that installers read; ``keep`` names the small ones whose bytes are wanted.

    Raises ``ConfusingError`` for a member that cannot be read to its stated end, size and checksum.
    """
    digests: dict[str, bytes] = {}
    sizes: dict[str, int] = {}
    native: list[str] = []
    kept: dict[str, bytes] = {}
    by_offset = {member.offset: member for member in members}
    try:
        with zipfile.ZipFile(file) as archive:
            files = [info for info in archive.infolist() if not info.is_dir()]
        for info in files:
            name, member = info.filename, by_offset[info.header_offset]
            digests[name], sizes[name], magic, data = _read(file, member, name, wanted=name in keep)
            if data is not None:
                kept[name] = data
            if is_native(name, magic):
                native.append(name)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, InflateError) as error:
        raise ConfusingError(f"a member cannot be read: {error}") from error
    return Contents(digests, sizes, tuple(sorted(native)[:_MOST_NATIVE]), kept)


def _read(file: BinaryIO, member: Member, name: str, *, wanted: bool) -> tuple[bytes, int, bytes, bytes | None]:
    digest, crc, size, magic = hashlib.sha256(), 0, 0, b""
    whole = bytearray()
    for plain in _plain(file, member):
        magic = magic or plain[:4]
        size += len(plain)
        if size > member.size:
            raise ConfusingError(f"{name!r} unpacks to more than it states")
        digest.update(plain)
        crc = crc32(plain, crc)
        if wanted:
            whole += plain
            if len(whole) > _KEPT:
                raise ConfusingError(f"{name!r} is larger than {_KEPT} bytes")
    if size != member.size:
        raise ConfusingError(f"{name!r} unpacks to less than it states")
    if crc != member.crc:
        raise ConfusingError(f"{name!r} has not the checksum that it states")
    return digest.digest(), size, magic, bytes(whole) if wanted else None


def _plain(file: BinaryIO, member: Member) -> Iterator[bytes]:
    if member.is_stored:
        return _packed(file, member)
    return (plain for _, plain in inflated(_packed(file, member)))


def _packed(file: BinaryIO, member: Member) -> Iterator[bytes]:
    """Yield a member's bytes as they lie in the file; the layout was checked, so they are all there."""
    file.seek(member.start)
    left = member.packed
    while left and (chunk := file.read(min(left, _CHUNK))):
        left -= len(chunk)
        yield chunk


def check_record(contents: Contents, folder: str) -> list[str]:
    """Return what RECORD (binary distribution format, "RECORD") leaves out, adds, or states wrongly."""
    record = contents.kept.get(f"{folder}/RECORD")
    if record is None:
        return ["there is no RECORD"]
    own = {f"{folder}/{name}" for name in ("RECORD", "RECORD.jws", "RECORD.p7s")}
    listed: set[str] = set()
    wrong: list[str] = []
    try:
        rows = list(csv.reader(io.StringIO(record.decode(), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        return [f"RECORD cannot be read: {error}"]
    for row in rows:
        if not row:
            continue
        name, stated, size = (*row, "", "")[:3]
        if name in listed:
            wrong.append(f"{name!r} is listed twice")
        listed.add(name)
        if name in own or name.endswith("/"):
            continue
        if name not in contents.sha256:
            wrong.append(f"{name!r} is listed and not there")
        elif stated != f"sha256={_unpadded(contents.sha256[name])}":
            wrong.append(f"{name!r} is not what RECORD states" if stated else f"{name!r} is listed without a hash")
        elif size and size != str(contents.sizes[name]):
            wrong.append(f"{name!r} has another size than RECORD states")
    wrong.extend(f"{name!r} is not listed" for name in contents.sha256 if name not in listed and name not in own)
    return wrong


def _unpadded(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
