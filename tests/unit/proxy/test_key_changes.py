"""A proxy and a replica learn of new keys from what they are given, and forget no revocation."""

import asyncio
from datetime import timedelta

import pytest

from sekisho.errors import CorruptError, RefusedError
from sekisho.model import sha256_hex
from sekisho.policy import Door
from sekisho.policy.sealing import seal_snapshot
from sekisho.settings import Settings
from sekisho.signing import BUNDLE_TYPE, Signer, Trust
from sekisho.succession import EndedKey, NewKey, seal, sign_key_statement
from sekisho_proxy import kept
from sekisho_proxy.bundle.arrive import import_bundle
from sekisho_proxy.bundle.manifest import MANIFEST, SNAPSHOT, FileEntry, Manifest
from sekisho_proxy.compose import snapshot_file
from sekisho_proxy.follow import Held
from tests.records import NOW, SIGNER, artifact, signed, snapshot

PURPOSES = "approval", "snapshot"
NEXT, EXPORT, EXPORT_NEXT = Signer.generate(), Signer.generate(), Signer.generate()
TRUST = Trust(SIGNER.trusted("portal", *PURPOSES), EXPORT.trusted("export", "bundle"))
ADDED = sign_key_statement(NewKey(key=NEXT.trusted("portal", *PURPOSES), at=NOW), SIGNER)
GOOD, FORGED = signed(artifact()), signed(artifact("stolen"), id="a2")
OTHER = signed(artifact("other"), id="a3")


def _ended(key, by, *stands):
    return sign_key_statement(
        EndedKey(keyid=key.keyid, at=NOW, reason="lost", rows=5, stands=tuple(sorted(stands))), by
    )


ENDED = _ended(SIGNER, NEXT, GOOD.approval.digest(), OTHER.approval.digest(), ADDED.statement.digest())
EXPORT_ADDED = sign_key_statement(NewKey(key=EXPORT_NEXT.trusted("export", "bundle"), at=NOW), EXPORT)
EXPORT_ENDED = _ended(EXPORT, EXPORT_NEXT, EXPORT_ADDED.statement.digest())


def _sealed(sequence, *approvals, by, keys=()):
    return seal_snapshot(snapshot(*approvals, sequence=sequence), by, keys).canonical()


@pytest.fixture
def settings(tmp_path):
    settings = Settings(data=tmp_path / "data", replica=True)
    settings.data.mkdir()
    settings.trust_file.write_text(TRUST.dump())
    return settings


def _held(settings):
    return Held(snapshot_file(settings), settings.trust_file, lambda: NOW)


def _takes(held, data):
    return asyncio.run(held.offer(data, store=True))


def test_a_proxy_follows_the_portal_to_its_new_key_and_over_the_end_of_the_old(settings):
    held = _held(settings)
    assert _takes(held, _sealed(1, GOOD, by=SIGNER))
    assert not _takes(held, _sealed(2, GOOD, by=NEXT))  # nobody vouches for that key
    assert _takes(held, _sealed(2, GOOD, by=NEXT, keys=[ADDED]))
    assert _takes(held, _sealed(3, GOOD, by=NEXT, keys=[ADDED, ENDED]))
    assert Door(held.present(), "everyone").hashes(NOW) == {artifact().sha256}


def test_who_stole_the_old_key_changes_nothing_by_leaving_out_what_was_said(settings):
    held = _held(settings)
    assert _takes(held, _sealed(1, GOOD, by=NEXT, keys=[ADDED, ENDED]))
    for keys in ((), (ADDED,)):
        assert not _takes(held, _sealed(2, GOOD, FORGED, by=SIGNER, keys=keys))
        assert not _takes(held, _sealed(2, GOOD, FORGED, by=NEXT, keys=keys))
    again = _held(settings)  # after a restart too
    assert asyncio.run(again.load())
    assert not _takes(again, _sealed(2, GOOD, FORGED, by=SIGNER))
    assert _takes(again, _sealed(2, GOOD, by=NEXT))


def _bundle(folder, sequence, sealed, by, keys=()):
    manifest = Manifest(
        sequence=sequence,
        created=NOW,
        expires=NOW + timedelta(days=30),
        snapshot=FileEntry(sha256=sha256_hex(sealed), size=len(sealed)),
        blobs=(),
    )
    folder.mkdir()
    (folder / SNAPSHOT).write_bytes(sealed)
    envelope = seal(by.envelope(BUNDLE_TYPE, manifest.canonical()), keys)
    (folder / MANIFEST).write_bytes(envelope.canonical())
    return folder


