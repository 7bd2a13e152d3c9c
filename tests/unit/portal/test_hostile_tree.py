"""A push to the allowlists tree can refuse itself, and nothing else: the portal starts and serves what was in force."""

import logging
import os

import pytest

from sekisho.allowlist import dump_yaml
from sekisho.errors import BadInputError, CorruptError, NotFoundError
from sekisho.keys import load_trust
from sekisho_portal import tree as tree_module
from sekisho_portal.snapshots import Snapshots
from sekisho_portal.tree import GitTree
from tests.allowlists_tree import POLICY, SOURCES
from tests.fakes import FakeClock, FakeRejudges, FakeTree
from tests.records import SIGNER, TRUST
from tests.unit.portal.house import ANNA, NUMPY, SIX, House, Web


def _link(repository):
    (repository.tree / "pypi").mkdir(exist_ok=True)
    (repository.tree / "pypi" / "link.yaml").symlink_to("/etc/passwd")
    repository.commit({})


def _submodule(repository):
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},deep/allowlists/pypi/sub.yaml")
    repository.git("commit", "--quiet", "-m", "a submodule")


def _odd_bytes(repository):
    (repository.tree / "pypi").mkdir(exist_ok=True)
    (repository.tree / "pypi" / os.fsdecode(b"\xff.yaml")).write_text("project: x\n")
    repository.commit({})


ODD = {
    "newline": (lambda repository: repository.commit({"pypi/a\nb.yaml": "x"}), "not allowed"),
    "space": (lambda repository: repository.commit({"pypi/a b.yaml": "x"}), "not allowed"),
    "no text": (_odd_bytes, "not allowed"),
    "link": (_link, "not a plain file"),
    "submodule": (_submodule, "not a plain file"),
}


@pytest.mark.parametrize("name", ODD)
def test_a_file_with_an_odd_name_or_mode_is_listed_and_admits_nothing(house, name):
    house.approve(house.waiting(NUMPY))
    commit, why = ODD[name]
    commit(house.repository)
    house.open()
    assert house.snapshots.problem is None
    assert [why in entry.why for entry in house.snapshots.current().refused] == [True]
    assert house.admitted() == {NUMPY.sha256}
    house.approve(house.waiting(SIX))
    assert house.admitted() == {NUMPY.sha256, SIX.sha256}


def test_a_policy_that_is_a_link_is_no_policy(house):
    (house.repository.tree / "policy.yaml").unlink()
    (house.repository.tree / "policy.yaml").symlink_to("sources.yaml")
    house.repository.commit({})
    assert not house.snapshots.refresh()
    assert "policy.yaml" in house.snapshots.problem["title"]


def test_a_tree_that_is_too_large_is_not_read(house, monkeypatch):
    monkeypatch.setattr(tree_module, "_LARGEST_TREE", 100)
    with pytest.raises(BadInputError, match="larger than 100 bytes"):
        GitTree(house.settings.allowlists).read()


def test_content_that_git_has_lost_is_named(house):
    blob = house.repository.git("rev-parse", "HEAD:deep/allowlists/sources.yaml")
    path = house.repository.folder / ".git" / "objects" / blob[:2] / blob[2:]
    path.chmod(0o600)
    path.unlink()
    with pytest.raises(CorruptError, match=r"git does not have the content of sources.yaml"):
        house.desk.means.tree.read()


@pytest.mark.parametrize("text", ["project: " + "[" * 30_000, "project: 1\n", "- &a [*a]\n"])
def test_a_hostile_file_keeps_what_is_in_force_across_a_restart(house, text):
    house.approve(house.waiting(NUMPY))
    house.repository.commit({"pypi/evil.yaml": text})
    house.open()
    assert house.snapshots.problem
    assert house.admitted() == {NUMPY.sha256}


class Explodes(FakeTree):
    error: Exception | None = None

    def read(self):
        if self.error:
            raise self.error
        return super().read()


@pytest.fixture
def exploding(tmp_path):
    tree = Explodes({"policy.yaml": POLICY, "sources.yaml": SOURCES})
    snapshots = Snapshots(
        tree,
        lambda: SIGNER,
        lambda: TRUST,
        path=tmp_path / "s.json",
        clock=FakeClock(),
        ask="http://portal.invalid",
        again=FakeRejudges(),
    )
    snapshots.refresh()
    tree.write({})
    return tree, snapshots


@pytest.mark.parametrize("error", [RecursionError("deep"), IndexError("x"), MemoryError(), OSError("io")])
def test_whatever_goes_wrong_while_compiling_keeps_the_old_policy_loudly(exploding, caplog, error):
    tree, snapshots = exploding
    tree.error = error
    with caplog.at_level(logging.ERROR):
        assert not snapshots.refresh()
        assert not snapshots.refresh()
    assert type(error).__name__ in snapshots.problem["title"]
    assert snapshots.current().sequence == 1
    assert caplog.text.count("the old one stays") == 1


