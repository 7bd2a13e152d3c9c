import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.policy.distance import Names, is_slip

KNOWN = Names(
    ["requests", "python-dateutil", "scikit-learn", "jellyfish", "boto3", "urllib3", "pandas", "torch", "six"]
)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("reqeusts", "requests"),
        ("request", "requests"),
        ("requestss", "requests"),
        ("rrequests", "requests"),
        ("requestz", "requests"),
        ("python3-dateutil", "python-dateutil"),
        ("pythondateutil", "python-dateutil"),
        ("scikitlearn", "scikit-learn"),
        ("jeilyfish", "jellyfish"),
        ("je11yfish", "jellyfish"),
        ("t0rch", "torch"),
        ("requests", None),
        ("boto", None),
        ("urllib2", None),
        ("boto2", None),
        ("sax", None),
        ("sixx", None),
        ("httpx", None),
        ("pytest-requests", None),
    ],
)
def test_one_slip_is_noticed_and_another_word_is_not(name, meant):
    assert KNOWN.imitated_by(name) == meant


def test_without_names_nothing_is_imitated():
    assert Names().imitated_by("requests") is None


def test_the_answer_does_not_depend_on_the_order_or_on_having_asked_before():
    names = ["abcdef", "abcdeg"]
    assert Names(names).imitated_by("abcdeh") == Names(names[::-1]).imitated_by("abcdeh") == "abcdef"
    assert KNOWN.imitated_by("reqeusts") == KNOWN.imitated_by("reqeusts")


WORDS = st.text("abc", min_size=5, max_size=8)


def _slips(word):
    """Every word that one slip makes of this one, spelled out."""
    cuts = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    yield from (left + right[1:] for left, right in cuts if right)
    yield from (left + right[1] + right[0] + right[2:] for left, right in cuts if len(right) > 1)
    yield from (left + letter + right[1:] for left, right in cuts if right for letter in "abc")
    yield from (left + letter + right for left, right in cuts for letter in "abc")


@given(WORDS, WORDS)
def test_a_slip_is_one_letter_left_out_added_exchanged_or_swapped(one, other):
    assert is_slip(one, other) is (one != other and other in set(_slips(one)))
    assert is_slip(one, other) is is_slip(other, one)


@given(st.sets(WORDS, max_size=5), WORDS)
def test_what_is_found_fast_is_what_looking_at_every_name_finds(names, word):
    near = {name for name in names if is_slip(word, name)}
    found = Names(names).imitated_by(word)
    assert found == (None if word in names or not near else min(near))
