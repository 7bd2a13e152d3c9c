"""What unpacks to more than its bound ends there, in one frame or in many, whole or cut."""

import pytest

from sekisho import zstd
from sekisho.errors import CorruptError
from sekisho_proxy.conda.packed import unpack


def test_as_much_as_the_bound_is_unpacked_from_one_frame_or_from_many():
    assert unpack(zstd.compress(b"a" * 3_000_000), limit=3_000_000, where="x") == b"a" * 3_000_000
    assert unpack(zstd.compress(b"ab") + zstd.compress(b"c"), limit=3, where="x") == b"abc"


@pytest.mark.parametrize(
    ("data", "limit", "said"),
    [
        (zstd.compress(b"a" * 3_000_000), 2_999_999, "more than 2999999 bytes"),
        (zstd.compress(b"ab") + zstd.compress(b"cd"), 3, "more than 3 bytes"),
        (zstd.compress(b"ab" * 100)[:-1], 1_000, "ends in the middle"),
        (zstd.compress(b"ab") + b"no frame", 1_000, "cannot be unpacked"),
    ],
    ids=["one frame", "two frames", "cut", "something behind"],
)
def test_what_is_more_or_less_is_refused(data, limit, said):
    with pytest.raises(CorruptError, match=said):
        unpack(data, limit=limit, where="x")
