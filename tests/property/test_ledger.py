"""The root of a tree stands for each of its leaves, in their order."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from sekisho.merkle import checkpoint_body, leaf_hash, parse_checkpoint, root_hash, sign_checkpoint
from tests.records import SIGNER

LEAVES = st.lists(st.binary(max_size=4), min_size=1, max_size=40)


def _root(rows):
    return root_hash(leaf_hash(row) for row in rows)


def _recursive(leaves):
    """RFC 6962 section 2.1, word by word."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + _recursive(leaves[:split]) + _recursive(leaves[split:])).digest()


@given(LEAVES)
def test_the_root_is_the_one_of_the_recursive_definition(rows):
    assert _root(rows) == _recursive([leaf_hash(row) for row in rows])


@given(LEAVES, st.data())
def test_changing_any_leaf_changes_the_root(rows, data):
    place = data.draw(st.integers(0, len(rows) - 1))
    other = data.draw(st.binary(max_size=4).filter(lambda value: value != rows[place]))
    assert _root([*rows[:place], other, *rows[place + 1 :]]) != _root(rows)


@given(LEAVES, st.data())
def test_dropping_or_adding_a_leaf_changes_the_root(rows, data):
    place = data.draw(st.integers(0, len(rows) - 1))
    assert _root([*rows[:place], *rows[place + 1 :]]) != _root(rows)
    assert _root([*rows[:place], b"new", *rows[place:]]) != _root(rows)


@given(LEAVES, st.data())
def test_exchanging_two_different_leaves_changes_the_root(rows, data):
    one, other = (data.draw(st.integers(0, len(rows) - 1)) for _ in range(2))
    swapped = list(rows)
    swapped[one], swapped[other] = swapped[other], swapped[one]
    assert (_root(swapped) == _root(rows)) is (swapped == rows)


@given(
    st.text(st.characters(categories=("L", "N")), min_size=1),
    st.integers(0, 2**63),
    st.binary(min_size=32, max_size=32),
)
def test_a_checkpoint_reads_back(origin, size, root):
    text = sign_checkpoint(origin, size, root, SIGNER)
    assert parse_checkpoint(text) == (origin, size, root)
    assert text.startswith(checkpoint_body(origin, size, root))
