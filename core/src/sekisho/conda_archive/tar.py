"""A tar read once, as a stream, in bounded memory: ustar with the long names of pax (POSIX.1-2001) and of GNU.

Tar readers disagree where an archive is odd: on a size that is told twice, on a prefix in GNU's own header, on
checksums, on what follows the end. So what is odd is refused, and all of them read the same here.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from sekisho.conda_archive.unpacked import STEP, Unpacked
from sekisho.errors import ConfusingError

MemberKind = Literal["file", "softlink", "hardlink", "directory"]

_BLOCK = 512
_LONGEST_EXTENSION = 1 << 20
_KINDS: dict[bytes, MemberKind] = {b"0": "file", b"\0": "file", b"1": "hardlink", b"2": "softlink", b"5": "directory"}
_UNREAD = ((100, 108), (108, 116), (116, 124), (136, 148), (329, 337), (337, 345))
"""Numbers that say nothing here, and that end the archive for readers that cannot read them."""

_BINARY = (0x80, 0xFF)
"""The first byte of GNU's binary numbers, positive and negative."""

_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")
_HARMLESS = re.compile(r"[amc]time|[ug]id|[ug]name|comment|charset|(?:SCHILY|LIBARCHIVE|RHT)\..+", re.DOTALL)


class Member(NamedTuple):
    """One member. ``size`` is in bytes, ``target`` that of a link, as it stands in the archive.

    ``chunks`` are a file's bytes. They are there once, and only until the next member is asked for.
    """

    path: str
    kind: MemberKind
    mode: int
    size: int
    target: str
    chunks: Iterator[bytes]

    def read(self, most: int) -> bytes:
        """Return a small file's bytes; raise ``ConfusingError`` for one of more than ``most``."""
        if self.size > most:
            raise ConfusingError(f"{show(self.path)} is larger than {most} bytes")
        return b"".join(self.chunks)


class _Extension(NamedTuple):
    """What the headers before a member's own say of it."""

    path: str = ""
    target: str = ""
    size: int | None = None


def read_tar(stream: Unpacked) -> Iterator[Member]:
    """Yield the members in their order, to the very end of the stream; raise ``ConfusingError`` for what is odd."""
    extension, extends = _Extension(), False
    while any(block := stream.exactly(_BLOCK)):
        kind, size = block[156:157], _header_size(block)
        if kind in {b"x", b"g", b"L", b"K"}:
            extension, extends = _extended(extension, kind, _extension(stream, size)), True
            continue
        member = _member(stream, block, size, extension)
        extension, extends = _Extension(), False
        yield member
        for _ in member.chunks:  # what the reader left
            pass
    if extends:
        raise ConfusingError("a header extends no member")
    while rest := stream.upto(STEP):
        if rest.strip(b"\0"):
            raise ConfusingError("there are bytes behind the archive's end")


def show(name: str) -> str:
    """Return a name of unknown intent in quotes, for a message."""
    return repr(name[:120].encode("utf-8", "replace").decode())


def _header_size(block: bytes) -> int:
    if _number(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * 0x20:
        raise ConfusingError("a header has not the checksum that it states")
    if block[257:265] not in {b"ustar\x0000", b"ustar  \0"}:
        raise ConfusingError("a header is of no known format")
    for start, end in _UNREAD:
        if block[start] not in _BINARY:
            _number(block[start:end])
    return _number(block[124:136])


def _member(stream: Unpacked, block: bytes, size: int, extension: _Extension) -> Member:
    path = extension.path or _short_name(block)
    kind = _KINDS.get(block[156:157])
    if kind is None:
        raise ConfusingError(f"{show(path)} is a special file")
    if extension.size not in {None, size}:
        raise ConfusingError(f"the size of {show(path)} is told twice")
    if kind == "file" and path.endswith("/"):
        raise ConfusingError(f"{show(path)} is a file and a folder")
    if kind != "file" and size:
        raise ConfusingError(f"{show(path)} is no file and has bytes")
    target = extension.target or _text(block[157:257])
    if bool(target) != kind.endswith("link"):
        raise ConfusingError(f"{show(path)} is no link and has a target, or the other way round")
    return Member(path, kind, _number(block[100:108]) & 0o7777, size, target, _chunks(stream, size))


def _short_name(block: bytes) -> str:
    name = _text(block[:100])
    if not any(block[345:500]):
        return name
    if block[257:265] != b"ustar\x0000":
        raise ConfusingError(f"{show(name)} has more than a name in its header")
    prefix = _text(block[345:500])
    return f"{prefix}/{name}" if prefix else name


def _chunks(stream: Unpacked, size: int) -> Iterator[bytes]:
    left = size
    while left:
        chunk = stream.upto(left)
        if not chunk:
            raise ConfusingError("it ends in the middle of a member")
        left -= len(chunk)
        yield chunk
    if any(stream.exactly(-size % _BLOCK)):
        raise ConfusingError("there are bytes between two members")


def _extension(stream: Unpacked, size: int) -> bytes:
    if size > _LONGEST_EXTENSION:
        raise ConfusingError(f"a header is longer than {_LONGEST_EXTENSION} bytes")
    return b"".join(_chunks(stream, size))


def _extended(known: _Extension, kind: bytes, data: bytes) -> _Extension:
    """Add what one header says of the member that follows; nothing may be said twice."""
    found: dict[str, str] = {"path" if kind == b"L" else "target": _text(data)} if kind in b"LK" else {}
    if kind in b"xg":
        found = {"target" if key == "linkpath" else key: value for key, value in _pax(data)}
        if kind == b"g" and found:
            raise ConfusingError("a header speaks of all members at once")
    if twice := {key for key in found if getattr(known, key) not in {"", None}}:
        raise ConfusingError(f"a member's {min(twice)} is told twice")
    size = found.get("size", "0")
    if not all(found.values()) or not size.isdecimal() or not size.isascii() or len(size) > 18:
        raise ConfusingError("a header says nothing valid of a member")
    return _Extension(
        found.get("path", known.path), found.get("target", known.target), int(size) if "size" in found else known.size
    )


def _pax(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield what a pax header says that matters: ``path``, ``linkpath`` and ``size``."""
    seen: set[str] = set()
    at = 0
    while at < len(data):
        digits, space, _ = data[at : at + 8].partition(b" ")
        length = int(digits) if digits.isdigit() and space else 0
        record = data[at : at + length]
        key, equals, value = record[len(digits) + 1 : -1].partition(b"=")
        if len(record) != length or not equals or record[-1:] != b"\n":
            raise ConfusingError("a header of pax cannot be read")
        name = _text(key)
        if name in seen:
            raise ConfusingError(f"a header of pax says {show(name)} twice")
        seen.add(name)
        at += length
        if name in {"path", "linkpath", "size"}:
            if b"\0" in value:
                raise ConfusingError(f"{name} in a header of pax is no text")
            yield name, _text(value)
        elif not _HARMLESS.fullmatch(name):
            raise ConfusingError(f"a header of pax says {show(name)}")


def _text(field: bytes) -> str:
    name, _, rest = field.partition(b"\0")
    if rest.strip(b"\0"):
        raise ConfusingError(f"{show(name.decode('utf-8', 'replace'))} has bytes behind its end")
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise ConfusingError(f"{show(name.decode('utf-8', 'replace'))} is no UTF-8") from error


def _number(field: bytes) -> int:
    """Read a number as octal digits, or as GNU's binary one."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:])
    found = _OCTAL.fullmatch(field)
    if not found:
        raise ConfusingError("a number in a header cannot be read")
    return int(found[1] or b"0", 8)
