"""What was revoked is out at once and for good, whatever somebody puts back into the tree."""

import pytest

from sekisho.errors import BadInputError, NotFoundError, RefusedError
from sekisho.keys import load_trust
from sekisho.policy import Door, open_snapshot
from tests.unit.portal.house import ADA, ANNA, BOTH, NUMPY, RITA, SERVICE, SIX

REASON = "not needed any more"


def _approval(house, request):
    return house.desk.standing(request).last["approved"].body["id"]


def test_a_revoked_approval_is_out_on_record_and_gone_from_the_tree(house):
    request = house.waiting()
    house.approve(request)
    (said,) = house.desk.revoke(ANNA, _approval(house, request), reason=REASON)
    assert house.admitted() == frozenset()
    assert "approvals: []" in house.repository.show("pypi/numpy.yaml")
    assert said["id"] in house.repository.show(f"revoked/{said['id']}.yaml")
    assert house.kinds(request)[-2:] == ["revocation-intended", "revoked"]
    status = house.desk.standing(request).plain("")
    assert status["revocations"][0]["reason"] == REASON
    assert house.repository.git("status", "--porcelain") == ""


@pytest.mark.parametrize("what", ["numpy", "NumPy==2.1.0"])
def test_one_package_of_a_closure_can_be_revoked(house, what):
    house.approve(house.waiting())
    house.desk.revoke(ANNA, what, reason=REASON)
    assert house.admitted() == {SIX.sha256}


def test_a_workspace_can_be_named(house):
    house.approve(house.waiting(NUMPY))
    house.approve(house.waiting(NUMPY, workspace="team-a", who=BOTH))
    house.desk.revoke(ANNA, "numpy", reason=REASON, workspace="team-a")
    assert house.admitted("team-a") == frozenset()
    assert house.admitted() == {NUMPY.sha256}


@pytest.mark.parametrize("also_the_revocation", [False, True])
def test_putting_the_signed_entry_back_admits_nothing(house, also_the_revocation):
    request = house.waiting(NUMPY)
    house.approve(request)
    old = house.repository.show("pypi/numpy.yaml")
    (said,) = house.desk.revoke(ANNA, "numpy", reason=REASON)
    if also_the_revocation:
        (house.repository.tree / "revoked" / f"{said['id']}.yaml").unlink()
    house.repository.commit({"pypi/numpy.yaml": old})
    house.desk.look_again()
    assert house.admitted() == frozenset()
    (refused,) = house.snapshots.current().refused
    assert f"revoked by anna on 2026-11-01: {REASON}" in refused.why
    assert refused.where == "pypi/numpy.yaml, line 3, approval 1"
    house.open()
    assert house.admitted() == frozenset()


def test_a_revocation_that_was_tampered_with_still_holds_and_is_named(house):
    house.approve(house.waiting(NUMPY))
    old = house.repository.show("pypi/numpy.yaml")
    (said,) = house.desk.revoke(ANNA, "numpy", reason=REASON)
    path = f"revoked/{said['id']}.yaml"
    house.repository.commit({path: house.repository.show(path).replace("anna", "otto"), "pypi/numpy.yaml": old})
    house.desk.look_again()
    assert house.admitted() == frozenset()
    assert path in {entry.where for entry in house.snapshots.current().refused}


def test_what_is_approved_anew_comes_in_again(house):
    house.approve(house.waiting(NUMPY))
    house.desk.revoke(ANNA, "numpy", reason=REASON)
    house.approve(house.waiting(NUMPY))
    assert house.admitted() == {NUMPY.sha256}


def test_the_policy_does_not_approve_again_by_what_was_revoked(house):
    house.approve(house.waiting(NUMPY))
    house.desk.revoke(ANNA, "numpy", reason=REASON)
    house.waiting(NUMPY)


@pytest.mark.parametrize("who", [RITA, ADA, SERVICE], ids=lambda who: who.name)
def test_only_an_approver_revokes_and_every_attempt_is_on_record(house, who):
    house.approve(house.waiting(NUMPY))
    with pytest.raises(RefusedError, match="not an approver"):
        house.desk.revoke(who, "numpy", reason=REASON)
    assert house.admitted() == {NUMPY.sha256}
    assert house.ledger.entries()[-1].kind == "attempt-refused"


def test_a_requester_may_take_back_their_own_as_an_approver(house):
    house.approve(house.waiting(NUMPY, who=BOTH))
    house.desk.revoke(BOTH, "numpy", reason=REASON)
    assert house.admitted() == frozenset()


@pytest.mark.parametrize("what", ["torch", "a999", "numpy==9", "numpy==2.1.0\n"])
def test_what_is_not_approved_cannot_be_revoked(house, what):
    house.approve(house.waiting(SIX))
    before = house.repository.head()
    with pytest.raises((NotFoundError, BadInputError)):
        house.desk.revoke(ANNA, what, reason=REASON)
    assert house.repository.head() == before


@pytest.mark.parametrize("reason", ["", " ", "a\nb", "a\x1b[2J", "x" * 2001])
def test_a_reason_is_said_in_words(house, reason):
    house.approve(house.waiting(NUMPY))
    with pytest.raises(BadInputError, match="reason"):
        house.desk.revoke(ANNA, "numpy", reason=reason)


def test_a_revocation_that_was_cut_short_holds_at_once_and_is_finished_at_the_next_start(house):
    request = house.waiting(NUMPY)
    house.approve(request)

    class Broken:
        def __getattr__(self, name):
            raise OSError("git is broken")

    tree = house.desk.means.tree
    house.use(Broken())
    with pytest.raises(OSError, match="git is broken"):
        house.desk.revoke(ANNA, "numpy", reason=REASON)
    assert house.admitted() == frozenset()
    house.use(tree)
    house.open()
    assert house.kinds(request)[-1] == "revoked"
    assert "approvals: []" in house.repository.show("pypi/numpy.yaml")


def test_why_says_who_revoked_it(web):
    web.house.approve(web.house.waiting(NUMPY))
    answer = web.call("POST", "/api/revocations", "anna", json={"what": "numpy", "reason": REASON})
    assert answer.status_code == 201
    said = web.call("GET", "/api/why/numpy", "rita").json()
    assert said["rule"] == "revoked"
    assert f"anna revoked it on 2026-11-01: {REASON}" in said["evidence"]


@pytest.mark.parametrize("broken", ["policy.yaml", "sources.yaml", "pypi/six.yaml"])
def test_who_breaks_the_tree_keeps_no_revocation_from_counting(house, broken):
    house.approve(house.waiting())
    whole, before = house.repository.show(broken), house.snapshots.current()
    house.repository.commit({broken: "nonsense: ["})
    house.desk.look_again()
    assert house.snapshots.problem["where"].startswith(broken)
    assert house.snapshots.current() is before, "a bad tree changes nothing by itself"
    house.desk.revoke(ANNA, "numpy", reason=REASON)
    assert house.admitted() == {SIX.sha256}
    assert house.snapshots.problem["where"].startswith(broken), "and goes on being told"
    sealed = open_snapshot(house.snapshots.sealed(), load_trust(house.settings.trust_file))
    assert sealed.sequence > before.sequence
    assert Door(sealed, "everyone").hashes(house.clock()) == {SIX.sha256}
    house.open()
    assert house.admitted() == {SIX.sha256}
    house.repository.commit({broken: whole})
    house.desk.look_again()
    assert house.admitted() == {SIX.sha256}
    assert house.snapshots.problem is None
