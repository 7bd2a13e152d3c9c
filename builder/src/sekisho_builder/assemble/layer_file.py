"""A layer on its way to disk: a tar inside a gzip of many members (RFC 1952, 2.2), hashed both ways on its way."""

import hashlib
import tarfile
import zlib
from collections.abc import Iterable
from functools import lru_cache
from typing import BinaryIO

from deflate import deflate_compress

from sekisho_builder.assemble.deflate import pack
from sekisho_builder.assemble.in_order import Gathered, InOrder

MTIME = 315532800
"""1980-01-01: constant, and not zero, because some programs mistrust the epoch."""

_GZIP = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_HELD = 1 << 18
_BLOCK = 512
_SHORT = 100
_SMALL = 8**11
_LEVEL = 6
_FAST = 3
"""libdeflate's level: 2 % larger than at its sixth, in two thirds of the time."""


class LayerFile:
    """Writes tar entries into ``file``. Entries must come in a stable order; nothing here depends on time or place.

    ``digest`` and ``size`` are of the gzip, ``diff_id`` and ``unpacked`` of the tar in it; read them after ``close``.
    Hashes are computed by ``aside``.
    """

    def __init__(self, file: BinaryIO, aside: InOrder) -> None:
        self._file = file
        self.aside = aside
        self._outer = hashlib.sha256()
        self._inner = hashlib.sha256()
        self._held = bytearray()
        self._tar = Gathered(lambda data: aside.later(self._inner.update, data))
        self._packed = Gathered(self._put)
        self._folders: set[str] = set()
        self.size = 0
        self.unpacked = 0

    def folder(self, path: str, *, uid: int = 0, gid: int = 0, mode: int = 0o755) -> None:
        """Add a folder and those above it that this layer has not named yet; only the last gets owner and mode."""
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            name = "/".join(parts[:depth])
            if name not in self._folders:
                self._folders.add(name)
                last = depth == len(parts)
                owner = (uid, gid) if last else (0, 0)
                self._entry(name, tarfile.DIRTYPE, mode=mode if last else 0o755, owner=owner)

    def link(self, path: str, target: str, *, hard: bool = False) -> None:
        """Add a symbolic link, or a hard one to an earlier file of this layer."""
        self._parent(path)
        self._entry(path, tarfile.LNKTYPE if hard else tarfile.SYMTYPE, mode=0o777, target=target)

    def data(self, path: str, content: bytes, *, mode: int) -> None:
        """Add a file whose bytes were made here."""
        self.stored(path, [content], mode=mode, size=len(content))

    def stored(
        self, path: str, content: Iterable[bytes], *, mode: int, size: int, owner: tuple[int, int] = (0, 0)
    ) -> None:
        """Add a file that comes uncompressed, in pieces."""
        self._parent(path)
        self._entry(path, tarfile.REGTYPE, mode=mode, size=size, owner=owner)
        for piece in content:
            self._plain(piece)
        self._pad(size)

    def spliced(self, path: str, content: Iterable[tuple[bytes, bytes]], *, mode: int, size: int, crc: int) -> None:
        """Add a file that comes as pairs (piece of a raw deflate stream, what that inflates to).

        The deflate stream becomes a gzip member as it is; the caller has checked ``size`` and ``crc``.
        """
        self._parent(path)
        self._entry(path, tarfile.REGTYPE, mode=mode, size=size)
        self._release()
        self._write(_GZIP)
        for packed, plain in content:
            self._tar.add(plain)
            self._write(packed)
        self.unpacked += size
        self._write(_trailer(crc, size))
        self._pad(size)

    def close(self) -> None:
        """End the tar (two empty blocks) and the gzip."""
        self._plain(bytes(2 * _BLOCK))
        self._release()
        self._settle()

    def _settle(self) -> None:
        self._tar.flush()
        self._packed.flush()
        self.aside.wait()

    def fits(self, path: str, size: int, most: int) -> bool:
        """Tell whether this layer stays below ``most`` bytes with a file of ``size`` packed bytes, whatever it holds.

        Each name may need three blocks, two of them for a PAX header, and each folder above it may be new.
        """
        names = (path.count("/") + 1) * (3 * _BLOCK + len(path.encode()))
        return self._about() + size + size // 1000 + names + 8 * _BLOCK <= most

    def _about(self) -> int:
        """Return at least how large the layer is by now: a number that no compressor has a say in."""
        return self.size + len(self._held) + len(self._held) // 1000

    @property
    def digest(self) -> str:
        """Return the sha256 of the gzip: the layer's digest."""
        return self._outer.hexdigest()

    @property
    def diff_id(self) -> str:
        """Return the sha256 of the tar: the layer's ``diff_id``."""
        return self._inner.hexdigest()

    def _parent(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        if parent and parent not in self._folders:
            self.folder(parent)

    def _entry(
        self, path: str, kind: bytes, *, mode: int, size: int = 0, target: str = "", owner: tuple[int, int] = (0, 0)
    ) -> None:
        if kind == tarfile.REGTYPE and owner == (0, 0) and len(path) <= _SHORT and path.isascii() and size < _SMALL:
            self._plain(_header(path.encode(), mode, size))
        else:
            self._plain(_any_header(path, kind, mode=mode, size=size, target=target, owner=owner))

    def _pad(self, size: int) -> None:
        self._plain(bytes(-size % _BLOCK))

    def _plain(self, data: bytes) -> None:
        self._held += data
        self.unpacked += len(data)
        if len(self._held) >= _HELD:
            self._release()

    def _release(self) -> None:
        """Write what is held as one gzip member."""
        if self._held:
            held = bytes(self._held)
            self._held.clear()
            self._tar.add(held)
            self._write(_GZIP + self._pack(held) + _trailer(zlib.crc32(held), len(held)))

    def _pack(self, data: bytes) -> bytes:
        return pack(data)

    def _write(self, data: bytes) -> None:
        self._packed.add(data)
        self.size += len(data)

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self.aside.later(self._outer.update, data)


class DeflatedLayerFile(LayerFile):
    """Writes the same tar, each quarter of a megabyte compressed by libdeflate: for what comes without deflate streams.

    libdeflate is built into one pinned library, is the same under each Python, and compresses alike on each processor.
    """

    def _pack(self, data: bytes) -> bytes:
        return bytes(deflate_compress(data, _FAST))


class PlainLayerFile(LayerFile):
    """Writes the same tar as one gzip member, compressed by zlib: for what cannot read many members.

    The tar, and so ``diff_id``, is that of a spliced layer. The gzip depends on zlib's version.
    """

    def __init__(self, file: BinaryIO, aside: InOrder) -> None:
        super().__init__(file, aside)
        self._gzip = zlib.compressobj(_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)

    def spliced(self, path: str, content: Iterable[tuple[bytes, bytes]], *, mode: int, size: int, crc: int) -> None:
        """Add a file of which only the plain pieces count."""
        del crc
        self.stored(path, (plain for _, plain in content), mode=mode, size=size)

    def close(self) -> None:
        """End the tar (two empty blocks) and the gzip."""
        self._plain(bytes(2 * _BLOCK))
        self._release()
        self._write(self._gzip.flush())
        self._settle()

    def _about(self) -> int:
        return self.unpacked + self.unpacked // 1000

    def _release(self) -> None:
        held = bytes(self._held)
        self._held.clear()
        self._tar.add(held)
        self._write(self._gzip.compress(held))


def _trailer(crc: int, size: int) -> bytes:
    """Return CRC32 and ISIZE, the size modulo 2^32 (RFC 1952, 2.3.1)."""
    return crc.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")


def _any_header(path: str, kind: bytes, *, mode: int, size: int, target: str, owner: tuple[int, int]) -> bytes:
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.size, info.linkname, info.mtime = kind, mode, size, target, MTIME
    info.uid, info.gid = owner
    return info.tobuf(tarfile.PAX_FORMAT, encoding="utf-8", errors="strict")


def _header(path: bytes, mode: int, size: int) -> bytes:
    """Return what ``_any_header`` does for a plain file of root with a short name, in a tenth of its time."""
    ends, total = _frame(mode)
    digits = b"%011o" % size
    total += sum(path) + sum(digits)
    return path.ljust(_SHORT, b"\0") + ends[:24] + digits + ends[24:37] + b"%06o" % total + ends[37:]


@lru_cache
def _frame(mode: int) -> tuple[bytes, int]:
    """Return a header (POSIX.1-2001, ustar) without name, size and checksum, and the sum of its bytes.

    The sum counts the checksum's own eight bytes as spaces. Name, size and checksum are 100, 11 and 6 bytes.
    """
    whole = _any_header("", tarfile.REGTYPE, mode=mode, size=0, target="", owner=(0, 0))
    ends = whole[100:124] + whole[135:148] + whole[154:]
    return ends, sum(whole[:148]) + sum(whole[156:]) + 8 * ord(" ") - sum(b"0" * 11)
