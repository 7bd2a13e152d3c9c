import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sekisho.inflate import InflateError, inflated

plains = st.lists(st.one_of(st.binary(max_size=300), st.integers(0, 400_000).map(bytes)), max_size=5).map(b"".join)


def packed_by_zlib(plain, level):
    deflater = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflater.compress(plain) + deflater.flush()


@given(plains, st.integers(0, 9), st.integers(1, 5000))
@example(b"", 9, 1)
@example(bytes(1 << 20), 9, 7)
def test_what_zlib_packs_comes_back_with_the_pieces_that_it_came_in(plain, level, size):
    whole = packed_by_zlib(plain, level)
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    rows = list(inflated(pieces))
    assert b"".join(row[0] for row in rows) == whole
    assert b"".join(row[1] for row in rows) == plain
    assert max(len(row[1]) for row in rows) <= 1 << 18


@pytest.mark.parametrize(
    ("pieces", "why"),
    [
        ([packed_by_zlib(bytes(1000), 9)[:-1]], "no end"),
        ([], "no end"),
        ([packed_by_zlib(b"x", 9), b"hidden"], "bytes follow"),
        ([packed_by_zlib(b"x", 9) + b"h"], "bytes follow"),
        ([b"\x07"], "does not inflate"),
    ],
)
def test_what_is_not_one_whole_stream(pieces, why):
    with pytest.raises(InflateError, match=why):
        list(inflated(pieces))
