"""A frozen door has what was admitted then and ever since, and only ever less of it."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from sekisho.allowlist import Allowlist, sign_approval
from sekisho.policy import Door, compile_snapshot, open_snapshot
from sekisho.policy.frozen import find, succeed
from sekisho.policy.sealing import seal_snapshot
from tests.property.strategies import SLUGS, approvals
from tests.records import NO_RULE_APPLIES, NOW, SIGNER, TRUST, policy

DENIALS = st.lists(st.sampled_from(["numpy", "numpy<2", "six", "evil"]), max_size=2)
COMMITS = st.lists(st.tuples(st.sets(st.integers(0, 3)), DENIALS), min_size=1, max_size=6)
"""What each commit has: which of four approvals are in the tree, and what its policy denies."""
FOUR = st.lists(approvals(), min_size=4, max_size=4, unique_by=lambda one: one.id)


def _policy(denied):
    rules = [{"id": "no", "check": "denied", "projects": denied}] if denied else []
    return policy(NO_RULE_APPLIES, *rules)


class History:
    """Snapshots one hour apart, and beside them, in plain sets, what each of them admitted by which approval."""

    def __init__(self, four, commits):
        self.four = four
        self.snapshots = []
        self.admitted = {}
        for number, (chosen, denied) in enumerate(commits, 1):
            self.now = NOW + timedelta(hours=number - 3)
            signed = tuple(sign_approval(four[index], SIGNER) for index in sorted(chosen))
            new = compile_snapshot(
                Allowlist(approvals=signed), _policy(denied), (), revision=f"{number:040x}", sequence=0, now=self.now
            )
            made = succeed(self.snapshots[-1] if self.snapshots else None, new)
            self.snapshots.append(open_snapshot(seal_snapshot(made, SIGNER), TRUST))
            self.admitted[number] = {
                (index, artifact.sha256)
                for index in chosen
                for artifact in four[index].artifacts
                if _policy(denied).hard_denial(artifact, self.now) is None
            }

    def expected(self, then, last, workspace, now):
        """Return the hashes that one approval admitted in every snapshot from ``then`` to ``last``."""
        always = set.intersection(*(self.admitted[number] for number in range(then, last + 1)))
        return {sha256 for index, sha256 in always if self.four[index].admits(workspace, now)}


@given(FOUR, COMMITS, SLUGS)
def test_a_frozen_door_has_what_was_admitted_then_and_ever_since(four, commits, workspace):
    history = History(four, commits)
    for last, snapshot in enumerate(history.snapshots, 1):
        now = snapshot.made
        for then in range(1, last + 1):
            door = Door(snapshot, workspace, then)
            assert door.hashes(now) == history.expected(then, last, workspace, now)
            assert door.hashes(now) == Door(snapshot, workspace).at(then).hashes(now)


@given(FOUR, COMMITS, SLUGS)
def test_a_frozen_door_only_ever_shrinks_and_never_exceeds_the_present_one(four, commits, workspace):
    history = History(four, commits)
    for then in range(1, len(commits) + 1):
        before = None
        for snapshot in history.snapshots[then - 1 :]:
            has = Door(snapshot, workspace, then).hashes(snapshot.made)
            assert has <= Door(snapshot, workspace).hashes(snapshot.made)
            assert before is None or has <= before
            before = has


@given(FOUR, COMMITS, SLUGS)
def test_frozen_now_is_the_present_door(four, commits, workspace):
    snapshot = History(four, commits).snapshots[-1]
    present, frozen = Door(snapshot, workspace), Door(snapshot, workspace, snapshot.sequence)
    assert frozen.hashes(snapshot.made) == present.hashes(snapshot.made)
    assert frozen.projects("pypi", snapshot.made) == present.projects("pypi", snapshot.made)


@given(FOUR, COMMITS, SLUGS)
def test_views_that_settle_alike_have_the_same_of_a_project(four, commits, workspace):
    snapshot = History(four, commits).snapshots[-1]
    present = Door(snapshot, workspace)
    for then in range(1, snapshot.sequence + 1):
        for project in {artifact.project for approval in four for artifact in approval.artifacts}:
            frozen = present.at(then)
            shared = present.at(frozen.settled("pypi", project))
            found = frozen.artifacts("pypi", project, snapshot.made)
            assert found == shared.artifacts("pypi", project, snapshot.made)


@given(FOUR, COMMITS)
def test_an_address_names_the_same_for_ever(four, commits):
    named = {}
    for snapshot in History(four, commits).snapshots:
        moment = snapshot.made.isoformat().replace("+00:00", "Z")
        for address in (snapshot.revision, moment):
            named[address] = snapshot.sequence
        for address, sequence in named.items():
            assert find(snapshot, address, known=snapshot.made) == sequence
