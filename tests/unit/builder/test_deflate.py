import zlib

from hypothesis import example, given
from hypothesis import strategies as st

from sekisho_builder.assemble.deflate import pack

pieces = st.one_of(st.binary(max_size=200), st.integers(0, 2000).map(bytes))


@given(st.lists(pieces, max_size=8).map(b"".join))
@example(b"")
@example(bytes(16))
@example(bytes(70000))
@example(b"x" * 65535 + bytes(20) + b"y" * 65536)
def test_what_is_packed_inflates_to_itself(data):
    inflater = zlib.decompressobj(-15)
    assert inflater.decompress(pack(data)) == data
    assert inflater.eof
    assert inflater.unused_data == b""


def test_every_length_of_a_run_of_zeros():
    runs = [b"a" + bytes(count) + b"b" for count in (*range(16, 1100), 4096)]
    assert [zlib.decompress(pack(run), -15) for run in runs] == runs


def test_a_tar_header_shrinks_to_less_than_half():
    header = b"opt/venv/file".ljust(100, b"\0") + b"0000644\0" * 7 + bytes(101) + b"ustar\x0000" + bytes(247)
    assert len(pack(header)) < len(header) / 2
