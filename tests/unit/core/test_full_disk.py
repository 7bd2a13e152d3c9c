"""On a disk with no room left, nothing half-written stays. The disk is a tiny one, mounted in the test's namespace."""

import os
import subprocess

import pytest

from sekisho.database import open_database
from sekisho.errors import StorageFullError
from sekisho.ledger import Ledger
from sekisho.store import BlobStore, write_atomically

ROOM = 256 * 1024


@pytest.fixture
def disk(tmp_path):
    if os.environ.get("SEKISHO_NETWORK") != "cut":
        pytest.skip("a small disk can only be mounted in a namespace: run this with tests/without-network.sh")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(tmp_path)], check=True)
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def _files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_blob_that_does_not_fit_is_refused_and_leaves_nothing(disk):
    store = BlobStore(disk / "store")
    kept = store.add([b"small"])
    with pytest.raises(StorageFullError) as caught:
        store.add(b"x" * 65536 for _ in range(16))
    assert _files(disk) == [kept]
    assert caught.value.where == str(store.root)
    assert "run the same command again" in caught.value.todo


def test_a_blob_fits_again_once_there_is_room(disk):
    store = BlobStore(disk / "store")
    (disk / "ballast").write_bytes(b"x" * (ROOM - 32768))
    with pytest.raises(StorageFullError):
        store.add([b"y" * 65536])
    (disk / "ballast").unlink()
    assert store.has(store.add([b"y" * 65536]))


def test_a_file_that_does_not_fit_keeps_its_old_content(disk):
    path = disk / "trust.json"
    write_atomically(path, b"old")
    with pytest.raises(StorageFullError):
        write_atomically(path, b"x" * 2 * ROOM)
    assert path.read_bytes() == b"old"
    assert _files(disk) == ["trust.json"]


def test_the_ledger_refuses_a_row_that_does_not_fit_and_still_holds(disk):
    engine = open_database(f"sqlite:///{disk}/ledger.sqlite")
    ledger = Ledger(engine)
    ledger.append("requested", "r1", actor="rita")
    with pytest.raises(StorageFullError):
        ledger.append("resolved", "r1", actor="service", body={"closure": "x" * 2 * ROOM})
    assert ledger.verify()[0] == 1
    assert ledger.append("failed", "r1", actor="service").seq == 2
    engine.dispose()
