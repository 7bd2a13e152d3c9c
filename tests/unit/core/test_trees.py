"""A tree is texts, wherever it is read from; links and large files have none."""

import pytest

from sekisho.allowlist import LARGEST_FILE
from sekisho.errors import NotFoundError
from sekisho.trees import read_tree
from tests.allowlists_tree import POLICY, Repository


@pytest.fixture
def site(tmp_path):
    repository = Repository(tmp_path / "site")
    (repository.tree / "pypi").mkdir()
    (repository.tree / "pypi" / "link.yaml").symlink_to("/etc/hostname")
    (repository.tree / "pypi" / "large.yaml").write_text("#" * (LARGEST_FILE + 1))
    (repository.tree / "pypi" / "odd.yaml").write_bytes(b"\xff")
    (repository.tree / "notes.txt").write_text("not part of it")
    repository.commit({"pypi/numpy.yaml": "project: numpy\n"})
    return repository


@pytest.mark.parametrize("of", ["folder", "HEAD", "main"])
def test_a_folder_and_a_revision_read_the_same(site, of):
    files = read_tree(str(site.tree) if of == "folder" else of, site.tree)
    assert files == {
        "policy.yaml": POLICY,
        "sources.yaml": "sources: [{id: pypi, preset: pypi}]\n",
        "pypi/numpy.yaml": "project: numpy\n",
        "pypi/odd.yaml": "�",
        "pypi/link.yaml": None,
        "pypi/large.yaml": None,
    }


def test_a_revision_is_what_was_committed_then(site):
    site.commit({"policy.yaml": "later"})
    assert read_tree("HEAD~1", site.tree)["policy.yaml"] == POLICY


@pytest.mark.parametrize("name", ["nothing", "--output=x", "HEAD~99"])
def test_what_is_neither_is_refused(site, name):
    with pytest.raises(NotFoundError, match="no revision either"):
        read_tree(name, site.tree)


def test_a_folder_outside_a_repository_has_no_revisions(tmp_path):
    with pytest.raises(NotFoundError, match="no revision either"):
        read_tree("HEAD", tmp_path)
