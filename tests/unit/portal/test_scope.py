"""An approver may approve for more workspaces than asked, by what was shown and never by less."""

from datetime import timedelta

import pytest

from sekisho.errors import BadInputError, ConflictError, RefusedError
from tests.unit.portal.house import ANNA, GPL, NUMPY, OTTO, SIX
from tests.unit.portal.test_asking_back import POLICY

BOTH_FILES = {NUMPY.sha256, SIX.sha256}


def _policy(house, workspaces="", version="version: 1"):
    house.repository.commit({"policy.yaml": POLICY.replace("version: 1", version) + workspaces})
    house.snapshots.refresh()


def test_one_decision_admits_in_every_workspace_that_it_names(web):
    house = web.house
    request = house.waiting(workspace="team-a")
    answer = web.call(
        "POST", f"/api/requests/{request}/approve", "anna", json={"reason": "fits", "scope": ["team-b", "team-a"]}
    )
    assert answer.json()["approval"]["scope"] == ["team-a", "team-b"]
    assert house.admitted("team-a") == house.admitted("team-b") == BOTH_FILES
    assert house.admitted() == frozenset()
    (approval, _) = (signed.approval for signed in house.snapshots.current().approvals)
    assert approval.scope == ("team-a", "team-b")
    assert "Approve 2 projects for team-a, team-b" in house.repository.git("log", "-1", "--format=%s")
    assert house.desk.revoke(OTTO, "numpy", reason="mistake")
    assert house.admitted("team-b") == {SIX.sha256}
    assert "otto revoked it" in web.call("GET", "/api/why/numpy?workspace=team-b", "rita").text


def test_what_one_workspace_has_is_approved_for_the_other_as_well(house):
    house.approve(house.waiting(NUMPY, workspace="team-b"))
    request = house.waiting(workspace="team-a")
    with pytest.raises(RefusedError):
        house.approve(request, house_asker(house, request), scope=["team-a", "team-b"])
    house.approve(request, scope=["team-a", "team-b"])
    assert house.admitted("team-a") == house.admitted("team-b") == BOTH_FILES


def house_asker(house, request):
    from sekisho.tokens import Identity

    return Identity(name=house.desk.standing(request).request.requester, roles=("approver",))


def test_the_workspace_that_asked_is_always_in_it(house):
    request = house.waiting(workspace="team-a")
    with pytest.raises(BadInputError, match="leaves out team-a, which asked"):
        house.approve(request, scope=["team-b"])
    assert house.admitted("team-b") == frozenset()
    house.approve(request, scope=["team-a"])
    assert "scope" not in house.desk.standing(request).last["approved"].body


def test_a_sandbox_is_approved_by_itself(house):
    _policy(house, "workspaces: {lab: {sandbox: {days: 7, relax: {licence: allow}}}}\n")
    request = house.waiting(workspace="team-a")
    with pytest.raises((BadInputError, ConflictError), match="lab"):
        house.approve(request, scope=["team-a", "lab"])
    assert house.admitted("team-a") == frozenset()


def test_what_is_worse_in_another_workspace_is_not_approved_for_it(house):
    rules = POLICY.replace("rules:", "rules:\n  - {id: away, check: sdist_only, then: review}\n") + (
        "  - {id: not-there, check: native_code, then: review, when: 'workspace == \"team-b\"'}\n"
    )
    house.repository.commit({"policy.yaml": rules})
    house.snapshots.refresh()
    request = house.propose(NUMPY, SIX, workspace="team-a", known={**GPL, "native": ("numpy/core.so",)})
    assert house.state(request) == "waiting"
    with pytest.raises(ConflictError, match="in workspace team-b there is more to know"):
        house.approve(request, scope=["team-a", "team-b"])
    assert house.state(request) == "waiting"
    house.repository.commit({"policy.yaml": rules.replace("then: review, when", "then: deny, when")})
    house.snapshots.refresh()
    with pytest.raises(RefusedError, match="in workspace team-b"):
        house.approve(request, scope=["team-a", "team-b"])
    house.approve(request, scope=["team-a", "team-c"])
    assert house.admitted("team-c") == BOTH_FILES
    assert house.admitted("team-b") == frozenset()


def test_two_approvers_say_the_same_scope_and_one_workspace_that_wants_two_is_enough(house):
    _policy(house, "workspaces: {team-b: {approvers: 2}}\n")
    request = house.waiting(workspace="team-a")
    soon = house.clock() + timedelta(days=1)
    house.approve(request, ANNA, scope=["team-a", "team-b"], expires=soon)
    assert house.admitted("team-a") == frozenset()
    with pytest.raises(ConflictError, match="anna approved it for team-a, team-b"):
        house.approve(request, OTTO, scope=["team-a", "team-b", "team-c"])
    house.approve(request, OTTO)
    (approval, _) = (signed.approval for signed in house.snapshots.current().approvals)
    assert (approval.scope, approval.approved_by, approval.seconded_by) == (("team-a", "team-b"), "anna", "otto")


def test_the_first_of_two_is_not_widened_by_the_second(house):
    _policy(house, version="version: 1\napprovers: 2")
    request = house.waiting(workspace="team-a")
    house.approve(request, ANNA)
    with pytest.raises(ConflictError, match="anna approved it for team-a"):
        house.approve(request, OTTO, scope=["team-a", "team-b"])
    house.approve(request, OTTO, scope=["team-a"])
    assert house.admitted("team-a") == BOTH_FILES
    assert house.admitted("team-b") == frozenset()


def test_an_approval_that_was_cut_short_keeps_its_scope(house):
    request = house.waiting(workspace="team-a")

    class Full:
        def __getattr__(self, name):
            raise OSError(28, "No space left on device")

    tree = house.desk.means.tree
    house.use(Full())
    with pytest.raises(OSError, match="No space"):
        house.approve(request, scope=["team-a", "team-b"])
    house.use(tree)
    house.open()
    assert house.admitted("team-b") == BOTH_FILES


def test_the_page_and_the_command_line_name_workspaces(web):
    request = web.house.waiting(workspace="team-a")
    visitor = web.visit("anna")
    assert 'name="scope" value="team-a"' in visitor.get(f"/requests/{request}").text
    refused = visitor.post(f"/requests/{request}/approve", reason="fits", scope="team-a, ../x")
    assert refused.status_code == 400
    assert "is no name of a workspace" in refused.text
    visitor.post(f"/requests/{request}/approve", reason="fits", scope="team-a, team-b", expires="2099-01-01")
    page = visitor.get(f"/requests/{request}").text
    assert "anna for team-a, team-b until 2099-01-01" in page
    assert web.house.admitted("team-b") == BOTH_FILES
