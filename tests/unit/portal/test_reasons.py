from datetime import timedelta

from sekisho_portal.reasons import explain
from tests.records import artifact
from tests.unit.portal.house import NUMPY


def _why(house, project, release=None, workspace="everyone"):
    return explain(house.desk, house.snapshots, project, release, workspace)


def test_what_is_approved_says_who_asked_who_approved_and_why(house):
    request = house.waiting(NUMPY)
    house.approve(request, reason="fits")
    found = _why(house, "numpy")
    assert (found["available"], found["rule"]) == (True, "approved")
    assert found["lines"] == [
        "numpy is approved for workspace everyone",
        (
            f"  2.1.0: rita asked on 2026-11-01 (http://portal.invalid/requests/{request}),"
            " anna approved on 2026-11-01 for everyone: fits"
        ),
        "  runs on: numpy==2.1.0, any Python 3 on any platform",
        "  another Python or platform needs an approval of its own: sekisho request numpy --python VERSION",
    ]


def test_what_nobody_asked_for_says_how_to_ask(house):
    found = _why(house, "numpy", "2.1.0")
    assert (found["available"], found["rule"]) == (False, "not-approved")
    assert found["lines"] == [
        "numpy==2.1.0 is not approved for workspace everyone (rule not-approved)",
        "  ask for it: sekisho request numpy==2.1.0 --python 3.11.2",
        "  or open http://portal.invalid/requests/new?project=numpy%3D%3D2.1.0",
    ]


def test_another_release_than_the_approved_one_is_said_with_what_there_is_instead(house):
    house.approve(house.waiting(NUMPY))
    found = _why(house, "numpy", "1.0")
    assert not found["available"]
    assert found["alternative"] == "numpy==2.1.0"
    assert any("pip install 'numpy==2.1.0'" in line for line in found["lines"])


def test_an_approval_in_another_workspace_is_said(house):
    house.approve(house.waiting(NUMPY, workspace="team-a"))
    assert "but not for workspace everyone" in _why(house, "numpy")["lines"][0]
    assert _why(house, "numpy", workspace="team-a")["available"]


def test_an_approval_that_expired_is_said(house):
    house.approve(house.waiting(NUMPY), expires=house.clock.now + timedelta(days=1))
    assert _why(house, "numpy")["available"]
    house.clock.advance(days=2)
    found = _why(house, "numpy")
    assert (found["available"], found["rule"]) == (False, "expired")


def test_what_was_judged_says_which_rules_objected(house):
    request = house.propose(artifact("evil"))
    lines = _why(house, "evil")["lines"]
    assert lines[0] == "the policy denies evil (rule no-evil)"
    assert any(request in line and "the request is refused" in line for line in lines)
    assert "    deny, no-evil: the policy denies evil" in lines


def test_the_verdicts_of_a_release_whose_name_only_begins_the_same_are_not_shown(house):
    request = house.waiting(artifact("foo", "1.10"))
    assert not any(request in line for line in _why(house, "foo", "1.1")["lines"])
    assert any(request in line for line in _why(house, "foo", "1.10")["lines"])
    assert any(request in line for line in _why(house, "foo")["lines"])


def test_a_project_whose_name_only_begins_the_same_is_not_shown(house):
    request = house.waiting(artifact("foobar"))
    assert not any(request in line for line in _why(house, "foo")["lines"])


def test_a_local_release_is_found_under_its_own_name(house):
    request = house.waiting(artifact("torch", "2.0+cu118"))
    assert any(request in line for line in _why(house, "torch", "2.0+cu118")["lines"])


def test_a_revoked_approval_is_said_as_not_approved(house):
    house.approve(house.waiting(NUMPY))
    house.repository.commit({"pypi/numpy.yaml": "project: numpy\napprovals: []\n"})
    house.snapshots.refresh()
    found = _why(house, "numpy")
    assert not found["available"]
    assert any("GPL-3.0-only" in line for line in found["lines"])
