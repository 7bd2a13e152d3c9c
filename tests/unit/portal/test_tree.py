import threading

import pytest

from sekisho.errors import ConflictError, NotFoundError, SekishoError
from sekisho_portal.tree import GitTree
from tests.allowlists_tree import POLICY, Repository


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "repo")


@pytest.fixture
def tree(repository):
    return GitTree(repository.tree)


def _commit(tree, changes, base=None, trailer="Sekisho-Ledger: 1"):
    return tree.commit(changes, base=base or tree.revision(), message="Approve", trailers=[trailer])


def test_the_tree_is_read_from_the_newest_commit_below_its_own_folder(repository, tree):
    revision, files = tree.read()
    assert revision == repository.head()
    assert set(files) == {"policy.yaml", "sources.yaml"}
    assert files["policy.yaml"] == POLICY


def test_what_is_not_committed_does_not_count(repository, tree):
    (repository.tree / "policy.yaml").write_text("version: 1\nrules: []\n")
    (repository.tree / "pypi").mkdir()
    (repository.tree / "pypi" / "evil.yaml").write_text("project: evil\n")
    repository.git("add", ".")
    assert tree.read()[1]["policy.yaml"] == POLICY
    assert "pypi/evil.yaml" not in tree.read()[1]


def test_odd_bytes_are_read_and_odd_file_names_are_not(repository, tree):
    repository.commit({"pypi/ünï côde.yaml": "a\n", "empty.yaml": ""})
    (repository.tree / "latin.yaml").write_bytes(b"a: \xff\n")
    repository.commit({"pypi/last.yaml": "no newline at the end"})
    files = tree.read()[1]
    assert files["pypi/ünï côde.yaml"] is None
    assert files["empty.yaml"] == ""
    assert files["latin.yaml"] == "a: \ufffd\n"
    assert files["pypi/last.yaml"] == "no newline at the end"


def test_a_commit_writes_exactly_its_changes(repository, tree):
    before = repository.head()
    revision = _commit(tree, {"pypi/six.yaml": "project: six\n", "pypi/numpy.yaml": "project: numpy\n"})
    assert revision == repository.head() == tree.revision()
    changed = repository.git("diff", "--name-only", before, revision).splitlines()
    assert changed == ["deep/allowlists/pypi/numpy.yaml", "deep/allowlists/pypi/six.yaml"]
    assert tree.read()[1]["pypi/six.yaml"] == "project: six\n"
    assert repository.git("log", "-1", "--format=%an <%ae>") == "Sekisho portal <portal@sekisho.invalid>"


def test_a_commit_is_shown_in_the_work_tree_and_leaves_it_clean(repository, tree):
    _commit(tree, {"pypi/six.yaml": "project: six\n"})
    assert (repository.tree / "pypi" / "six.yaml").read_text() == "project: six\n"
    assert repository.git("status", "--short") == ""


def test_what_a_person_has_staged_or_edited_is_not_committed_and_not_lost(repository, tree):
    (repository.folder / "README.md").write_text("staged\n")
    repository.git("add", "README.md")
    (repository.tree / "policy.yaml").write_text("edited\n")
    _commit(tree, {"pypi/six.yaml": "project: six\n"})
    assert repository.git("show", "HEAD:README.md") == "not part of the tree"
    assert repository.git("status", "--short").splitlines() == ["M  README.md", " M deep/allowlists/policy.yaml"]


def test_a_commit_on_an_older_revision_is_a_conflict_and_overwrites_nothing(repository, tree):
    base = tree.revision()
    by_hand = repository.commit({"pypi/six.yaml": "by hand\n"})
    with pytest.raises(ConflictError):
        _commit(tree, {"pypi/six.yaml": "by the portal\n"}, base=base)
    assert repository.head() == by_hand
    assert repository.show("pypi/six.yaml") == "by hand"


def test_a_commit_between_the_last_look_and_the_swap_is_a_conflict(repository):
    class Slow(GitTree):
        def _git(self, *arguments, **more):
            if arguments[0] == "update-ref":
                repository.commit({"pypi/six.yaml": "by hand\n"})
            return super()._git(*arguments, **more)

    with pytest.raises(ConflictError):
        _commit(Slow(repository.tree), {"pypi/numpy.yaml": "by the portal\n"})
    assert repository.show("pypi/six.yaml") == "by hand"
    assert repository.git("log", "--format=%s") == "by hand\nfirst"


def test_of_commits_at_once_one_wins_each_time_and_none_is_lost(repository, tree):
    won = []

    def commit(number):
        for _ in range(200):
            try:
                _commit(tree, {f"pypi/p{number}.yaml": f"project: p{number}\n"})
            except SekishoError:  # a conflict, or git's own lock held for too long
                continue
            won.append(number)
            return

    threads = [threading.Thread(target=commit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(won) == [0, 1, 2, 3]
    assert repository.count() == 5
    assert {f"pypi/p{number}.yaml" for number in range(4)} <= set(tree.read()[1])


def test_a_commit_stands_even_if_the_work_tree_cannot_show_it(repository, tree):
    (repository.folder / ".git" / "index.lock").touch()
    revision = _commit(tree, {"pypi/six.yaml": "project: six\n"})
    assert repository.head() == revision
    assert not (repository.tree / "pypi").exists()


def test_a_branch_that_cannot_be_moved_is_no_conflict(repository, tree):
    (repository.folder / ".git" / "refs" / "heads" / "main.lock").touch()
    before = repository.head()
    with pytest.raises(SekishoError, match="update-ref") as caught:
        _commit(tree, {"pypi/six.yaml": "project: six\n"})
    assert not isinstance(caught.value, ConflictError)
    assert repository.head() == before


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(NotFoundError) as caught:
        GitTree(tmp_path / "none")
    assert "SEKISHO_ALLOWLISTS" in caught.value.todo


@pytest.mark.parametrize("init", [False, True])
def test_a_folder_without_a_first_commit_says_how_to_make_one(tmp_path, init):
    if init:
        import subprocess

        subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    with pytest.raises(NotFoundError) as caught:
        GitTree(tmp_path)
    assert "git -C" in caught.value.todo
