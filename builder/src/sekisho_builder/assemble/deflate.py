"""DEFLATE (RFC 1951) written by hand: stored blocks and runs of zeros, nothing else.

Tar headers and padding are mostly zeros. Written this way they shrink to a third without any compressor, whose output
could change with its version.
"""

import re
from functools import lru_cache

_ZEROS = re.compile(rb"\0{16,}")
_STORED = 65535
_LONGEST = 258
_END = b"\x03\x00"


def pack(data: bytes) -> bytes:
    """Return ``data`` as one raw deflate stream."""
    parts: list[bytes] = []
    at = zeros = 0
    for run in _ZEROS.finditer(data):
        start, end = run.span()
        _literally(parts, data[at:start], zeros)
        at, zeros = end, end - start
    _literally(parts, data[at:], zeros)
    parts.append(_END)
    return b"".join(parts)


def _literally(parts: list[bytes], data: bytes, zeros: int) -> None:
    """Append blocks for ``zeros`` zeros followed by ``data``; each block ends on a whole byte."""
    if not data and not zeros:
        return
    for start in range(0, max(len(data), 1), _STORED):
        piece = data[start : start + _STORED] if len(data) > _STORED else data
        parts += (_opening(zeros, len(piece)), piece)
        zeros = 0


@lru_cache(maxsize=8192)
def _opening(zeros: int, size: int) -> bytes:
    """Return a block of ``zeros`` zeros, if any, and the head of a stored block of ``size`` bytes (RFC 1951, 3.2.4)."""
    lengths = size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little")
    return (_zeros(zeros) if zeros else b"\0") + lengths


@lru_cache(maxsize=2048)
def _zeros(count: int) -> bytes:
    """Return a block of ``count`` zeros with fixed Huffman codes, and the first bits of the stored block after it.

    One literal zero, then matches at distance 1 (RFC 1951, 3.2.5 and 3.2.6). The three header bits of the stored
    block fill up to a whole byte, as 3.2.4 wants before LEN.
    """
    bits = _Bits()
    bits.add(0b010, 3)
    bits.code(0x30, 8)
    left = count - 1
    while left >= 3:
        length = min(left, _LONGEST)
        _match(bits, length)
        left -= length
    for _ in range(left):
        bits.code(0x30, 8)
    bits.code(0, 7)
    bits.add(0, 3)
    return bits.whole_bytes()


def _match(bits: "_Bits", length: int) -> None:
    over = length - 3
    extra = 0 if over < 8 or length == _LONGEST else over.bit_length() - 3
    symbol = 285 if length == _LONGEST else 257 + 4 * extra + (over >> extra)
    if symbol < 280:
        bits.code(symbol - 256, 7)
    else:
        bits.code(0xC0 + symbol - 280, 8)
    bits.add(over & ((1 << extra) - 1), extra)
    bits.code(0, 5)


class _Bits:
    def __init__(self) -> None:
        self._value = 0
        self._count = 0

    def add(self, value: int, count: int) -> None:
        """Append a number, lowest bit first."""
        self._value |= value << self._count
        self._count += count

    def code(self, value: int, count: int) -> None:
        """Append a Huffman code, highest bit first."""
        for place in reversed(range(count)):
            self.add(value >> place & 1, 1)

    def whole_bytes(self) -> bytes:
        return self._value.to_bytes((self._count + 7) // 8, "little")
