"""The fakes answer as the real things do."""

import hashlib
import subprocess

import pytest

from sekisho.errors import BadInputError, ConflictError
from sekisho.store import BlobStore
from sekisho_portal.tree import GitTree
from tests.fakes import FakeBlobs, FakeContainers, FakeTree


@pytest.fixture(params=["real", "fake"])
def blobs(request, tmp_path):
    if request.param == "fake":
        return FakeBlobs(tmp_path), FakeBlobs(tmp_path).put
    store = BlobStore(tmp_path)
    return store, lambda data: store.add([data])


def test_blobs_are_here_once_they_were_put(blobs):
    store, put = blobs
    sha256 = hashlib.sha256(b"data").hexdigest()
    assert not store.has(sha256)
    assert put(b"data") == sha256
    assert store.has(sha256)
    assert store.path(sha256).read_bytes() == b"data"


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
