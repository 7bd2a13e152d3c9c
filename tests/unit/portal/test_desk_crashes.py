"""Killed at any point of an approval, the portal finishes it at the next start: once."""

import pytest

from sekisho.errors import SekishoError, StorageFullError
from sekisho_portal.tree import GitTree
from tests.records import artifact, facts
from tests.unit.portal.house import ANNA, GPL, NUMPY, OTTO, SIX


class Crash(BaseException):
    """The process is gone: nothing may catch this."""


class CutTree(GitTree):
    """Dies before or after its commit; or fails, as on a full disk."""

    def __init__(self, folder, *, before=None, after=None):
        super().__init__(folder)
        self.before, self.after = before, after

    def commit(self, changes, **more):
        if self.before:
            raise self.before
        super().commit(changes, **more)
        raise self.after


def _cut(house, **when):
    house.use(CutTree(house.settings.allowlists, **when))


def _finished_once(house, request):
    assert house.kinds(request).count("approval-intended") == 1
    assert house.kinds(request).count("approved") == 1
    assert house.repository.count() == 2
    assert house.admitted() == {NUMPY.sha256, SIX.sha256}
    approved = house.desk.standing(request).last["approved"]
    assert approved.actor == "anna"
    assert approved.body["revision"] == house.repository.head()


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_approval_that_was_cut_short_is_finished_at_the_next_start(house, when):
    request = house.waiting()
    _cut(house, **{when: Crash()})
    with pytest.raises(Crash):
        house.approve(request)
    assert house.state(request) == "approving"
    assert house.repository.count() == (1 if when == "before" else 2)
    house.open()
    _finished_once(house, request)
    house.open()
    _finished_once(house, request)


def test_a_crash_after_the_commit_and_before_the_snapshot_changes_nothing_of_the_result(house):
    request = house.waiting()
    house.snapshots.refresh, refresh = _raise_crash, house.snapshots.refresh
    with pytest.raises(Crash):
        house.approve(request)
    house.snapshots.refresh = refresh
    assert house.admitted() == frozenset()
    house.open()
    _finished_once(house, request)


def _raise_crash():
    raise Crash


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_approval_that_could_not_be_committed_is_finished_by_approving_again(house, when):
    request = house.waiting()
    _cut(house, **{when: StorageFullError("the disk is full")})
    with pytest.raises(StorageFullError):
        house.approve(request, ANNA)
    house.use(GitTree(house.settings.allowlists))
    house.approve(request, OTTO, reason="again")
    _finished_once(house, request)


def test_a_policy_that_allows_finishes_what_a_crash_cut_short(house):
    _cut(house, before=Crash())
    with pytest.raises(Crash):
        house.propose(NUMPY)
    house.open()
    assert house.admitted() == {NUMPY.sha256}
    assert [standing.state for standing in house.desk.all()] == ["approved"]


def test_an_inspected_closure_is_judged_at_the_next_start(house):
    request = house.ask()
    house.resolve(request, NUMPY)
    house.ledger.append("inspected", request, actor="service", body={"facts": [facts(NUMPY, **GPL).plain()]})
    assert house.state(request) == "judging"
    house.open()
    assert house.state(request) == "waiting"
    house.open()
    assert house.kinds(request).count("judged") == 1


def test_a_judgement_that_allows_is_acted_on_at_the_next_start(house):
    class Deaf(type(house.ledger)):
        def append(self, kind, *arguments, **more):
            if kind == "approval-intended":
                raise Crash
            return super().append(kind, *arguments, **more)

    house.desk.means.ledger = Deaf(house.ledger._engine, clock=house.clock)
    with pytest.raises(Crash):
        house.propose(NUMPY)
    (standing,) = house.desk.all()
    assert standing.state == "judged"
    house.open()
    assert house.state(standing.id) == "approved"
    assert house.admitted() == {NUMPY.sha256}


def test_an_intended_approval_covers_the_closure_that_was_approved_and_no_later_one(house):
    _cut(house, before=SekishoError("git is broken"))
    request = house.ask()
    house.resolve(request, NUMPY)
    with pytest.raises(SekishoError):
        house.inspect(request, facts(NUMPY))
    intended = house.desk.standing(request).closure()
    house.report(request, "failed", stage="inspect", problem={"title": "git is broken"})
    house.desk.retry(ANNA, request)
    house.resolve(request, NUMPY, SIX)
    house.open()
    (approval,) = (signed.approval for signed in house.snapshots.current().approvals)
    assert (approval.artifacts, approval.closure) == ((NUMPY,), intended.digest())


def test_a_person_who_commits_at_the_same_time_is_not_overwritten(house):
    house.approve(house.waiting(NUMPY))
    repository = house.repository

    class Interleaved(GitTree):
        reads = 0

        def read(self):
            found = super().read()
            self.reads += 1
            if self.reads == 1:  # a person withdraws the approval of numpy, right after the portal has looked
                repository.commit({"pypi/numpy.yaml": "project: numpy\napprovals: []\n"}, "withdraw numpy")
            return found

    tree = Interleaved(house.settings.allowlists)
    house.use(tree)
    house.approve(house.waiting(artifact("numpy", "2.2.0"), SIX))
    assert tree.reads == 2
    assert NUMPY.sha256 not in house.admitted()
    assert house.admitted() == {artifact("numpy", "2.2.0").sha256, SIX.sha256}
    assert repository.git("log", "--format=%s").splitlines()[1] == "withdraw numpy"


@pytest.mark.parametrize("decision", ["approved", "denied", "waiting"])
def test_a_stage_that_runs_again_after_a_crash_reopens_nothing(house, decision):
    request = house.waiting()
    if decision == "approved":
        house.approve(request)
    if decision == "denied":
        house.desk.deny(ANNA, request, reason="no")
    before = house.kinds(request)
    house.resolve(request, NUMPY, SIX)
    house.inspect(request, facts(NUMPY), facts(SIX))
    house.report(request, "failed", stage="inspect", problem={"title": "the proxy is down"})
    assert house.kinds(request) == before
    assert house.state(request) == decision


def test_nothing_is_left_to_reconcile_after_a_quiet_day(house):
    house.approve(house.waiting())
    house.propose(artifact("idna"))
    house.propose(artifact("evil"))
    before = house.ledger.size()
    house.open()
    assert house.desk.reconcile() == 0
    assert house.ledger.size() == before
