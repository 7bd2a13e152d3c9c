import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho_proxy.ranges import UnsatisfiableError, parse_range, wanted


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=2-", (2, 8)),
        ("bytes=-3", (7, 3)),
        ("bytes=-30", (0, 10)),
        ("bytes=5-99", (5, 5)),
        ("bytes=5-3", None),
        ("bytes=0-1,4-5", None),
        ("bytes=-", None),
        ("lines=1-2", None),
    ],
)
def test_parse_range(header, answer):
    assert parse_range(header, 10) == answer


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_outside(header):
    with pytest.raises(UnsatisfiableError):
        parse_range(header, 10)


def test_if_range():
    assert wanted("bytes=1-2", '"a"', '"a"', 10) == (1, 2)
    assert wanted("bytes=1-2", '"b"', '"a"', 10) is None
    assert wanted("bytes=1-2", 'W/"a"', '"a"', 10) is None


@given(st.text(max_size=30), st.integers(0, 10_000))
def test_any_header_stays_inside(text, size):
    try:
        part = parse_range(f"bytes={text}", size)
    except UnsatisfiableError:
        return
    if part:
        start, length = part
        assert 0 <= start < start + length <= size
