"""What verifiers make of statements on keys, and what a thief of one cannot make them do."""

import pytest

from sekisho.errors import BadInputError, CorruptError
from sekisho.model import canonical_json
from sekisho.policy import open_snapshot
from sekisho.policy.sealing import seal_snapshot
from sekisho.signing import Signer, Trust
from sekisho.succession import EndedKey, NewKey, follow, parse_trust, sign_key_statement, statements_of
from tests.records import NOW, SIGNER, TRUST, sha, signed, snapshot

PURPOSES = "approval", "snapshot"
NEXT, THIEF = Signer.generate(), Signer.generate()


def brings(key, by, *purposes, name="portal"):
    return sign_key_statement(NewKey(key=key.trusted(name, *(purposes or PURPOSES)), at=NOW), by)


def ends(key, by, *stands, rows=5):
    said = EndedKey(keyid=key.keyid, at=NOW, reason="lost", rows=rows, stands=tuple(sorted(stands)))
    return sign_key_statement(said, by)


ADDED = brings(NEXT, SIGNER)
OLD = signed(id="a1")
FORGED = signed(id="a2")
ENDED = ends(SIGNER, NEXT, OLD.approval.digest(), ADDED.statement.digest())


def test_a_key_that_is_trusted_brings_in_its_successor():
    trust = follow(TRUST, [ADDED])
    assert set(trust.keys) == {SIGNER.keyid, NEXT.keyid}
    assert signed(signer=NEXT).verify(trust) == "portal"
    assert OLD.verify(trust) == "portal"


def test_what_is_on_record_stands_and_a_back_dated_record_admits_nothing():
    trust = follow(TRUST, [ADDED, ENDED])
    assert OLD.verify(trust) == "portal"
    with pytest.raises(CorruptError, match="was revoked, and this was not on record"):
        FORGED.verify(trust)


def test_the_same_words_again_or_in_another_order_change_nothing():
    trust = follow(TRUST, [ADDED, ENDED])
    assert follow(trust, [ADDED, ENDED]).stamp == trust.stamp
    assert follow(TRUST, [ENDED, ADDED]).revoked == {}  # who does not know the successor heeds it not
    assert follow(follow(TRUST, [ENDED, ADDED]), [ENDED]).stamp == trust.stamp


def test_what_is_written_is_what_is_read():
    trust = follow(TRUST, [ADDED, ENDED])
    again = parse_trust(trust.dump(), where="trust.json")
    assert (again.stamp, again.revoked, set(again.keys)) == (trust.stamp, trust.revoked, set(trust.keys))
    assert statements_of(again) == (ADDED, ENDED)


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(brings(THIEF, THIEF), id="a stranger brings in itself"),
        pytest.param(brings(THIEF, SIGNER, "approval", "bundle"), id="a key gives what it has not"),
        pytest.param(brings(THIEF, SIGNER, "keys"), id="a key makes a root"),
        pytest.param(sign_key_statement(NewKey(key=SIGNER.trusted("portal", *PURPOSES), at=NOW), SIGNER), id="itself"),
        pytest.param(ends(SIGNER, SIGNER), id="a key ends itself"),
        pytest.param(ends(SIGNER, THIEF), id="a stranger ends a key"),
        pytest.param(ends(THIEF, SIGNER), id="a key ends one that nobody knows"),
        pytest.param(ADDED.model_copy(update={"signature": brings(THIEF, SIGNER).signature}), id="another signature"),
    ],
)
def test_words_that_do_not_count_change_nothing(statement):
    assert follow(TRUST, [statement]).stamp == TRUST.stamp


def test_a_key_with_fewer_purposes_ends_and_brings_in_none_with_more():
    anna = Signer.generate()
    trust = Trust(*TRUST.keys.values(), anna.trusted("anna", "approval"))
    for words in (brings(THIEF, anna), ends(SIGNER, anna)):
        assert follow(trust, [words]).stamp == trust.stamp
    assert anna.keyid in follow(trust, [ends(anna, SIGNER)]).revoked


