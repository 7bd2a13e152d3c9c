"""A large policy is on the disk as a whole, and what came after it; what is read is the newest, or what was before."""

import pytest

from sekisho.disk import DISK
from sekisho.policy.sealing import Opener, Sealer
from sekisho_proxy import kept
from sekisho_proxy.kept import Kept
from tests.records import SIGNER, TRUST, artifact, signed, snapshot

MANY = tuple(signed(artifact(f"package-{number}")) for number in range(100))


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "_SMALL", 0)
    sealer, opener = Sealer(), Opener()
    file = tmp_path / "snapshot.json"

    def write(on_disk, *approvals):
        opened = opener.open(sealer.seal(snapshot(*approvals), SIGNER), TRUST)
        on_disk.write(opened)
        return opened.snapshot

    return file, file.with_name("snapshot.changes.json"), write


def _read(file):
    opener = Opener()
    return [opener.open(read(), TRUST).snapshot for read in Kept(file, DISK).read()]


def test_a_change_writes_what_changed_and_a_start_reads_both(world):
    file, changes, write = world
    on_disk = Kept(file, DISK)
    first = write(on_disk, *MANY)
    assert _read(file) == [first]
    whole = file.read_bytes()
    for left in (MANY[1:], MANY[:50] + MANY[51:]):
        newest = write(on_disk, *left)
        assert file.read_bytes() == whole
        assert changes.stat().st_size < len(whole) / 3
        assert _read(file) == [first, newest]


def test_where_much_changed_the_whole_is_written_anew_and_nothing_is_left_over(world):
    file, changes, write = world
    on_disk = Kept(file, DISK)
    write(on_disk, *MANY)
    write(on_disk, *MANY[1:])
    left_over = changes.read_bytes()
    other = write(on_disk, *(signed(artifact(f"other-{number}")) for number in range(100)))
    assert not changes.exists()
    changes.write_bytes(left_over)  # as after a crash between the two
    assert _read(file) == [other]
    changes.write_bytes(left_over[:99])
    assert _read(file) == [other]


def test_one_who_goes_on_from_what_is_on_the_disk_writes_changes_of_that(world):
    file, changes, write = world
    first = write(Kept(file, DISK), *MANY)
    again = Kept(file, DISK)
    [read] = again.read()
    read()
    newest = write(again, *MANY[:-1])
    assert changes.exists()
    assert _read(file) == [first, newest]
