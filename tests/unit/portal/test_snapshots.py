import logging

import pytest

from sekisho.allowlist import add_approvals, dump_yaml, load_yaml
from sekisho.errors import BadInputError, CorruptError, NotFoundError
from sekisho.policy import Door, open_snapshot
from sekisho.policy.sealing import seal_snapshot
from sekisho.signing import Signer, Trust
from sekisho_portal.snapshots import Snapshots
from tests.allowlists_tree import POLICY, SOURCES
from tests.fakes import FakeClock, FakeRejudges, FakeTree
from tests.records import NOW, SIGNER, TRUST, artifact, signed

NUMPY = artifact()
BAD = {
    "rules: []\n": "version",
    "version: 1\nrules: [\n": "not valid YAML",
    "version: 1\nrules: [{id: a, check: sounds_nice}]\n": "sounds_nice",
    "version: 1\nat: 2026-13-45\nrules: [{id: a, check: yanked}]\n": "month must be in",
}


class House:
    def __init__(self, folder):
        self.path = folder / "portal" / "snapshot.json"
        self.tree = FakeTree({"policy.yaml": POLICY, "sources.yaml": SOURCES})
        self.open()

    def open(self, signer=SIGNER, trust=TRUST):
        self.snapshots = Snapshots(
            self.tree,
            lambda: signer,
            lambda: trust,
            path=self.path,
            clock=FakeClock(),
            ask="http://portal.invalid",
            again=FakeRejudges(),
        )
        return self.snapshots

    def add(self, *entries):
        self.tree.write(add_approvals(self.tree.read()[1], entries))

    def admits(self, sha256):
        return Door(self.snapshots.current(), "everyone").admits(sha256, NOW) is not None


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path)
    assert house.snapshots.refresh()
    return house


def test_a_commit_is_in_force_after_a_refresh(house):
    house.add(signed(NUMPY))
    assert not house.admits(NUMPY.sha256)
    assert house.snapshots.refresh()
    assert house.admits(NUMPY.sha256)
    assert house.snapshots.current().revision == house.tree.revision()


def test_the_snapshot_is_sealed_for_proxies(house):
    assert open_snapshot(house.snapshots.sealed(), TRUST) == house.snapshots.current()


def test_a_snapshot_says_where_a_person_asks_unless_the_policy_does(house):
    assert house.snapshots.current().policy.ask == "http://portal.invalid"
    house.tree.write({"policy.yaml": POLICY + "ask: https://wiki.invalid/ask\n"})
    house.snapshots.refresh()
    assert house.snapshots.current().policy.ask == "https://wiki.invalid/ask"


def test_without_a_commit_nothing_changes(house):
    before = house.snapshots.sealed()
    assert not house.snapshots.refresh()
    assert house.snapshots.sealed() == before


def test_the_sequence_only_grows_across_commits_and_restarts(house):
    seen = [house.snapshots.current().sequence]
    for number in range(3):
        house.add(signed(artifact(release=f"{number}.0"), id=f"a{number}"))
        house.snapshots.refresh()
        seen.append(house.snapshots.current().sequence)
        house.open()
        assert not house.snapshots.refresh()
        assert house.snapshots.current().sequence == seen[-1]
    assert seen == [1, 2, 3, 4]


def test_going_back_to_an_older_tree_still_moves_forward(house):
    first = dict(house.tree.read()[1])
    house.add(signed(NUMPY))
    house.snapshots.refresh()
    house.tree.commits.append(("revert", first))
    house.snapshots.refresh()
    assert house.snapshots.current().sequence == 3
    assert not house.admits(NUMPY.sha256)


@pytest.mark.parametrize("text", BAD)
def test_a_bad_policy_keeps_the_old_one_and_is_reported_loudly(house, caplog, text):
    house.add(signed(NUMPY))
    house.snapshots.refresh()
    before = house.snapshots.sealed()
    revision = house.tree.write({"policy.yaml": text})
    with caplog.at_level(logging.ERROR):
        assert not house.snapshots.refresh()
    assert house.snapshots.sealed() == before
    assert house.admits(NUMPY.sha256)
    assert house.snapshots.problem["revision"] == revision
    assert BAD[text] in house.snapshots.problem["title"]
    assert "the old one stays" in caplog.text


@pytest.mark.parametrize(
    "changes",
    [
        {"sources.yaml": "sources: []\n"},
        {"pypi/numpy.yaml": "project: six\n"},
        {"pypi/numpy.yaml": "project: ["},
        {"pypi/Numpy.yaml": "project: Numpy\n"},
    ],
)
def test_any_file_that_cannot_be_read_keeps_the_old_snapshot(house, changes):
    house.tree.write(changes)
    assert not house.snapshots.refresh()
    assert next(iter(changes)) in house.snapshots.problem["where"]


@pytest.mark.parametrize("missing", ["policy.yaml", "sources.yaml"])
def test_a_tree_without_policy_or_sources_keeps_the_old_snapshot(house, missing):
    files = dict(house.tree.read()[1])
    del files[missing]
    house.tree.commits.append(("drop", files))
    assert not house.snapshots.refresh()
    assert missing in house.snapshots.problem["title"]