def test_a_thief_brings_in_no_key_after_the_end_and_loses_those_of_before():
    theirs, child = brings(THIEF, SIGNER), brings(Signer.generate(), THIEF)
    trust = follow(TRUST, [ADDED, theirs, child])
    assert len(trust.keys) == 4
    after = follow(trust, [ENDED])
    assert set(after.keys) == {SIGNER.keyid, NEXT.keyid}
    assert follow(after, [theirs, child]).stamp == after.stamp
    assert after.stamp == follow(TRUST, [ADDED, ENDED]).stamp


def test_where_a_root_was_handed_over_only_its_words_count():
    root = Signer.generate()
    trust = Trust(*TRUST.keys.values(), root.trusted("root", "keys"))
    for words in (ADDED, ends(root, SIGNER)):
        assert follow(trust, [words]).stamp == trust.stamp
    after = follow(trust, [brings(NEXT, root), ends(SIGNER, root)])
    assert set(after.revoked) == {SIGNER.keyid}
    assert NEXT.keyid in after.keys


def test_a_snapshot_leads_who_trusts_the_old_key_to_the_new_one():
    made = snapshot(OLD)
    with pytest.raises(CorruptError, match="unknown key"):
        open_snapshot(seal_snapshot(made, NEXT), TRUST)
    assert open_snapshot(seal_snapshot(made, NEXT, [ADDED, ENDED]), TRUST) == made
    with pytest.raises(CorruptError, match="was revoked"):
        open_snapshot(seal_snapshot(snapshot(OLD, FORGED), NEXT, [ADDED, ENDED]), TRUST)
    with pytest.raises(CorruptError, match="was revoked"):
        open_snapshot(seal_snapshot(made, SIGNER, [ADDED, ENDED]), TRUST)


def test_a_checkpoint_by_a_revoked_key_counts_within_the_rows_of_then():
    trust = Trust(SIGNER.trusted("portal", *PURPOSES, "checkpoint"))
    added = brings(NEXT, SIGNER, *PURPOSES, "checkpoint")
    assert follow(trust, [added, ends(SIGNER, NEXT)]).revoked == {}  # it would end itself
    trust = follow(trust, [added, ends(SIGNER, NEXT, added.statement.digest(), rows=5)])
    signature = SIGNER.raw(b"text")
    assert trust.signed("checkpoint", b"text", signature, rows=5)
    assert not trust.signed("checkpoint", b"text", signature, rows=6)


@pytest.mark.parametrize("text", [b"{}", b"rubbish", b'[{"statement": {}}]', b'[{"name": 1}]'])
def test_a_trust_file_that_cannot_be_read_says_which(text):
    with pytest.raises(BadInputError) as caught:
        parse_trust(text, where="trust.json")
    assert "trust.json" in caught.value.where


def test_a_signature_has_one_spelling():
    spelled = OLD.signature.sig
    other = spelled[:-3] + chr(ord(spelled[-3]) + 1) + spelled[-2:]  # the unused bits of the last byte
    changed = OLD.model_copy(update={"signature": OLD.signature.model_copy(update={"sig": other})})
    with pytest.raises(CorruptError, match="not valid base64"):
        changed.verify(TRUST)


def test_a_statement_has_one_canonical_form():
    assert sha(canonical_json(ENDED.statement.plain()).decode()) == ENDED.statement.digest()


@pytest.mark.parametrize("by", [THIEF, SIGNER])
def test_what_is_no_key_changes_nothing_and_refuses_nothing(by):
    key = SIGNER.trusted("portal", *PURPOSES).model_copy(update={"public": "!"})
    junk = sign_key_statement(NewKey(key=key, at=NOW), by)
    assert follow(TRUST, [junk]).stamp == TRUST.stamp
    assert open_snapshot(seal_snapshot(snapshot(), SIGNER, [junk]), TRUST) == snapshot()
