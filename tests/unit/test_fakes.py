"""The fakes answer as the real things do."""

import subprocess

import pytest

from sekisho.errors import BadInputError, ConflictError
from sekisho_portal.tree import GitTree
from tests.fakes import FakeContainers, FakeTree


@pytest.fixture(params=["real", "fake"])
def tree(request, tmp_path):
    if request.param == "fake":
        return FakeTree({"a.yaml": "old\n"})
    (tmp_path / "a.yaml").write_text("old\n")
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    return GitTree(tmp_path)


def test_a_tree_takes_changes_on_its_newest_revision_only(tree):
    base, files = tree.read()
    assert files == {"a.yaml": "old\n"}
    assert base == tree.revision()
    new = tree.commit({"b.yaml": "new\n"}, base=base, message="m", trailers=["T: 1"])
    assert tree.read() == (new, {"a.yaml": "old\n", "b.yaml": "new\n"})
    with pytest.raises(ConflictError):
        tree.commit({"b.yaml": "late\n"}, base=base, message="m", trailers=[])
    assert tree.revision() == new


def test_an_engine_pulls_by_digest_only():
    from sekisho.containers import DockerContainers

    for engine in (FakeContainers(), DockerContainers("unix:///nowhere.sock")):
        with pytest.raises(BadInputError, match="by tag"):
            engine.pull("reg.invalid/image:latest")