def test_a_replica_follows_exporter_and_portal_through_bundles_and_forgets_no_revocation(settings, tmp_path):
    first = _bundle(tmp_path / "1", 1, _sealed(1, GOOD, by=SIGNER), EXPORT)
    assert import_bundle(settings, first, now=NOW).sequence == 1
    told = [ADDED, ENDED, EXPORT_ADDED, EXPORT_ENDED]
    second = _bundle(tmp_path / "2", 2, _sealed(2, GOOD, by=NEXT, keys=[ADDED, ENDED]), EXPORT_NEXT, told)
    assert import_bundle(settings, second, now=NOW).sequence == 2
    good = _sealed(3, GOOD, by=NEXT)
    for name, sealed, by in (
        ("stolen-export", good, EXPORT),
        ("stolen-portal", _sealed(3, GOOD, FORGED, by=SIGNER), EXPORT_NEXT),
        ("forged-entry", _sealed(3, GOOD, FORGED, by=NEXT), EXPORT_NEXT),
    ):
        with pytest.raises(CorruptError, match="was revoked"):
            import_bundle(settings, _bundle(tmp_path / name, 3, sealed, by), now=NOW)
    assert import_bundle(settings, _bundle(tmp_path / "3", 3, good, EXPORT_NEXT), now=NOW).sequence == 3
    held = _held(settings)
    assert asyncio.run(held.load())


def test_a_running_replica_takes_up_what_an_import_brought(settings, tmp_path):
    import_bundle(settings, _bundle(tmp_path / "1", 1, _sealed(1, GOOD, by=SIGNER), EXPORT), now=NOW)
    held = _held(settings)
    assert asyncio.run(held.load())
    sealed = _sealed(2, GOOD, by=NEXT, keys=[ADDED, ENDED])
    import_bundle(settings, _bundle(tmp_path / "2", 2, sealed, EXPORT), now=NOW)
    assert asyncio.run(held.load())
    assert held.present().sequence == 2


def test_a_policy_under_a_new_key_outlasts_a_restart_however_little_of_it_changed(settings, monkeypatch):
    monkeypatch.setattr(kept, "_SMALL", 0)
    held = _held(settings)
    assert _takes(held, _sealed(1, GOOD, OTHER, by=SIGNER))
    assert _takes(held, _sealed(2, GOOD, OTHER, by=NEXT, keys=[ADDED]))
    assert _takes(held, _sealed(3, GOOD, OTHER, by=NEXT, keys=[ADDED, ENDED]))
    again = _held(settings)
    assert asyncio.run(again.load())
    assert (again.present().sequence, again.refused, again.keys) == (3, None, held.keys)


def test_a_policy_on_the_disk_that_does_not_hold_is_written_anew(settings, monkeypatch):
    monkeypatch.setattr(kept, "_SMALL", 0)
    assert _takes(_held(settings), _sealed(1, GOOD, OTHER, by=SIGNER))
    file = snapshot_file(settings)
    file.write_bytes(file.read_bytes().replace(SIGNER.keyid.encode(), NEXT.keyid.encode(), 1))
    held = _held(settings)
    assert not asyncio.run(held.load())
    assert _takes(held, _sealed(2, GOOD, OTHER, by=SIGNER))
    assert _takes(held, _sealed(3, GOOD, OTHER, by=SIGNER))
    again = _held(settings)
    assert asyncio.run(again.load())
    assert (again.present().sequence, again.refused) == (3, None)


def test_an_import_goes_not_behind_what_came_after_the_whole_policy_on_the_disk(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "_SMALL", 0)
    held = _held(settings)
    assert _takes(held, _sealed(1, GOOD, OTHER, by=SIGNER))
    assert _takes(held, _sealed(3, GOOD, OTHER, by=SIGNER))
    older = _bundle(tmp_path / "2", 2, _sealed(2, GOOD, OTHER, by=SIGNER), EXPORT)
    with pytest.raises(RefusedError, match="older than 3, which is in force here"):
        import_bundle(settings, older, now=NOW)
    newer = _bundle(tmp_path / "4", 4, _sealed(4, GOOD, by=SIGNER), EXPORT)
    assert import_bundle(settings, newer, now=NOW).sequence == 4
    again = _held(settings)
    assert asyncio.run(again.load())
    assert again.present().sequence == 4
