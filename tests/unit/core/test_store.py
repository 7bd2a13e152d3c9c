import hashlib

import pytest

from sekisho.errors import CorruptError, NotFoundError
from sekisho.store import BlobStore, chunks, file_sha256, write_atomically

DATA = b"some bytes"
SHA256 = hashlib.sha256(DATA).hexdigest()


def _files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_blob_is_kept_by_its_hash(tmp_path):
    store = BlobStore(tmp_path)
    assert store.add([DATA[:4], DATA[4:]]) == SHA256
    assert store.has(SHA256)
    assert store.read(SHA256) == DATA
    assert store.path(SHA256) == tmp_path / "sha256" / SHA256[:2] / SHA256


def test_a_blob_is_invisible_until_it_was_verified(tmp_path):
    store = BlobStore(tmp_path)
    with store.receive() as incoming:
        incoming.write(DATA)
        assert not store.has(SHA256)
        assert incoming.keep(SHA256) == SHA256
        assert store.has(SHA256)
    assert _files(tmp_path) == [SHA256]


def test_bytes_with_another_hash_leave_nothing(tmp_path):
    store = BlobStore(tmp_path)
    with pytest.raises(CorruptError, match=SHA256):
        store.add([b"other"], expected=SHA256)
    assert _files(tmp_path) == []


def test_a_source_that_breaks_off_leaves_nothing(tmp_path):
    def broken():
        yield DATA
        raise ConnectionError

    store = BlobStore(tmp_path)
    with pytest.raises(ConnectionError):
        store.add(broken())
    assert _files(tmp_path) == []


def test_what_is_not_kept_is_gone(tmp_path):
    with BlobStore(tmp_path).receive() as incoming:
        incoming.write(DATA)
    assert _files(tmp_path) == []


def test_the_same_blob_twice_is_one_file(tmp_path):
    store = BlobStore(tmp_path)
    store.add([DATA])
    store.add([DATA])
    assert _files(tmp_path) == [SHA256]


def test_sweep_removes_what_a_crash_left_and_nothing_else(tmp_path):
    store = BlobStore(tmp_path)
    store.add([DATA])
    (store.incoming / "left-1").write_bytes(b"half")
    (store.incoming / "left-2").write_bytes(b"half")
    assert BlobStore(tmp_path).sweep() == 2
    assert _files(tmp_path) == [SHA256]
    assert store.sweep() == 0


def test_a_verified_file_is_adopted_by_renaming(tmp_path):
    store = BlobStore(tmp_path / "store")
    source = tmp_path / "verified"
    source.write_bytes(DATA)
    inode = source.stat().st_ino
    store.adopt(source, SHA256)
    assert not source.exists()
    assert store.path(SHA256).stat().st_ino == inode


@pytest.mark.parametrize(
    "name", ["", "..", "../../etc/passwd", "A" * 64, "a" * 63, f"{'a' * 64}\n", f"a/{'a' * 62}", "\x00"]
)
def test_what_is_no_sha256_is_not_found_and_reaches_no_path(tmp_path, name):
    store = BlobStore(tmp_path)
    for ask in (store.path, store.has, store.read):
        with pytest.raises(NotFoundError):
            ask(name)


def test_a_blob_that_is_not_here_is_not_found(tmp_path):
    with pytest.raises(NotFoundError, match="a" * 64):
        BlobStore(tmp_path).read("a" * 64)


def test_a_folder_of_that_name_is_no_blob(tmp_path):
    store = BlobStore(tmp_path)
    store.path(SHA256).mkdir(parents=True)
    assert not store.has(SHA256)


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "deep" / "file"
    write_atomically(path, b"old")
    with path.open("rb") as reader:
        write_atomically(path, b"new and longer")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new and longer"
    assert _files(tmp_path) == ["file"]


def test_a_file_that_cannot_be_replaced_stays_and_nothing_is_left_beside_it(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_atomically(tmp_path / "taken", b"new")
    assert _files(tmp_path) == []


def test_a_file_is_read_in_chunks_and_hashed(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(DATA)
    assert list(chunks(path, 4)) == [b"some", b" byt", b"es"]
    assert file_sha256(path) == SHA256
