"""What a snapshot lets rules know."""

from datetime import timedelta

from sekisho.model import Outcome
from sekisho.policy import judge
from sekisho.policy.inform import ended, inform, learn
from sekisho.policy.knowledge import Knowledge
from sekisho.vex import sign_vex
from tests.advisories import CRITICAL, index, osv
from tests.records import NOW, SIGNER, artifact, by_hash, closure, facts, policy, signed, snapshot, statement

NUMPY, SIX, CONDA = artifact(), artifact("six", "1.17.0"), artifact("numpy", kind="conda", filename="numpy.conda")
YESTERDAY = NOW - timedelta(days=1)


def _known(*approvals, workspace="everyone", **more):
    made = snapshot(*approvals)
    return inform(made, learn(made), workspace, NOW, **more)


def test_what_is_approved_is_known_by_workspace_and_time():
    entries = (signed(NUMPY), signed(SIX, scope=("team-a",)), signed(artifact("idna", "3"), expires=YESTERDAY))
    assert _known(*entries).approved == {("pypi", "numpy"): frozenset({"2.1.0"})}
    assert _known(*entries, workspace="team-a").approved == {("pypi", "six"): frozenset({"1.17.0"})}


def test_names_that_were_ever_approved_are_protected_each_in_its_kind():
    known = _known(signed(NUMPY, expires=YESTERDAY), signed(CONDA))
    assert {kind: names.names for kind, names in known.names.items()} == {"pypi": {"numpy"}, "conda": {"numpy"}}


def test_what_only_the_room_knows_is_kept():
    more = Knowledge(first_seen={NUMPY.sha256: NOW})
    assert _known(more=more).first_seen == {NUMPY.sha256: NOW}


def test_statements_of_the_snapshot_excuse():
    rules = policy({"id": "weak", "check": "advisory", "severity": 7, "then": "deny", "unless": "vex"})
    made = snapshot(vex=(sign_vex(statement(advisory="GHSA-aaaa-bbbb-cccc"), SIGNER),))
    for workspace, outcome in (("everyone", Outcome.ALLOW), ("team-a", Outcome.DENY)):
        known = inform(made, learn(made), workspace, NOW, advisories=index(osv(vector=CRITICAL)))
        found = judge(closure(NUMPY), by_hash(facts(NUMPY)), rules, approved=frozenset(), now=NOW, known=known)
        assert found.outcome is outcome


def test_only_an_approval_by_a_person_that_has_ended_counts():
    earlier = YESTERDAY - timedelta(days=1)
    made = snapshot(
        signed(NUMPY, expires=earlier),
        signed(NUMPY, id="a2", expires=YESTERDAY),
        signed(SIX, approved_by="policy", expires=YESTERDAY),
        signed(artifact("idna", "3"), scope=("team-a",), expires=YESTERDAY),
        signed(artifact("abc", "3"), expires=NOW + timedelta(days=1)),
    )
    assert ended(made, "everyone", NOW, but="policy") == {NUMPY.sha256: YESTERDAY}
