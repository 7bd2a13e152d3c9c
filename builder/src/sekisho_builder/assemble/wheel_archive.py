"""A wheel as an archive: its members, each checked, and their bytes as they lie in the file.

A wheel comes from outside, so nothing about it is believed: names, offsets, sizes, checksums and the agreement of
the central directory with the local headers are all verified, since two readers that differ on one archive see two
different packages.
"""

import lzma
import os
import stat
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sekisho.errors import BadInputError, CorruptError
from sekisho.inflate import InflateError, crc32, inflated
from sekisho_builder.assemble.open_archive import OpenArchive

_LOCAL = b"PK\x03\x04"
_LOCAL_SIZE = 30
_PIECE = 1 << 18
_ENCRYPTED = 0x1
_UTF8 = 0x800
_EXECUTABLE = 0o111
_NOWHERE = frozenset({"", ".", ".."})
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Unicode's Bidi_Control characters (UAX 9)."""

_TODO = "do not install this file; ask who published it, and deny the release"


class Member(NamedTuple):
    """One file of a wheel. ``start`` is where its packed bytes begin; sizes are in bytes."""

    name: str
    start: int
    packed: int
    size: int
    crc: int
    method: int
    executable: bool


class WheelArchive(OpenArchive):
    """An open wheel. ``members`` are its files (folders left out) by name; ``title`` is what errors call it."""

    def __init__(self, path: Path, title: str) -> None:
        self.path = path
        self.title = title
        super().__init__(path)

    def _begin(self) -> None:
        self.members = self._read_directory()

    def bad(self, what: str, member: str = "") -> BadInputError:
        """Return the error for a wheel that breaks its format."""
        return BadInputError(what, where=self._where(member), todo=_TODO)

    def corrupt(self, what: str, member: str = "") -> CorruptError:
        """Return the error for a wheel whose bytes are not what it states."""
        return CorruptError(what, where=self._where(member), todo=_TODO)

    def read(self, name: str, *, limit: int = 64 << 20) -> bytes:
        """Return a small member's bytes, verified; raise ``BadInputError`` if it is missing or over ``limit``."""
        member = self.members.get(name)
        if member is None:
            raise self.bad(f"the wheel has no {name.rpartition('/')[2]}", name)
        if member.size > limit:
            raise self.bad(f"the member has {member.size} bytes, more than {limit}", name)
        return b"".join(plain for _, plain in self.pieces(member))

    def pieces(self, member: Member) -> Iterator[tuple[bytes, bytes]]:
        """Yield (packed, plain) pieces of a member; the last step raises ``CorruptError`` if it is not as stated."""
        if member.method == zipfile.ZIP_DEFLATED:
            source = self._inflated(member)
        elif member.method == zipfile.ZIP_STORED:
            source = ((piece, piece) for piece in self._packed(member))
        else:
            source = self._by_zipfile(member)
        crc = size = 0
        for packed, plain in source:
            crc = crc32(plain, crc)
            size += len(plain)
            if size > member.size:
                break
            yield packed, plain
        if size != member.size or crc != member.crc:
            raise self.corrupt(
                f"the member has not the size ({member.size}) and CRC that the archive states", member.name
            )

    def _inflated(self, member: Member) -> Iterator[tuple[bytes, bytes]]:
        try:
            yield from inflated(self._packed(member))
        except InflateError as error:
            raise self.corrupt(f"the member cannot be read: {error}", member.name) from error

    def _by_zipfile(self, member: Member) -> Iterator[tuple[bytes, bytes]]:
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(member.name) as content:
                while plain := content.read(_PIECE):
                    yield plain, plain
        except (zipfile.BadZipFile, lzma.LZMAError, NotImplementedError, EOFError, OSError) as error:
            raise self.corrupt(f"the member cannot be read: {error}", member.name) from error

    def _packed(self, member: Member) -> Iterator[bytes]:
        handle = self._file.fileno()
        for start in range(0, member.packed, _PIECE):
            size = min(_PIECE, member.packed - start)
            piece = os.pread(handle, size, member.start + start)
            if len(piece) != size:
                raise self.corrupt("the archive is cut short", member.name)
            yield piece

    def _read_directory(self) -> dict[str, Member]:
        try:
            with zipfile.ZipFile(self._file) as archive:
                rows = archive.infolist()
                end = archive.start_dir
        except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, ValueError) as error:
            raise self.corrupt(f"not a readable zip archive: {error}") from error
        members: dict[str, Member] = {}
        free = 0
        for row in sorted(rows, key=lambda row: row.header_offset):
            member = self._check(row)
            if row.header_offset < free or (free == 0 and row.header_offset):
                raise self.bad("the archive's members overlap, or something precedes them", row.filename)
            free = member.start + member.packed
            if not row.is_dir() and member.name in members:
                raise self.bad("the archive holds two members of one name", member.name)
            if not row.is_dir():
                members[member.name] = member
        if free > end:
            raise self.bad("the archive's last member runs into its directory")
        return members

    def _check(self, row: zipfile.ZipInfo) -> Member:
        if row.orig_filename.rstrip("/") != row.filename.rstrip("/"):
            raise self.bad("the member's name holds a zero byte, or has a second form", row.filename)
        check_name(row.filename.removesuffix("/"), self)
        kind = stat.S_IFMT(row.external_attr >> 16)
        if kind not in {0, stat.S_IFREG, stat.S_IFDIR} or (kind == stat.S_IFDIR and not row.is_dir()):
            raise self.bad("the member is a link or a special file", row.filename)
        if row.flag_bits & _ENCRYPTED:
            raise self.bad("the member is encrypted", row.filename)
        if row.is_dir() and row.file_size:
            raise self.bad("the member is a folder with content", row.filename)
        return Member(
            name=row.filename,
            start=self._start(row),
            packed=row.compress_size,
            size=row.file_size,
            crc=row.CRC,
            method=row.compress_type,
            executable=bool(row.external_attr >> 16 & _EXECUTABLE),
        )

    def _start(self, row: zipfile.ZipInfo) -> int:
        """Return where the member's bytes begin, by its local header (APPNOTE 4.3.7), which must name it too."""
        if row.header_offset < 0:
            raise self.corrupt("the member begins before the archive", row.filename)
        header = os.pread(self._file.fileno(), _LOCAL_SIZE, row.header_offset)
        if len(header) != _LOCAL_SIZE or not header.startswith(_LOCAL):
            raise self.corrupt("the member has no local header", row.filename)
        name_size, extra_size = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
        name = os.pread(self._file.fileno(), name_size, row.header_offset + _LOCAL_SIZE)
        if name != row.orig_filename.encode("utf-8" if row.flag_bits & _UTF8 else "cp437"):
            raise self.bad("the member has two names, in its header and in the directory", row.filename)
        if int.from_bytes(header[8:10], "little") != row.compress_type:
            raise self.bad("the member has two compression methods", row.filename)
        return row.header_offset + _LOCAL_SIZE + name_size + extra_size

    def _where(self, member: str) -> str:
        return f"{self.title}: {member}" if member else self.title


def _deceives(letter: str) -> bool:
    """Tell whether a letter is a control character, C1 included, a line's end, half a pair, or turns writing around."""
    return unicodedata.category(letter) in {"Cc", "Zl", "Zp", "Cs"} or letter in _TURNING


def check_name(name: str, archive: WheelArchive) -> None:
    """Refuse a path that leaves its folder, that a layer would read as a whiteout, or that no system should see."""
    parts = name.split("/")
    if not _NOWHERE.isdisjoint(parts):
        raise archive.bad("the path is absolute, empty, or climbs out of its folder", name)
    plain = name.isascii() and name.isprintable()
    if "\\" in name or (not plain and any(map(_deceives, name))):
        raise archive.bad("the path holds a backslash, or a character that controls how it is shown", name)
    if len(name.encode()) > 2000 or (len(name) > 60 and any(len(part.encode()) > 255 for part in parts)):
        raise archive.bad("the path is too long", name[:120])
    if ".wh." in name and any(part.startswith(".wh.") for part in parts):
        raise archive.bad("the path would delete files in an image (.wh. is a whiteout in an OCI layer)", name)