def test_a_bad_commit_is_looked_at_once(house, caplog):
    house.tree.write({"policy.yaml": "rules: []\n"})
    for _ in range(3):
        house.snapshots.refresh()
    assert caplog.text.count("the old one stays") == 1


def test_the_problem_goes_away_with_the_next_good_commit(house):
    house.tree.write({"policy.yaml": "rules: []\n"})
    house.snapshots.refresh()
    house.tree.write({"policy.yaml": POLICY})
    house.snapshots.refresh()
    assert house.snapshots.problem is None


@pytest.mark.parametrize("restart", [False, True])
def test_the_problem_goes_away_when_the_bad_commit_is_taken_back(house, restart):
    house.tree.write({"policy.yaml": "rules: []\n"})
    if restart:
        house.open()
    house.snapshots.refresh()
    assert house.snapshots.problem
    house.tree.commits.pop()
    house.snapshots.refresh()
    assert house.snapshots.problem is None


def test_a_bad_tree_at_the_very_first_start_means_no_policy_at_all(tmp_path):
    house = House(tmp_path)
    house.tree.write({"policy.yaml": "rules: []\n"})
    house.snapshots.refresh()
    for ask in (house.snapshots.current, house.snapshots.sealed):
        with pytest.raises(NotFoundError, match="no policy in force"):
            ask()


def test_a_bad_tree_after_a_restart_keeps_what_was_in_force(house):
    house.add(signed(NUMPY))
    house.snapshots.refresh()
    house.tree.write({"policy.yaml": "rules: []\n"})
    house.open().refresh()
    assert house.admits(NUMPY.sha256)
    assert house.snapshots.problem


def test_a_hand_written_approval_admits_nothing_and_is_listed(house, caplog):
    house.add(signed(NUMPY))
    value = load_yaml(house.tree.read()[1]["pypi/numpy.yaml"], where="x")
    forged = value["approvals"][0] | {"artifacts": [artifact("numpy", "9.9.9").plain()]}
    house.tree.write({"pypi/numpy.yaml": dump_yaml({**value, "approvals": [*value["approvals"], forged]})})
    assert house.snapshots.refresh()
    assert house.admits(NUMPY.sha256)
    assert not house.admits(artifact("numpy", "9.9.9").sha256)
    (entry,) = house.snapshots.current().refused
    assert entry.where == "pypi/numpy.yaml, line 25, approval 2"
    assert "an entry of the tree admits nothing" in caplog.text


def test_a_snapshot_that_cannot_be_written_is_tried_again(house):
    house.add(signed(NUMPY))
    house.path.parent.rename(house.path.parent.with_name("away"))
    house.path.parent.write_text("in the way")
    with pytest.raises(OSError, match="portal"):
        house.snapshots.refresh()
    assert not house.admits(NUMPY.sha256)
    house.path.parent.unlink()
    assert house.snapshots.refresh()
    assert house.admits(NUMPY.sha256)


def test_a_kept_snapshot_that_somebody_altered_is_not_served(house):
    house.path.write_bytes(house.path.read_bytes().replace(b'"payload":"ey', b'"payload":"eX'))
    with pytest.raises(CorruptError):
        house.open()


def test_a_kept_snapshot_of_another_key_is_not_served(house):
    with pytest.raises(CorruptError, match="unknown key"):
        house.open(trust=Trust(Signer.generate().trusted("portal", "snapshot")))


def test_a_kept_snapshot_of_rubbish_is_named(house):
    house.path.write_bytes(b"rubbish")
    with pytest.raises(BadInputError) as caught:
        house.open()
    assert caught.value.where == str(house.path)


def test_the_history_grows_with_each_commit_and_across_restarts(house):
    house.add(signed(NUMPY))
    house.snapshots.refresh()
    house.tree.write({"README.yaml": "a: 1\n"})
    house.open().refresh()
    last = house.snapshots.current()
    assert [entry.sequence for entry in last.line()] == [1, 2, 3]
    assert [entry.revision for entry in last.line()] == [f"{number:040d}" for number in (1, 2, 3)]
    assert last.since == ((2,),)
    assert open_snapshot(house.snapshots.sealed(), TRUST) == last


def test_a_denial_that_is_lifted_does_not_bring_an_old_view_back(house):
    house.add(signed(NUMPY))
    house.snapshots.refresh()
    denied = "  - {id: no-numpy, check: denied, projects: [numpy]}\n"
    for text in (POLICY + denied, POLICY):
        house.tree.write({"policy.yaml": text})
        assert house.snapshots.refresh()
    last = house.snapshots.current()
    assert house.admits(NUMPY.sha256)
    assert Door(last, "everyone", 2).admits(NUMPY.sha256, last.made) is None
    assert Door(last, "everyone", last.sequence).admits(NUMPY.sha256, last.made)


def test_a_snapshot_kept_from_before_there_was_a_history_goes_on(house):
    house.add(signed(NUMPY))
    house.snapshots.refresh()
    before = house.snapshots.current().model_copy(update={"history": (), "since": ()})
    house.path.write_bytes(seal_snapshot(before, SIGNER).canonical())
    house.open()
    assert not house.snapshots.refresh()
    house.add(signed(artifact("six", "1.17.0")))
    house.snapshots.refresh()
    assert sorted(house.snapshots.current().since) == [(2,), (3,)]
