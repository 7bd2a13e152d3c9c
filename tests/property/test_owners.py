"""Every name has at most one owner, however it is spelled, and nobody else is ever asked for it."""

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from sekisho.allowlist import dump_yaml
from sekisho.errors import BadInputError
from sekisho.model import normalize_project
from sekisho.policy import Door
from sekisho.sources import NOT_THE_OWNER, Ownership, Source, normalize_pattern, parse_sources
from tests.records import NOW, artifact, signed, snapshot

LETTERS = string.ascii_letters + string.digits
WORDS = st.text(LETTERS, min_size=1, max_size=3)
RUNS = st.text("-_.", min_size=1, max_size=3)
NAMES = st.lists(st.sampled_from(["acme", "a", "corp", "tools", "x1"]), min_size=1, max_size=3).map("-".join)
PATTERNS = st.tuples(NAMES, st.sampled_from(["", "*", "-*"])).map("".join) | st.just("*")


@st.composite
def spellings(draw, name):
    """Return ``name`` as a client may write it: other cases, other runs of separators."""
    words = name.split("-")
    text = words[0] + "".join(draw(RUNS) + word for word in words[1:])
    return "".join(draw(st.sampled_from([letter.upper(), letter.lower()])) for letter in text)


@st.composite
def owners(draw):
    """Return sources that share out some patterns, each pattern once."""
    patterns = draw(st.lists(PATTERNS, max_size=6, unique_by=lambda text: normalize_pattern("pypi", text)))
    shared = draw(st.lists(st.sampled_from("ab"), min_size=len(patterns), max_size=len(patterns)))
    inside = [
        Source(
            id=name,
            url=f"https://{name}.invalid/",
            owns=tuple(pattern for pattern, of in zip(patterns, shared, strict=True) if of == name),
            serves=draw(st.sampled_from([None, "any"])),
        )
        for name in "ab"
    ]
    return (*inside, Source(id="public", url="https://public.invalid/"))


def _expected(sources, name):
    """What the words say, written a second time: the whole name wins, then the longest beginning."""
    found = [
        (not pattern.endswith("*"), len(pattern), source.id)
        for source in sources
        for pattern in source.owns
        if (name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern)
    ]
    return max(found)[2] if found else None


@given(owners(), NAMES)
def test_the_most_specific_pattern_owns_a_name(sources, name):
    owner = Ownership(sources).owner("pypi", name)
    assert (owner.id if owner else None) == _expected(sources, name)


@given(owners(), NAMES.flatmap(lambda name: st.tuples(st.just(name), spellings(name))))
def test_the_spelling_of_a_name_changes_nothing(sources, pair):
    ownership = Ownership(sources)
    assert ownership.owner("pypi", pair[0]) == ownership.owner("pypi", pair[1])
    assert ownership.asked("pypi", pair[0]) == ownership.asked("pypi", pair[1])


@given(PATTERNS.filter(lambda text: text != "*").flatmap(lambda text: st.tuples(st.just(text), spellings(text))))
def test_the_spelling_of_a_pattern_changes_nothing(pair):
    assert normalize_pattern("pypi", pair[0]) == normalize_pattern("pypi", pair[1])
    assert normalize_pattern("pypi", normalize_pattern("pypi", pair[1])) == normalize_pattern("pypi", pair[0])


@given(owners(), NAMES)
def test_an_owned_name_is_asked_at_its_owner_alone_and_any_other_in_order(sources, name):
    ownership = Ownership(sources)
    owner = ownership.owner("pypi", name)
    others = tuple(source for source in sources if source.serves_any)
    assert ownership.asked("pypi", name) == ((owner,) if owner else others)
    assert ownership.asked("conda", name) == ()


@given(owners(), NAMES, st.sampled_from(["a", "b", "public", "gone"]))
def test_the_door_serves_no_file_of_a_name_that_another_source_owns(sources, name, source):
    file = artifact(name, source=source)
    door = Door(snapshot(signed(file), sources=sources), "everyone")
    asked = {row.id for row in Ownership(sources).asked("pypi", name)}
    owned = Ownership(sources).owner("pypi", name) is not None
    admitted = source in asked or (source == "gone" and not owned)
    assert (door.admits(file.sha256, NOW) is not None) is admitted
    if not admitted:
        rule, sentence = door.why_not("pypi", name, NOW)
        assert rule == NOT_THE_OWNER
        assert name in sentence
        assert source in sentence


@given(st.text(max_size=12))
def test_what_is_no_name_has_no_owner_and_what_is_one_is_compared_in_its_one_spelling(text):
    """A letter that only looks like one of ours (ａ, K, ſ, а) is never taken for it."""
    ownership = Ownership((Source(id="all", url="https://all.invalid/", owns=("*",)),))
    try:
        project = normalize_project("pypi", text)
    except BadInputError:
        with pytest.raises(BadInputError):
            ownership.owner("pypi", text)
        return
    assert text.isascii()
    assert project == canonicalize_name(text)
    assert ownership.owner("pypi", text).id == "all"


@given(st.text(max_size=8))
def test_a_pattern_is_a_name_or_the_beginning_of_one(text):
    try:
        pattern = normalize_pattern("pypi", text)
    except BadInputError:
        return
    assert pattern.isascii()
    assert pattern.count("*") == text.count("*") <= 1
    assert normalize_project("pypi", pattern.removesuffix("*") + "x") == pattern.removesuffix("*") + "x"


@given(
    PATTERNS.flatmap(lambda text: st.tuples(st.just(text), spellings(text.rstrip("*")), st.just("*" * text.count("*"))))
)
def test_two_owners_of_one_pattern_are_refused_in_every_spelling(parts):
    text, other = parts[0], parts[1] + parts[2]
    assume(text != "*")
    rows = [{"id": "a", "url": "https://a.invalid/", "owns": [text]}, {"id": "b", "url": "https://b.invalid/"}]
    parse_sources(dump_yaml({"sources": rows}))
    rows[1]["owns"] = [other]
    with pytest.raises(BadInputError, match="sources 'a' and 'b' both own"):
        parse_sources(dump_yaml({"sources": rows}))
