"""A placeholder becomes the prefix, however the file comes in pieces."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho_builder.assemble.conda_prefix import LONGEST_SHEBANG, Placeholder, replaced

OLD = "/abab/ab"
TEXT = Placeholder(OLD, "text")
BINARY = Placeholder(OLD, "binary")
PARTS = st.lists(st.sampled_from([OLD.encode(), b"/abab", b"/", b"ab", b"\0", b"x", b"\n"]), max_size=20)
CUTS = st.lists(st.integers(0, 60), max_size=12)


def cut(data, cuts):
    at = sorted({min(one, len(data)) for one in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(at)]


@given(PARTS, CUTS, st.sampled_from(["/n", "/longer/than/it/was", OLD]))
def test_text_is_replaced_as_a_whole_would_be(parts, cuts, prefix):
    data = b"x" + b"".join(parts)
    assert b"".join(replaced(cut(data, cuts), TEXT, prefix)) == data.replace(OLD.encode(), prefix.encode())


@given(PARTS, CUTS, st.sampled_from(["/n", "/", "/abab/ab"]))
def test_strings_of_a_binary_keep_their_length(parts, cuts, prefix):
    data, old, new = b"".join(parts), OLD.encode(), prefix.encode()
    found = b"".join(replaced(cut(data, cuts), BINARY, prefix))

    def whole(match):
        return match[0].replace(old, new).ljust(len(match[0]), b"\0")

    assert found == re.sub(re.escape(old) + rb"[^\0]*", whole, data)
    assert len(found) == len(data)


@pytest.mark.parametrize("at", range(2 * len(OLD) + 5))
@pytest.mark.parametrize("placeholder", [TEXT, BINARY])
def test_a_placeholder_that_is_cut_anywhere_is_found(placeholder, at):
    data = b"x:" + OLD.encode() * 2 + b":y\0"
    found = b"".join(replaced([data[:at], data[at:]], placeholder, "/n"))
    assert found.replace(b"\0", b"") == b"x:/n/n:y"


def test_a_binary_without_room_is_refused():
    with pytest.raises(ValueError, match="room for a prefix of 8 bytes, and this one has 9"):
        list(replaced([b"a\0/abab/ab/lib\0"], BINARY, "/abab/abc"))
    assert b"".join(replaced([b"a\0/none/of/it\0"], BINARY, "/abab/abc")) == b"a\0/none/of/it\0"


def test_a_string_without_an_end_is_refused_before_it_fills_the_memory():
    with pytest.raises(ValueError, match="more than 1048576 bytes"):
        list(replaced([OLD.encode(), *[b"x" * 100_000] * 12], BINARY, "/n"))


@pytest.mark.parametrize(
    ("rest", "wanted"),
    [
        (b"/bin/python\nbody", b"#!/usr/bin/env python\nbody"),
        (b"/bin/perl -w -T\nbody", b"#!/usr/bin/env -S perl -w -T\nbody"),
        (b"/bin/python", b"#!/usr/bin/env python"),
    ],
)
def test_a_first_line_that_the_kernel_would_cut_finds_its_interpreter_by_name(rest, wanted):
    long = "/" + "p" * LONGEST_SHEBANG
    assert b"".join(replaced([b"#!" + OLD.encode() + rest], TEXT, long)) == wanted


def test_a_first_line_that_fits_stays():
    prefix = "/" + "p" * (LONGEST_SHEBANG - len("#!/bin/python") - 1)
    (line,) = b"".join(replaced([b"#!/ab", b"ab/ab/bin/python\n"], TEXT, prefix)).splitlines()
    assert line == f"#!{prefix}/bin/python".encode()
    assert len(line) == LONGEST_SHEBANG
