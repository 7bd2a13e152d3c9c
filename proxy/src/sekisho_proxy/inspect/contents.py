"""Every member of a wheel read once, as a stream: hashes, native code, and the small files that matter."""

import base64
import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from typing import BinaryIO, NamedTuple

from sekisho_proxy.inspect.layout import ConfusingError, Member

_CHUNK = 1 << 20
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


def check_bomb(members: list[Member]) -> None:
    """Raise ``ConfusingError`` for an archive that unpacks to far more than it is."""
    unpacked = sum(member.size for member in members)
    packed = sum(member.packed for member in members)
    if unpacked > _LARGEST:
        raise ConfusingError(f"it unpacks to {unpacked} bytes")
    if unpacked > _RATIO_FROM and unpacked > _RATIO * max(packed, 1):
        raise ConfusingError(f"{packed} bytes unpack to {unpacked}")


def read_contents(file: BinaryIO, keep: frozenset[str]) -> Contents:
    """Read every member; ``keep`` names the small ones whose bytes are wanted.

    Raises ``ConfusingError`` for a member that cannot be read to its stated end, size and checksum.
    """
    digests: dict[str, bytes] = {}
    sizes: dict[str, int] = {}
    native: list[str] = []
    kept: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                name = info.filename
                digests[name], sizes[name], magic, data = _read(archive, info, wanted=name in keep)
                if data is not None:
                    kept[name] = data
                if _NATIVE_NAME.search(name) or magic.startswith(_NATIVE_MAGIC):
                    native.append(name)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError) as error:
        raise ConfusingError(f"a member cannot be read: {error}") from error
    return Contents(digests, sizes, tuple(sorted(native)[:_MOST_NATIVE]), kept)


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, *, wanted: bool) -> tuple[bytes, int, bytes, bytes | None]:
    digest, size, magic = hashlib.sha256(), 0, b""
    whole = bytearray()
    with archive.open(info) as member:
        while chunk := member.read(_CHUNK):
            magic = magic or chunk[:4]
            size += len(chunk)
            if size > info.file_size:
                raise ConfusingError(f"{info.filename!r} unpacks to more than it states")
            digest.update(chunk)
            if wanted:
                whole += chunk
                if len(whole) > _KEPT:
                    raise ConfusingError(f"{info.filename!r} is larger than {_KEPT} bytes")
    if size != info.file_size:
        raise ConfusingError(f"{info.filename!r} unpacks to less than it states")
    return digest.digest(), size, magic, bytes(whole) if wanted else None


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
