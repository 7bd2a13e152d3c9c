from datetime import timedelta

import pytest

from sekisho.policy import Door
from sekisho.policy.snapshot import InForce
from tests.records import NOW, artifact, package, signed, snapshot

NUMPY, SIX = artifact(), artifact("six", "1.17.0")
SOON = NOW + timedelta(hours=1)
NO_NUMPY = {"id": "no-numpy", "check": "denied", "projects": ["numpy<3"]}


def _door(*approvals, rules=(), workspace="everyone"):
    return Door(snapshot(*approvals, rules=rules), workspace)


def test_only_what_was_approved_is_admitted():
    door = _door(signed(NUMPY))
    assert door.admits(NUMPY.sha256, NOW) == NUMPY
    assert door.admits(SIX.sha256, NOW) is None


def test_an_approval_holds_in_its_workspaces_only():
    approval = signed(NUMPY, scope=("team-a", "team-b"))
    assert _door(approval, workspace="team-b").admits(NUMPY.sha256, NOW)
    assert _door(approval, workspace="everyone").admits(NUMPY.sha256, NOW) is None
    assert _door(approval, workspace="team-c").artifacts("pypi", "numpy", NOW) == ()


def test_an_approval_for_everyone_does_not_open_a_workspaces_own_door():
    assert _door(signed(NUMPY, scope=("everyone",)), workspace="team-a").admits(NUMPY.sha256, NOW) is None


def test_an_approval_without_a_scope_admits_nothing():
    assert _door(signed(NUMPY, scope=())).hashes(NOW) == frozenset()


@pytest.mark.parametrize(
    ("now", "open_"),
    [(SOON - timedelta(microseconds=1), True), (SOON, False), (SOON + timedelta(microseconds=1), False)],
)
def test_an_approval_ends_at_its_expiry_and_not_a_moment_later(now, open_):
    door = _door(signed(NUMPY, expires=SOON))
    assert (door.admits(NUMPY.sha256, now) is not None) is open_
    assert bool(door.artifacts("pypi", "numpy", now)) is open_
    assert bool(door.hashes(now)) is open_
    assert bool(door.projects("pypi", now)) is open_


def test_a_second_approval_keeps_the_door_open_when_the_first_expires():
    door = _door(signed(NUMPY, expires=SOON), signed(NUMPY, id="a2", expires=SOON + timedelta(days=1)))
    assert door.admits(NUMPY.sha256, SOON) == NUMPY


def test_a_hard_denial_beats_an_approval():
    door = _door(signed(NUMPY), signed(SIX), rules=[NO_NUMPY])
    assert door.admits(NUMPY.sha256, NOW) is None
    assert door.artifacts("pypi", "numpy", NOW) == ()
    assert door.hashes(NOW) == {SIX.sha256}
    assert door.projects("pypi", NOW) == ("six",)


def test_the_same_bytes_under_another_name_are_another_file():
    twin = artifact("twin", sha256=NUMPY.sha256)
    door = _door(signed(NUMPY), signed(twin), rules=[NO_NUMPY])
    assert door.admits(NUMPY.sha256, NOW) == twin
    assert door.has(twin, NOW)
    assert not door.has(NUMPY, NOW)
    assert not door.has(twin.model_copy(update={"source": "other"}), NOW)


def test_other_rules_do_not_close_a_door_that_an_approver_opened():
    assert _door(signed(artifact(yanked="broken")), rules=[{"id": "y", "check": "yanked", "then": "deny"}]).hashes(NOW)


def test_a_project_lists_each_file_once_in_the_order_of_names():
    other = artifact(filename="numpy-2.1.0-cp311-cp311-linux_x86_64.whl")
    door = _door(signed(NUMPY, other), signed(NUMPY, id="a2"))
    assert door.artifacts("pypi", "numpy", NOW) == (other, NUMPY)


def test_kinds_do_not_mix():
    door = _door(signed(artifact("numpy", kind="conda")))
    assert door.artifacts("pypi", "numpy", NOW) == ()
    assert door.projects("conda", NOW) == ("numpy",)


def test_the_next_expiry_is_the_first_one_that_is_still_to_come():
    ends = [NOW - timedelta(days=1), SOON + timedelta(days=1), SOON, None]
    door = _door(*(signed(NUMPY, id=f"a{number}", expires=end) for number, end in enumerate(ends)))
    assert door.next_expiry("pypi", "numpy", NOW) == SOON
    assert door.next_expiry("pypi", "numpy", SOON) == SOON + timedelta(days=1)
    assert door.next_expiry("pypi", "numpy", SOON + timedelta(days=1)) is None
    assert door.next_expiry("pypi", "six", NOW) is None


