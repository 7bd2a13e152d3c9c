import gc

import pytest

from sekisho.allowlist import Allowlist, RefusedEntry
from sekisho.errors import BadInputError, CorruptError
from sekisho.policy import compile_snapshot, open_snapshot
from sekisho.policy.snapshot import collector_at_rest, seal_snapshot
from sekisho.signing import SNAPSHOT_TYPE, Signer, Trust
from sekisho.sources import Source
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
        open_snapshot(SIGNER.envelope(SNAPSHOT_TYPE, b"{}"), TRUST)


def test_an_approval_that_was_verified_before_counts_only_if_it_is_the_very_same():
    mine, forged = signed(artifact("a")), signed(artifact("b"))
    before = open_snapshot(seal_snapshot(snapshot(mine), SIGNER), TRUST)
    again = open_snapshot(seal_snapshot(snapshot(mine), SIGNER), TRUST, verified=before.approvals)
    assert again.approvals == (mine,)
    borrowed = forged.model_copy(update={"signature": mine.signature})
    with pytest.raises(CorruptError, match="does not match"):
        open_snapshot(seal_snapshot(snapshot(mine, borrowed), SIGNER), TRUST, verified=before.approvals)


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
