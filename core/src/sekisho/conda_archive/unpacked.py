"""A compressed stream, unpacked in small steps and within bounds: one stream, from the first byte to the last."""

import bz2
from collections.abc import Iterable, Iterator
from typing import Protocol

from sekisho.errors import ConfusingError
from sekisho.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

STEP = 1 << 18
"""Bytes that are unpacked at once."""

LARGEST = 20 << 30
"""Bytes that a package may unpack to."""

_RATIO, _RATIO_FROM = 200, 64 << 20
_WINDOW = 27
"""The most that decompressors take unasked, as a power of two: 128 MiB of memory."""


class _Decompressor(Protocol):
    """What bz2's and zstd's have in common: one stream, read in steps."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class Unpacked:
    """What a packed stream unpacks to, read once. ``packed`` is its size in bytes, by which a bomb is told.

    Readers disagree about what follows a first stream (some stop there, some go on), so nothing may.
    """

    def __init__(self, pieces: Iterable[bytes], packed: int, *, zst: bool) -> None:
        self._steps = _steps(pieces, _decompressor(zst=zst))
        self._most = min(LARGEST, max(_RATIO_FROM, _RATIO * packed))
        self._buffer = b""
        self._at = 0
        self._read = 0

    def upto(self, size: int) -> bytes:
        """Return at most ``size`` bytes and at most one step; nothing at the end."""
        while self._at == len(self._buffer):
            step = next(self._steps, None)
            if step is None:
                return b""
            self._buffer, self._at = step, 0
            self._read += len(step)
            if self._read > self._most:
                raise ConfusingError(f"it unpacks to more than {self._most} bytes")
        data = self._buffer[self._at : self._at + size]
        self._at += len(data)
        return data

    def exactly(self, size: int) -> bytes:
        """Return ``size`` bytes, of which there are few; raise ``ConfusingError`` if the stream ends before."""
        parts = []
        while size:
            data = self.upto(size)
            if not data:
                raise ConfusingError("it ends in the middle")
            size -= len(data)
            parts.append(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _decompressor(*, zst: bool) -> _Decompressor:
    return ZstdDecompressor(options={DecompressionParameter.window_log_max: _WINDOW}) if zst else _bz2()


def _bz2() -> _Decompressor:
    return bz2.BZ2Decompressor()


def _steps(pieces: Iterable[bytes], stream: _Decompressor) -> Iterator[bytes]:
    try:
        for piece in pieces:
            if stream.eof:
                raise ConfusingError("there are bytes behind the end of the compressed stream")
            yield stream.decompress(piece, STEP)
            while not (stream.eof or stream.needs_input):
                yield stream.decompress(b"", STEP)
    except (ZstdError, OSError, ValueError, EOFError) as error:
        raise ConfusingError(f"it cannot be unpacked: {error}") from error
    if not stream.eof:
        raise ConfusingError("the compressed stream has no end")
    if stream.unused_data:
        raise ConfusingError("there are bytes behind the end of the compressed stream")
