"""The order of writes and flushes, as a recording disk saw it: bytes, then their flush, then the name, then its folder."""

import hashlib
import re

import pytest

from sekisho.disk import Disk
from sekisho.errors import CorruptError
from sekisho.store import BlobStore, write_atomically, write_secret_once
from tests.unit.disk.recording import RecordingDisk

DATA = b"some bytes"
SHA256 = hashlib.sha256(DATA).hexdigest()
SHELF = SHA256[:2]


@pytest.fixture
def disk(tmp_path):
    return RecordingDisk(tmp_path)


def _said(disk):
    """The steps, with the random part of names made readable."""
    return [re.sub(r"[0-9a-f]{32}(?![0-9a-f])", "<half>", said.replace(SHA256, "<blob>")) for said in disk.told()]


def test_a_blob_is_flushed_before_it_is_named_and_its_folders_are_flushed_before_that_is_told(disk, tmp_path):
    store = BlobStore(tmp_path / "blobs", disk=disk)
    store.add([DATA[:4], DATA[4:]])
    disk.tell("kept")
    store.add([DATA])
    assert _said(disk) == [
        "make-folder blobs",
        "flush-folder .",
        "make-folder blobs/incoming",
        "flush-folder blobs",
        "create blobs/incoming/<half>",
        "write blobs/incoming/<half>",
        "write blobs/incoming/<half>",
        "flush blobs/incoming/<half>",
        "make-folder blobs/sha256",
        "flush-folder blobs",
        f"make-folder blobs/sha256/{SHELF}",
        "flush-folder blobs/sha256",
        f"rename blobs/incoming/<half> blobs/sha256/{SHELF}/<blob>",
        f"flush-folder blobs/sha256/{SHELF}",
        "told kept",
        "create blobs/incoming/<half>",
        "write blobs/incoming/<half>",
        "flush blobs/incoming/<half>",
        f"rename blobs/incoming/<half> blobs/sha256/{SHELF}/<blob>",
        f"flush-folder blobs/sha256/{SHELF}",
    ]


def test_a_blob_that_is_not_what_was_expected_is_never_named(disk, tmp_path):
    store = BlobStore(tmp_path, disk=disk)
    with pytest.raises(CorruptError):
        store.add([DATA], expected="0" * 64)
    assert _said(disk)[2:] == ["create incoming/<half>", "write incoming/<half>", "remove incoming/<half>"]


def test_what_is_adopted_is_durable_under_its_new_name(disk, tmp_path):
    quarantine, blobs = (BlobStore(tmp_path / name, disk=disk) for name in ("quarantine", "blobs"))
    quarantine.add([DATA])
    before = len(disk.steps)
    blobs.adopt(quarantine.path(SHA256), SHA256)
    assert _said(disk)[before:] == [
        "make-folder blobs/sha256",
        "flush-folder blobs",
        f"make-folder blobs/sha256/{SHELF}",
        "flush-folder blobs/sha256",
        f"rename quarantine/sha256/{SHELF}/<blob> blobs/sha256/{SHELF}/<blob>",
        f"flush-folder blobs/sha256/{SHELF}",
    ]


def test_a_file_is_replaced_by_one_that_is_durable(disk, tmp_path):
    for data in (b"old", b"new"):
        write_atomically(tmp_path / "a" / "file", data, disk=disk)
    written = [
        "create a/.file.<half>",
        "write a/.file.<half>",
        "flush a/.file.<half>",
        "rename a/.file.<half> a/file",
        "flush-folder a",
    ]
    assert _said(disk) == ["make-folder a", "flush-folder .", *written, *written]


def test_a_secret_is_durable_before_anybody_may_use_it(disk, tmp_path):
    for data in (b"one", b"two"):
        write_secret_once(tmp_path / "key", data, disk=disk)
    assert _said(disk) == [
        "create .key.<half>",
        "write .key.<half>",
        "flush .key.<half>",
        "link .key.<half> key",
        "remove .key.<half>",
        "flush-folder .",
        "flush-folder .",  # the second finds it, and does not trust that the first came this far
    ]
    assert (tmp_path / "key").read_bytes() == b"one"
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_a_killed_process_made_is_flushed_once_by_the_next(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    disk = RecordingDisk(tmp_path)
    for name in ("one", "two"):
        write_atomically(tmp_path / "a" / "b" / name, b"", disk=disk)
    flushed = [step.path for step in disk.steps if step.kind == "flush-folder"]
    assert flushed == [".", "a", "a/b", "a/b"]


def test_a_folder_that_was_removed_is_made_durable_again(disk, tmp_path):
    folder = tmp_path / "a"
    disk.settle(folder)
    folder.rmdir()
    disk.settle(folder)
    assert disk.told() == ["make-folder a", "flush-folder ."] * 2


def test_one_above_that_cannot_be_opened_does_not_matter_and_one_that_was_made_does(tmp_path):
    class Closed(Disk):
        def flush_folder(self, folder):
            if not folder.is_relative_to(tmp_path):
                raise PermissionError(folder)
            super().flush_folder(folder)

    Closed().settle(tmp_path / "a")

    class Broken(Disk):
        def flush_folder(self, folder):
            raise OSError(5, "the disk is broken")

    with pytest.raises(OSError, match="broken"):
        Broken().settle(tmp_path / "b")