def test_a_fault_of_our_own_is_not_held_against_the_commit(exploding):
    tree, snapshots = exploding
    tree.error = OSError("out of file handles")
    snapshots.refresh()
    tree.error = None
    snapshots.refresh()
    assert snapshots.problem is None


class Crash(BaseException):
    pass


class DiesBeforeCommit(GitTree):
    def commit(self, changes, **more):
        raise Crash


class DiesAfterCommit(GitTree):
    def commit(self, changes, **more):
        super().commit(changes, **more)
        raise Crash


def test_the_portal_starts_with_an_unfinished_approval_in_a_tree_that_cannot_be_read_and_finishes_it_later(house):
    request = house.waiting(NUMPY)
    house.use(DiesBeforeCommit(house.settings.allowlists))
    with pytest.raises(Crash):
        house.approve(request)
    house.repository.commit({"pypi/numpy.yaml": "project: ["})
    house.open()
    assert house.desk.unfinished
    assert house.state(request) == "approving"
    house.repository.commit({"pypi/numpy.yaml": "project: numpy\n"})
    house.snapshots.refresh()
    assert house.desk.reconcile() == 1
    assert not house.desk.unfinished
    assert house.admitted() == {NUMPY.sha256}


def test_a_portal_without_any_policy_starts_and_says_so(tmp_path):
    from tests.allowlists_tree import Repository

    repository = Repository(tmp_path / "repo")
    repository.commit({"policy.yaml": "rules: [\n"})
    house = House.__new__(House)
    house.repository = repository
    from sekisho.settings import Settings

    house.settings = Settings(data=tmp_path / "data", allowlists=repository.tree, portal_url="http://portal.invalid")
    house.clock = FakeClock()
    house.open()
    with pytest.raises(NotFoundError, match="no policy in force"):
        house.snapshots.current()
    answer = Web(house).call("GET", "/readyz")
    assert (answer.status_code, "no policy in force" in answer.text) == (404, True)
    house.ledger._engine.dispose()


def test_a_commit_message_finishes_no_approval(house):
    request = house.waiting(NUMPY)
    house.use(DiesBeforeCommit(house.settings.allowlists))
    with pytest.raises(Crash):
        house.approve(request)
    intent = house.desk.standing(request).last["approval-intended"]
    house.repository.commit({"notes.yaml": "a: 1\n"}, f"I was here\n\nSekisho-Ledger: {intent.seq}")
    house.open()
    assert house.admitted() == {NUMPY.sha256}
    assert "project: numpy" in house.repository.show("pypi/numpy.yaml")


def test_a_foreign_entry_with_the_same_id_finishes_no_approval(house):
    request = house.waiting(NUMPY)
    house.use(DiesBeforeCommit(house.settings.allowlists))
    with pytest.raises(Crash):
        house.approve(request)
    intent = house.desk.standing(request).last["approval-intended"]
    row = {"id": f"a{intent.seq}", "signature": {"keyid": "x", "sig": "AAAA"}}
    house.repository.commit({"pypi/numpy.yaml": dump_yaml({"project": "numpy", "approvals": [row]})})
    house.open()
    assert house.admitted() == {NUMPY.sha256}
    assert len(house.snapshots.current().refused) == 1


def test_what_was_committed_before_the_crash_is_not_committed_twice(house):
    request = house.waiting(NUMPY)
    house.use(DiesAfterCommit(house.settings.allowlists))
    with pytest.raises(Crash):
        house.approve(request)
    house.repository.commit({"notes.yaml": "a: 1\n"}, "something else")
    head = house.repository.head()
    house.open()
    assert (house.repository.head(), house.state(request)) == (head, "approved")
    assert house.kinds(request).count("approved") == 1


def test_each_decision_and_each_start_leaves_a_checkpoint_that_the_ledger_holds(house):
    path, trust = house.settings.data / "portal" / "checkpoint", load_trust(house.settings.trust_file)
    assert house.ledger.check(path.read_text(), trust) == 0
    house.approve(house.waiting(NUMPY))
    assert house.ledger.check(path.read_text(), trust) == house.ledger.size()
    house.desk.deny(ANNA, house.waiting(SIX), reason="no")
    assert house.ledger.check(path.read_text(), trust) == house.ledger.size()


def test_a_start_does_not_sign_away_what_was_cut_off(house, caplog):
    house.approve(house.waiting(NUMPY))
    path = house.settings.data / "portal" / "checkpoint"
    before = path.read_text()
    with house.ledger._engine.begin() as connection:
        connection.exec_driver_sql(f"delete from ledger where seq = {house.ledger.size()}")
    house.desk.keep_checkpoint()
    assert path.read_text() == before
    assert "not what was signed" in caplog.text


def test_a_checkpoint_that_cannot_be_written_does_not_undo_a_decision(house):
    request = house.waiting(NUMPY)
    path = house.settings.data / "portal" / "checkpoint"
    path.unlink()
    path.mkdir()
    house.approve(request)
    assert house.state(request) == "approved"
