import gc

import pytest

from sekisho.allowlist import Allowlist, RefusedEntry
from sekisho.errors import BadInputError, CorruptError
from sekisho.policy import SealedSnapshot, compile_snapshot, open_snapshot, sealing
from sekisho.policy.sealing import Opener, Sealer, collector_at_rest, seal_snapshot
from sekisho.signing import SNAPSHOT_TYPE, Signer, Trust
from sekisho.sources import Source
from sekisho.succession import seal
from tests.records import NOW, SIGNER, TRUST, artifact, policy, sha, signed, snapshot


def test_a_sealed_snapshot_opens_to_what_was_sealed():
    made = snapshot(signed(artifact()), rules=[{"id": "l", "check": "license", "allow": ["MIT", "ISC"]}])
    assert open_snapshot(seal_snapshot(made, SIGNER), TRUST) == made


def test_a_snapshot_holds_what_the_commit_says_and_what_it_tried_to_say():
    allowlist = Allowlist(
        approvals=(signed(artifact()),), refused=(RefusedEntry(where="pypi/six.yaml, approval 1", why="no signature"),)
    )
    source = Source(id="inside", url="http://packages.invalid/simple/")
    made = compile_snapshot(allowlist, policy(), (source,), revision="abc", sequence=7, now=NOW)
    assert (made.approvals, made.refused, made.sources) == (allowlist.approvals, allowlist.refused, (source,))
    assert (made.revision, made.sequence, made.made) == ("abc", 7, NOW)


def test_a_snapshot_of_an_unknown_key_is_refused():
    with pytest.raises(CorruptError, match="unknown key"):
        open_snapshot(seal_snapshot(snapshot(), Signer.generate()), TRUST)


def test_a_key_that_approves_does_not_thereby_make_policy():
    approver = Signer.generate()
    trust = Trust(*TRUST.keys.values(), approver.trusted("anna", "approval"))
    with pytest.raises(CorruptError, match="not trusted to sign a snapshot"):
        open_snapshot(seal_snapshot(snapshot(), approver), trust)


def test_a_forged_approval_inside_a_well_signed_snapshot_is_refused():
    good = signed(artifact())
    forged = good.model_copy(
        update={"approval": good.approval.model_copy(update={"artifacts": (artifact(sha256=sha("evil")),)})}
    )
    with pytest.raises(CorruptError, match="does not match"):
        open_snapshot(seal_snapshot(snapshot(good, forged), SIGNER), TRUST)


def test_an_approval_of_an_untrusted_key_inside_a_snapshot_is_refused():
    foreign = signed(artifact(), signer=Signer.generate())
    with pytest.raises(CorruptError, match="unknown key"):
        open_snapshot(seal_snapshot(snapshot(foreign), SIGNER), TRUST)


def test_a_signed_payload_that_is_no_snapshot_is_bad_input():
    with pytest.raises(BadInputError, match="revision"):
        open_snapshot(SealedSnapshot(head=seal(SIGNER.envelope(SNAPSHOT_TYPE, b"{}"), ())), TRUST)


MANY = tuple(signed(artifact(f"package-{number}")) for number in range(100))


def test_a_change_needs_the_parts_that_hold_what_changed_and_gives_the_whole_snapshot():
    sealer, opener = Sealer(), Opener()
    first = sealer.seal(snapshot(*MANY), SIGNER)
    opener.open(first, TRUST)
    for left in (MANY[:50] + MANY[51:], MANY[1:], MANY[:-1], MANY, ()):
        whole = sealer.seal(snapshot(*left), SIGNER)
        assert whole == seal_snapshot(snapshot(*left), SIGNER)
        changes = whole.without(first.by_hash)
        assert len(changes.parts) <= 2 < len(first.parts)
        opened = opener.open(changes, TRUST)
        assert (opened.snapshot, opened.sealed) == (snapshot(*left), whole)
        first = whole


def test_a_part_that_nobody_has_is_asked_for():
    sealed = seal_snapshot(snapshot(*MANY), SIGNER)
    with pytest.raises(CorruptError, match="is missing") as caught:
        open_snapshot(sealed.model_copy(update={"parts": sealed.parts[1:]}), TRUST)
    assert caught.value.todo == "ask for the whole snapshot"


def test_a_part_of_another_snapshot_is_not_taken_up():
    evil = signed(artifact("evil"))
    [other], sealed = seal_snapshot(snapshot(evil), SIGNER).parts, seal_snapshot(snapshot(*MANY), SIGNER)
    opened = Opener().open(sealed.model_copy(update={"parts": (other, *sealed.parts)}), TRUST)
    assert evil not in opened.snapshot.approvals
    assert other not in opened.sealed.parts


def test_what_was_verified_counts_only_with_the_same_trusted_keys():
    opener, sealed, approver = Opener(), seal_snapshot(snapshot(*MANY), SIGNER), Signer.generate()
    opener.open(sealed, TRUST)
    wider = Trust(*TRUST.keys.values(), approver.trusted("anna", "approval"))
    with pytest.raises(CorruptError, match="is missing"):
        opener.open(sealed.without(sealed.by_hash), wider)
    with pytest.raises(CorruptError, match="not trusted to sign"):
        opener.open(sealed, Trust(SIGNER.trusted("portal", "snapshot")))


def test_an_approval_of_which_only_the_numbers_changed_is_kept_and_one_that_was_changed_is_refused():
    opener, one = Opener(), MANY[0]
    since = (tuple((1,) for _ in MANY), tuple((0,) for _ in MANY))
    first, second = (opener.open(seal_snapshot(snapshot(*MANY, since=row), SIGNER), TRUST).snapshot for row in since)
    assert second.since == since[1]
    assert all(new is old for new, old in zip(second.approvals, first.approvals, strict=True))
    forged = one.model_copy(update={"approval": one.approval.model_copy(update={"scope": ("everywhere",)})})
    with pytest.raises(CorruptError):
        opener.open(seal_snapshot(snapshot(forged, *MANY[1:]), SIGNER), TRUST)


def test_a_snapshot_that_is_written_in_pieces_is_the_same_bytes(monkeypatch):
    monkeypatch.setattr(sealing, "_PIECE", 4000)
    for approvals in ((), MANY[:1], MANY):
        opened = Opener().open(seal_snapshot(snapshot(*approvals), SIGNER), TRUST)
        pieces = list(opened.written())
        assert b"".join(pieces) == opened.sealed.canonical()
        assert (len(pieces) > 2) is (approvals == MANY)


def test_a_changed_byte_of_a_part_is_a_missing_part():
    sealed = seal_snapshot(snapshot(signed(artifact())), SIGNER)
    [text] = sealed.parts
    with pytest.raises(CorruptError, match="is missing"):
        open_snapshot(sealed.model_copy(update={"parts": (text.replace("everyone", "everybody"),)}), TRUST)


def test_the_collector_of_cycles_goes_on_after_a_snapshot_was_opened_or_refused_and_stays_off_where_it_was():
    sealed = seal_snapshot(snapshot(signed(artifact())), SIGNER)
    open_snapshot(sealed, TRUST)
    assert gc.isenabled()
    with pytest.raises(CorruptError):
        open_snapshot(sealed, Trust())
    assert gc.isenabled()
    with collector_at_rest():
        open_snapshot(sealed, TRUST)
        assert not gc.isenabled()
    assert gc.isenabled()
