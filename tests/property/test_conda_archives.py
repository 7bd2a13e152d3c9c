"""Whatever is put into a conda package comes out, and whatever else its bytes are, reading ends in members or in one error."""

import bz2
import io
import os
import tarfile
import unicodedata
from contextlib import suppress

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from sekisho.conda_archive import read_info, read_members
from sekisho.conda_archive.names import check_target
from sekisho.errors import ConfusingError
from tests.conda_archives import BZ2, CONDA, STEM, conda, described, hard, link, member, package, tar

PARTS = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S"], exclude_characters="/\\:"), min_size=1, max_size=40
).filter(lambda part: part.isprintable() and unicodedata.normalize("NFC", part) == part)
PATHS = st.lists(PARTS.filter(lambda part: part not in {".", ".."}), min_size=1, max_size=5).map("/".join)
TREES = st.dictionaries(PATHS, st.one_of(st.binary(max_size=2000), st.integers(0, 30_000).map(bytes)), max_size=6)
FORMS = st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
ENDINGS = st.sampled_from([".conda", ".tar.bz2"])


def read(data, filename):
    return [(one.path, one.kind, one.target, b"".join(one.chunks)) for one in read_members(io.BytesIO(data), filename)]


@given(TREES, FORMS, ENDINGS)
def test_every_tree_of_files_comes_back(tree, form, ending):
    assume(not any(other.startswith(f"{path}/") for path in tree for other in tree))
    assume(not any(path.partition("/")[0] == "info" for path in tree))
    data = package([member(path, content) for path, content in tree.items()], ending=ending, form=form)
    found = read(data, STEM + ending)
    assert {path: content for path, _, _, content in found if not path.startswith("info/")} == tree


MEMBERS = st.lists(
    st.one_of(
        st.builds(
            member,
            st.sampled_from(["a", "a/b", "../a", "/a", "a/../b", "./a", "a//b", "info/x", "c"]),
            st.binary(max_size=9),
        ),
        st.builds(
            link,
            st.sampled_from(["a", "b", "a/c", "d/e/f"]),
            st.sampled_from(["b", "../b", "../../b", "/", ".", "x/../.."]),
        ),
        st.builds(hard, st.sampled_from(["h", "a/h"]), st.sampled_from(["a", "b", "h", "../a", "./a"])),
    ),
    max_size=6,
)


@given(MEMBERS, ENDINGS)
def test_whatever_comes_out_lies_within_the_prefix(tmp_path_factory, members, ending):
    """What the reader lets through is written out for real, links followed: nothing appears outside."""
    data = conda(tar(members), tar(described([]))) if ending == ".conda" else bz2.compress(tar(members))
    try:
        found = read(data, STEM + ending)
    except ConfusingError:
        return
    root = tmp_path_factory.mktemp("root").resolve()
    prefix = root / "deep" / "prefix"
    prefix.mkdir(parents=True)
    for path, kind, target, content in found:
        place = prefix / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if kind == "file":
            place.write_bytes(content)
        elif kind == "softlink":
            place.symlink_to(target)
        else:
            place.hardlink_to(prefix / target)
    for path, *_ in found:
        try:
            real = (prefix / path).resolve()
        except (OSError, RuntimeError):  # a link to itself
            continue
        assert real.is_relative_to(prefix)


@given(st.lists(st.sampled_from(["..", ".", "", "a", "b"]), max_size=6).map("/".join), st.integers(0, 3))
def test_a_link_that_is_let_through_stays_inside_by_its_words_too(target, depth):
    path = "/".join([*"abc"[:depth], "link"])
    try:
        check_target(path, target)
    except ConfusingError:
        return
    at = depth
    for part in target.split("/"):
        at += -1 if part == ".." else part not in {"", "."}
        assert at >= 0


GOOD = {
    CONDA: package([member("a/b", b"some bytes " * 50), link("a/c", "b")]),
    BZ2: package([member("a", b"x" * 999)], ending=".tar.bz2"),
}


@pytest.mark.parametrize("filename", [CONDA, BZ2])
@given(st.data())
def test_bytes_that_were_changed_end_in_an_error_or_in_members(filename, data):
    whole = bytearray(GOOD[filename])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(whole))))
    for reader in (read, lambda content, name: read_info(io.BytesIO(content), name)):
        with suppress(ConfusingError):
            reader(bytes(whole[:cut]), filename)


TARS = [
    tar([member("a/b", b"some bytes" * 60), link("a/c", "b"), member("caf\u00e9" * 30, b"x"), hard("a/h", "a/b")], form)
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)
]
CHANGES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 511), st.integers(0, 255)), min_size=1, max_size=3)


def changed(whole, changes):
    """A tar with other bytes in some of its blocks, and the checksums that these blocks then have."""
    data = bytearray(whole)
    for block, at, value in changes:
        start = block * 512
        data[start + at] = value
        head = data[start : start + 512]
        if head[257:262] == b"ustar":
            data[start + 148 : start + 156] = f"{sum(head) - sum(head[148:156]) + 256:06o}\0 ".encode()
    return bytes(data)


def as_python_reads(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [(one.name.removeprefix("./").rstrip("/"), one.size) for one in archive if one.name.strip("./")]


@settings(max_examples=2000 if os.environ.get("SEKISHO_SOAK") == "1" else 200)
@given(st.sampled_from(TARS), CHANGES)
@example(TARS[0], [(0, 110, ord("z"))])  # a number that says nothing here, and ends the archive for Python
@example(TARS[0], [(8, 156, ord("x"))])  # an empty extension of nothing
def test_a_tar_that_was_changed_ends_in_an_error_or_in_what_python_reads_too(whole, changes):
    data = changed(whole, changes)
    try:
        found = read(bz2.compress(data, 1), BZ2)
    except ConfusingError:
        return
    assert [(path, len(content)) for path, _, _, content in found] == as_python_reads(data)


@given(st.binary(max_size=3000), st.sampled_from([CONDA, BZ2]))
def test_bytes_of_no_package_end_in_an_error(data, filename):
    with pytest.raises(ConfusingError):
        read(data, filename)
