"""Deflate streams (RFC 1951) read in small steps, so that no stream costs more memory than a step.

It is zlib-ng's inflate, which reads what zlib's does; ADR 34 has how fast each is.
"""

from collections.abc import Iterable, Iterator

from zlib_ng import zlib_ng

crc32 = zlib_ng.crc32
"""The checksum that zip archives and gzip streams bear."""

_STEP = 1 << 18


class InflateError(Exception):
    """These bytes are not one whole deflate stream."""


def inflated(pieces: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield (packed, plain): each piece with what it adds, and ``b""`` with what is more than one step can hold.

    Raises ``InflateError`` for a stream that is damaged, has no end, or has bytes behind its end.
    """
    inflater = zlib_ng.decompressobj(-zlib_ng.MAX_WBITS)
    try:
        for packed in pieces:
            yield packed, inflater.decompress(packed, _STEP)
            while inflater.unconsumed_tail:
                yield b"", inflater.decompress(inflater.unconsumed_tail, _STEP)
        while not inflater.eof:
            rest = inflater.decompress(b"", _STEP)
            if not rest and not inflater.eof:
                raise InflateError("the deflate stream has no end")
            yield b"", rest
    except zlib_ng.error as error:  # type: ignore[misc]  # it is a class, which its stub does not say
        raise InflateError(f"it does not inflate: {error}") from error
    if inflater.unused_data:
        raise InflateError("bytes follow the end of the deflate stream")
