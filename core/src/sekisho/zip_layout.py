"""A zip's own account of itself, checked byte by byte (APPNOTE 6.3.10).

Installers, scanners and unpackers disagree about zips that contradict themselves. So a package must be one unbroken
run of members from its first byte, one directory that tells the same as the members' own headers, and one end record.
"""

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from sekisho.errors import ConfusingError

_END = b"PK\x05\x06"
_END_64 = b"PK\x06\x06"
_LOCATOR_64 = b"PK\x06\x07"
_ENTRY = b"PK\x01\x02"
_LOCAL = b"PK\x03\x04"
_DESCRIPTOR = b"PK\x07\x08"
_MAX_16, _MAX_32 = 0xFFFF, 0xFFFFFFFF
_DIRECTORY_LIMIT = 256 << 20
_SYMLINK = 0o120000
_FILE_TYPE = 0o170000
_ENCRYPTED, _STREAMED = 0x1, 0x8
_STORED, _DEFLATED = 0, 8


class Member(NamedTuple):
    """One entry of the directory. ``start`` is where its packed bytes begin, once its own header was read."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int
    start: int = 0

    @property
    def is_stored(self) -> bool:
        """Tell whether its bytes lie there unpacked."""
        return self.method == _STORED


class _End(NamedTuple):
    offset: int
    entries: int
    directory: int
    length: int


def check_layout(file: BinaryIO) -> list[Member]:
    """Return the members in the order of the file; raise ``ConfusingError`` for the first thing that is wrong."""
    size = file.seek(0, os.SEEK_END)
    end = _find_end(file, size)
    if end.directory + end.length != end.offset:
        raise ConfusingError("there are bytes between the directory and the end record")
    if end.length > _DIRECTORY_LIMIT:
        raise ConfusingError("the directory is too large")
    file.seek(end.directory)
    members = list(_entries(file.read(end.length)))
    if len(members) != end.entries:
        raise ConfusingError(f"the end record counts {end.entries} members, the directory has {len(members)}")
    _check_names(members)
    members.sort(key=lambda member: member.offset)
    at, found = 0, []
    for member in members:
        if member.offset != at:
            raise ConfusingError(f"bytes before {_show(member.name)} belong to no member")
        start, streamed = _check_local(file, member)
        found.append(member._replace(start=start))
        at = start + member.packed
        if streamed:
            at += _descriptor(file, at, member)
    if at != end.directory:
        raise ConfusingError("there are bytes between the last member and the directory")
    return found


def _find_end(file: BinaryIO, size: int) -> _End:
    window = min(size, 22 + _MAX_16)
    file.seek(size - window)
    tail = file.read(window)
    found = [i for i in range(len(tail) - 21) if tail[i : i + 4] == _END and _ends_at_end(tail, i)]
    if not found:
        raise ConfusingError("no end record, or bytes behind it")
    if len(found) > 1 or (tail.count(_END, found[0]) > 1):
        raise ConfusingError("two end records")
    at = found[0]
    disk, start_disk, here, entries, length, directory = struct.unpack("<HHHHLL", tail[at + 4 : at + 20])
    offset = size - window + at
    if disk or start_disk or here != entries:
        raise ConfusingError("the archive claims to span several disks")
    if at >= 20 and tail[at - 20 : at - 16] == _LOCATOR_64:
        return _find_end_64(file, offset, tail[at - 20 : at])
    if entries == _MAX_16 or _MAX_32 in {length, directory}:
        raise ConfusingError("zip64 sizes without a zip64 record")
    return _End(offset, entries, directory, length)


def _ends_at_end(tail: bytes, at: int) -> bool:
    comment = struct.unpack("<H", tail[at + 20 : at + 22])[0]
    return bool(at + 22 + comment == len(tail))


def _find_end_64(file: BinaryIO, offset: int, locator: bytes) -> _End:
    at = struct.unpack("<Q", locator[8:16])[0]
    if at + 56 != offset - 20:
        raise ConfusingError("the zip64 end record is not where it should be")
    file.seek(at)
    record = file.read(56)
    if record[:4] != _END_64:
        raise ConfusingError("there is no zip64 end record")
    entries, length, directory = struct.unpack("<QQQ", record[32:56])
    return _End(at, entries, directory, length)


def _entries(directory: bytes) -> Iterator[Member]:
    at = 0
    while at < len(directory):
        head = directory[at : at + 46]
        if len(head) < 46 or head[:4] != _ENTRY:
            raise ConfusingError("the directory is damaged")
        flags, method = struct.unpack("<HH", head[8:12])
        crc, packed, size, name_size, extra_size, comment_size = struct.unpack("<LLLHHH", head[16:34])
        attributes, offset = struct.unpack("<LL", head[38:46])
        name = directory[at + 46 : at + 46 + name_size]
        extra = directory[at + 46 + name_size : at + 46 + name_size + extra_size]
        size, packed, offset = _widen(extra, [size, packed, offset])
        mode = attributes >> 16 if head[5] == 3 else 0
        yield Member(name, flags, method, crc, packed, size, offset, mode)
        at += 46 + name_size + extra_size + comment_size


def _widen(extra: bytes, values: list[int]) -> list[int]:
    """Replace each 32-bit maximum by its zip64 value, in the order that APPNOTE 4.5.3 gives."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack("<HH", extra[at : at + 4])
        body = extra[at + 4 : at + 4 + length]
        if kind == 1:
            wide = iter(struct.unpack(f"<{len(body) // 8}Q", body[: len(body) // 8 * 8]))
            values = [next(wide, value) if value == _MAX_32 else value for value in values]
        at += 4 + length
    return values


def _check_names(members: list[Member]) -> None:
    seen: set[bytes] = set()
    for member in members:
        name = member.name
        parts = name.removesuffix(b"/").split(b"/")
        if name in seen or name.rstrip(b"/") in seen:
            raise ConfusingError(f"{_show(name)} is there twice")
        if not name or name.startswith(b"/") or b"\\" in name or b"\x00" in name or name[1:2] == b":":
            raise ConfusingError(f"{_show(name)} is no relative path")
        if any(part in {b"", b".", b".."} for part in parts):
            raise ConfusingError(f"{_show(name)} leaves its folder")
        if member.mode & _FILE_TYPE == _SYMLINK:
            raise ConfusingError(f"{_show(name)} is a symbolic link")
        if member.flags & _ENCRYPTED or member.method not in {_STORED, _DEFLATED}:
            raise ConfusingError(f"{_show(name)} is encrypted, or packed by method {member.method}")
        if member.method == _STORED and member.size != member.packed:
            raise ConfusingError(f"{_show(name)} is stored in another size than its own")
        seen.add(name.rstrip(b"/"))


def _check_local(file: BinaryIO, member: Member) -> tuple[int, bool]:
    """Compare a member's own header with the directory; return where its packed bytes begin, and if more follows."""
    file.seek(member.offset)
    head = file.read(30)
    if len(head) < 30 or head[:4] != _LOCAL:
        raise ConfusingError(f"{_show(member.name)} has no header where the directory says")
    flags, method = struct.unpack("<HH", head[6:10])
    crc, packed, size, name_size, extra_size = struct.unpack("<LLLHH", head[14:30])
    name, extra = file.read(name_size), file.read(extra_size)
    if name != member.name:
        raise ConfusingError(f"the directory says {_show(member.name)}, the member itself {_show(name)}")
    if method != member.method or flags & _ENCRYPTED:
        raise ConfusingError(f"{_show(name)} is packed in another way than the directory says")
    size, packed = _widen(extra, [size, packed])
    same = (crc, packed, size) == (member.crc, member.packed, member.size)
    if not same and not (flags & _STREAMED and (packed, size) in {(0, 0), (member.packed, member.size)}):
        raise ConfusingError(f"{_show(name)} has another size or checksum than the directory says")
    return member.offset + 30 + int(name_size) + int(extra_size), bool(flags & _STREAMED)


def _descriptor(file: BinaryIO, at: int, member: Member) -> int:
    """Return the length of the data descriptor at ``at``: with or without signature, 32 or 64 bits."""
    file.seek(at)
    data = file.read(24)
    for mark in (_DESCRIPTOR, b""):
        for form in ("<LLL", "<LQQ"):
            length = struct.calcsize(form)
            body = data[len(mark) : len(mark) + length]
            right = len(body) == length and struct.unpack(form, body) == (member.crc, member.packed, member.size)
            if right and data.startswith(mark):
                return len(mark) + length
    raise ConfusingError(f"what follows {_show(member.name)} contradicts the directory")


def _show(name: bytes) -> str:
    return repr(name[:120].decode("utf-8", "replace"))