@pytest.mark.parametrize(
    ("approvals", "rules", "rule", "said"),
    [
        ([signed(NUMPY)], [NO_NUMPY], "no-numpy", "denies numpy<3"),
        ([signed(NUMPY, expires=NOW)], [], "expired", "numpy 2.1.0 expired"),
        ([signed(NUMPY, scope=("team-a",))], [], "not-approved", "but not for workspace everyone"),
        ([signed(SIX)], [], "not-approved", "numpy is not approved for workspace everyone"),
        ([], [], "not-approved", "numpy is not approved for workspace everyone"),
    ],
    ids=["denied", "expired", "elsewhere", "other project", "empty"],
)
def test_a_closed_door_says_why(approvals, rules, rule, said):
    found, sentence = _door(*approvals, rules=rules).why_not("pypi", "numpy", NOW)
    assert found == rule
    assert said in sentence


def test_the_newest_approval_says_what_is_known_of_a_file_and_the_first_since_when_it_may_be_had():
    whole = NUMPY.model_copy(update={"index": {"core-metadata": "0" * 64}})
    entries = signed(whole, id="a2", at=SOON), signed(NUMPY, id="a1"), signed(NUMPY, id="a3", at=NOW, expires=SOON)
    [row] = _door(*entries).admitted("pypi", "numpy", NOW)
    assert (row.artifact, row.first, row.newest) == (whole, NOW, SOON)
    [row] = _door(entries[0], entries[2]).admitted("pypi", "numpy", SOON)
    assert (row.first, row.newest) == (SOON, SOON)


def test_each_channel_is_shown_by_itself():
    here, there = package("tool"), package("tool", source="other", sha256="b" * 64)
    door = _door(signed(here), signed(package("data", source="other"), there, id="a2", at=NOW - timedelta(days=1)))
    assert here.path == there.path
    assert door.artifacts("conda", "tool", NOW, source="forge") == (here,)
    assert door.artifacts("conda", "tool", NOW, source="other") == (there,)
    assert door.artifacts("conda", "tool", NOW) == (here, there)
    assert door.projects("conda", NOW, source="forge") == ("tool",)
    assert door.projects("conda", NOW, source="other") == ("data", "tool")
    assert door.at_path("forge", "tool", here.path, NOW) == here
    assert door.at_path("other", "tool", here.path, NOW) == there
    assert door.at_path("third", "tool", here.path, NOW) is None
    assert door.at_path("forge", "tool", here.path.replace("linux-64", "noarch"), NOW) is None
    assert door.why_not("conda", "data", NOW, source="forge")[0] == "not-approved"
    assert door.why_not("conda", "data", NOW, source="forge")[1] == "data is not approved for workspace everyone"


def test_the_same_bytes_in_two_channels_are_shown_in_both():
    here, there = package("tool"), package("tool", source="other")
    door = _door(signed(here, there))
    assert here.sha256 == there.sha256
    assert [row.artifact for row in door.admitted("conda", "tool", NOW)] == [here, there]
    assert door.artifacts("conda", "tool", NOW, source="other") == (there,)


def test_of_two_files_for_one_path_the_one_that_was_approved_last_is_shown_and_had():
    old, new = package("tool"), package("tool", sha256="b" * 64)
    door = _door(signed(old), signed(new, id="a2", at=NOW + timedelta(days=1)))
    later = NOW + timedelta(days=2)
    assert door.artifacts("conda", "tool", later, source="forge") == (new,)
    assert door.at_path("forge", "tool", old.path, later) == new


def test_what_a_channel_had_then_is_told_of_it_alone():
    index = snapshot(
        signed(package("tool")), signed(package("tool", source="other", sha256="b" * 64), id="a2"),
        sequence=3, since=((2,), (3,)), history=(InForce("1" * 40, 1, NOW - timedelta(days=3)), InForce("2" * 40, 2, NOW - timedelta(days=2))),
    )  # fmt: skip
    door = Door(index, "everyone").at(2)
    assert [row.source for row in door.artifacts("conda", "tool", NOW)] == ["forge"]
    assert (door.settled("conda", "tool", source="forge"), door.settled("conda", "tool", source="other")) == (None, 0)
