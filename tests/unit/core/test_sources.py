"""Who owns a name, who is asked for it, and what that does to approvals."""

from datetime import timedelta

import pytest

from sekisho.errors import BadInputError, CorruptError
from sekisho.policy import Door, Snapshot, open_snapshot
from sekisho.policy.frozen import succeed
from sekisho.policy.sealing import seal_snapshot
from sekisho.sources import NOT_THE_OWNER, Ownership, Source, parse_sources
from tests.records import NOW, SIGNER, TRUST, artifact, signed, snapshot

PUBLIC = Source(id="pypi", preset="pypi")
INSIDE = Source(id="inside", url="https://devpi.invalid/acme/prod/+simple/", owns=("acme-*", "corp_tools"))
BOTH = (INSIDE, PUBLIC)


def _asked(name, sources=BOTH):
    return [source.id for source in Ownership(sources).asked("pypi", name)]


@pytest.mark.parametrize(
    "name", ["acme-web", "Acme_Web", "acme--x", "ACME.x", "corp-tools", "Corp.Tools", "corp__tools"]
)
def test_an_owned_name_is_asked_inside_only(name):
    assert _asked(name) == ["inside"]
    assert _asked(name, BOTH[::-1]) == ["inside"]


@pytest.mark.parametrize("name", ["acme", "acmeweb", "corp", "corp-tools-x", "my-acme-web", "numpy"])
def test_any_other_name_is_not_asked_inside(name):
    assert _asked(name) == ["pypi"]


def test_a_source_that_serves_any_name_stands_in_its_place():
    inside = INSIDE.model_copy(update={"serves": "any"})
    assert _asked("numpy", (inside, PUBLIC)) == ["inside", "pypi"]
    assert _asked("numpy", (PUBLIC, inside)) == ["pypi", "inside"]
    assert _asked("acme-x", (PUBLIC, inside)) == ["inside"]


def test_the_whole_name_wins_over_a_beginning_and_a_longer_beginning_over_a_shorter_one():
    other = Source(id="other", url="https://other.invalid/", owns=("acme-web", "acme-web-*", "a*"))
    assert _asked("acme-web", (INSIDE, other)) == ["other"]
    assert _asked("acme-web-x", (INSIDE, other)) == ["other"]
    assert _asked("acme-we", (INSIDE, other)) == ["inside"]
    assert _asked("acme", (INSIDE, other)) == ["other"]


def test_ownership_of_one_kind_says_nothing_of_another():
    channel = Source(id="channel", kind="conda", url="https://conda.invalid/", owns=("acme-*",))
    assert [source.id for source in Ownership((channel, PUBLIC)).asked("pypi", "acme-web")] == ["pypi"]
    Ownership((channel, INSIDE))


def test_the_names_as_written_become_their_one_spelling():
    text = "sources: [{id: a, url: 'https://x.invalid/', owns: [Acme__*, Corp_Tools], private: true}, {id: pypi, preset: pypi}]"
    first, second = parse_sources(text).sources
    assert (first.owns, first.serves_any, first.private) == (("acme-*", "corp-tools"), False, True)
    assert (second.owns, second.serves_any, second.private) == ((), True, False)


def test_a_source_without_the_new_words_reads_and_writes_as_before():
    plain = {"id": "x", "url": "https://x.invalid/", "file_hosts": ["f.invalid"]}
    assert Source.parse(plain, where="x").plain() == plain


def test_a_snapshot_in_which_a_name_has_two_owners_is_refused():
    other = INSIDE.model_copy(update={"id": "other"})
    sealed = seal_snapshot(Snapshot.model_construct(**{**dict(snapshot()), "sources": (INSIDE, other)}), SIGNER)
    with pytest.raises(BadInputError, match="both own 'acme-\\*'"):
        open_snapshot(sealed, TRUST)


def test_an_approval_from_outside_ends_when_a_source_comes_to_own_the_name():
    file = artifact("acme-web", "1.0")
    before, after = snapshot(signed(file)), snapshot(signed(file), sources=BOTH)
    assert Door(before, "everyone").admits(file.sha256, NOW)
    door = Door(after, "everyone")
    assert door.admits(file.sha256, NOW) is None
    assert door.artifacts("pypi", "acme-web", NOW) == ()
    assert door.projects("pypi", NOW) == ()
    assert door.why_not("pypi", "acme-web", NOW) == (
        NOT_THE_OWNER, "acme-web is owned by source inside, and this file was approved from pypi",
    )  # fmt: skip


def test_an_approval_from_inside_ends_with_the_ownership():
    file = artifact("acme-web", "1.0", source="inside")
    assert Door(snapshot(signed(file), sources=BOTH), "everyone").admits(file.sha256, NOW)
    lost = (INSIDE.model_copy(update={"owns": ("corp-tools",)}), PUBLIC)
    assert Door(snapshot(signed(file), sources=lost), "everyone").admits(file.sha256, NOW) is None


def test_what_was_approved_of_a_source_that_is_gone_stays_unless_somebody_owns_the_name():
    old, owned = artifact("old", "1.0", source="gone"), artifact("acme-web", "1.0", source="gone")
    door = Door(snapshot(signed(old), signed(owned), sources=BOTH), "everyone")
    assert door.hashes(NOW) == {old.sha256}


def test_the_same_bytes_approved_from_the_owner_are_served():
    outside, inside = artifact("acme-web", "1.0"), artifact("acme-web", "1.0", source="inside")
    door = Door(snapshot(signed(outside), signed(inside), sources=BOTH), "everyone")
    assert door.admits(outside.sha256, NOW).source == "inside"


def test_an_approval_that_another_owner_interrupted_is_not_frozen_over_the_gap():
    file = artifact("acme-web", "1.0")
    one = succeed(None, snapshot(signed(file)))
    two = succeed(one, snapshot(signed(file), sources=BOTH, made=NOW + timedelta(hours=1)))
    three = succeed(two, snapshot(signed(file), made=NOW + timedelta(hours=2)))
    assert [made.admitted_since() for made in (one, two, three)] == [((1,),), ((0,),), ((3,),)]
    assert Door(three, "everyone", 1).admits(file.sha256, NOW) is None


def test_a_signed_snapshot_carries_owners_to_whoever_serves_by_it():
    opened = open_snapshot(seal_snapshot(snapshot(sources=BOTH), SIGNER), TRUST)
    assert opened.sources == BOTH
    sealed = seal_snapshot(snapshot(sources=BOTH), SIGNER)
    changed = sealed.model_copy(update={"head": sealed.head.model_copy(update={"payload": "e30="})})
    with pytest.raises(CorruptError):
        open_snapshot(changed, TRUST)
