"""The bytes of a layer as one bounded stream, unpacked in steps and hashed on the way."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from zlib_ng import zlib_ng

from sekisho.errors import CorruptError

_PIECE = 1 << 16
_STEP = 1 << 20
_GZIP = b"\x1f\x8b"


class LayerStream:
    """A gzip of any number of members (RFC 1952, 2.2), or a bare tar, as one bounded stream."""

    def __init__(self, path: Path, limit: int, where: str) -> None:
        self._where = where
        self._limit = limit
        self._packed = hashlib.sha256()
        self._plain = self._unpack(path)
        self._held = b""
        self._at = 0
        self.unpacked = 0

    @property
    def digest(self) -> str:
        """Return the sha256 of the file; call it at the end."""
        return self._packed.hexdigest()

    def bad(self, what: str) -> CorruptError:
        """Return the error for a layer that cannot be believed."""
        return CorruptError(what, where=self._where, todo="do not use this image; ask who made the layer")

    def take(self, size: int) -> bytes:
        """Return exactly ``size`` bytes, which are few."""
        return b"".join(self.pieces(size))

    def skip(self, size: int) -> None:
        """Go over ``size`` bytes."""
        for _ in self.pieces(size):
            pass

    def pieces(self, size: int) -> Iterator[bytes]:
        """Yield exactly ``size`` bytes in pieces."""
        while size:
            if self._at == len(self._held):
                self._held, self._at = self._more(), 0
            piece = self._held[self._at : self._at + size]
            self._at += len(piece)
            size -= len(piece)
            yield piece

    def end(self) -> None:
        """Read what is behind the end of the archive: nothing but zeros may be."""
        rest = self._held[self._at :]
        while True:
            if rest.count(0) != len(rest):
                raise self.bad("something follows the end of the archive")
            found = next(self._plain, None)
            if found is None:
                return
            rest = self._counted(found)

    def _more(self) -> bytes:
        found = next(self._plain, None)
        if found is None:
            raise self.bad("the archive is cut short")
        return self._counted(found)

    def _counted(self, piece: bytes) -> bytes:
        self.unpacked += len(piece)
        if self.unpacked > self._limit:
            raise CorruptError(
                f"the layer unpacks to more than {self._limit} bytes",
                where=self._where,
                todo="raise `budget.unpacked` in image.yaml if that is meant",
            )
        return piece

    def _unpack(self, path: Path) -> Iterator[bytes]:
        with path.open("rb") as file:
            first = file.read(_PIECE)
            source = self._hashed(first, lambda: file.read(_PIECE))
            if not first.startswith(_GZIP):
                yield from source
                return
            try:
                yield from _gunzip(source)
            except (zlib_ng.error, EOFError) as error:  # type: ignore[misc]  # a class, which its stub does not say
                raise self.bad(f"the layer does not unpack: {error}") from error

    def _hashed(self, first: bytes, more: Callable[[], bytes]) -> Iterator[bytes]:
        piece = first
        while piece:
            self._packed.update(piece)
            yield piece
            piece = more()


def _gunzip(source: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what the members of a gzip hold, in steps of bounded size."""
    member = None
    for packed in source:
        left = packed
        while left:
            if member is None:
                member = zlib_ng.decompressobj(zlib_ng.MAX_WBITS | 16)
            plain = member.decompress(left, _STEP)
            if plain:
                yield plain
            left = member.unused_data if member.eof else member.unconsumed_tail
            if member.eof:
                member = None
    while member is not None:
        plain = member.decompress(b"", _STEP)
        if plain:
            yield plain
        elif not member.eof:
            message = "it is cut short"
            raise EOFError(message)
        if member.eof:
            member = None
