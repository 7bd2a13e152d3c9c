"""The restore drill: copied while people decide, destroyed, put back, and everything is as it was."""

import asyncio
import base64
import hashlib
import json
import shutil
import threading

import pytest

from sekisho.backup import make_backup, restore_backup
from sekisho.errors import BadInputError, ConflictError, CorruptError, NotFoundError
from sekisho.keys import key_path, load_trust
from sekisho.policy import Door, open_snapshot
from sekisho.settings import Settings
from sekisho.signing import Signer, Trust
from sekisho.tokens import Tokens
from sekisho.trees import read_tree
from sekisho_proxy.conda.seen import FILE, FirstSeen
from sekisho_proxy.follow import Held
from tests.command_line import run
from tests.records import artifact
from tests.unit.portal.house import ANNA, House

MANY = 4


def _destroy(house):
    house.ledger._engine.dispose()
    shutil.rmtree(house.settings.data)
    shutil.rmtree(house.repository.folder)


def _where(house):
    return {"SEKISHO_DATA": str(house.settings.data), "SEKISHO_ALLOWLISTS": str(house.settings.allowlists)}


def test_a_site_that_was_copied_under_writes_comes_back_whole(house, tmp_path):
    """Approvals and requests go on while the copy is made, by the real command in a thread beside them."""
    house.approve(house.waiting())
    waiting = [house.waiting(artifact(f"pkg{number}", "1.0")) for number in range(MANY)]
    started, failed = threading.Event(), []

    def decide():
        try:
            for number, request in enumerate(waiting):
                house.approve(request)
                house.ask(requirements=[f"other{number}"])
                started.set()
        except Exception as error:  # noqa: BLE001 (told below)
            failed.append(error)
            started.set()

    writer = threading.Thread(target=decide)
    writer.start()
    assert started.wait(60)
    manifest = make_backup(house.settings, tmp_path / "backup", secrets=True)
    writer.join(60)
    assert not failed
    later = {signed.approval.id for signed in house.snapshots.current().approvals}
    _destroy(house)

    done = restore_backup(house.settings, tmp_path / "backup")

    assert done.rows
    assert done.revision == manifest.tree.revision == house.repository.head()
    assert run("audit", "verify", **_where(house)).status == 0
    house.open()
    on_record = {row.body["id"] for row in house.ledger.entries(kinds=("approved",))}
    in_force = {signed.approval.id for signed in house.snapshots.current().approvals}
    assert in_force == on_record <= later  # what was decided is in the tree, and nothing else is
    assert len(in_force) >= 2
    assert run("audit", "export", "--to", str(tmp_path / "export"), **_where(house)).status == 0
    assert run("audit", "verify", str(tmp_path / "export"), **_where(house)).status == 0


def test_approvals_tokens_counts_and_doors_are_the_same(house, tmp_path):
    house.approve(house.waiting())
    house.approve(house.waiting(artifact("team", "1.0"), workspace="team-a"))
    house.desk.revoke(ANNA, "six", reason="bad")
    secret = house.tokens.issue("zoe", ("approver",))
    before = [house.admitted(), house.admitted("team-a"), house.ledger.verify()]
    statements = house.desk.statements("a5")
    make_backup(house.settings, tmp_path / "backup", secrets=True)
    key = key_path(house.settings, "portal").read_bytes()
    _destroy(house)
    restore_backup(house.settings, tmp_path / "backup")
    house.open()
    assert [house.admitted(), house.admitted("team-a"), house.ledger.verify()] == before
    assert house.tokens.identify(secret).name == "zoe"
    assert house.desk.statements("a5") == statements
    assert key_path(house.settings, "portal").read_bytes() == key
    assert key_path(house.settings, "portal").stat().st_mode & 0o777 == 0o600
    house.approve(house.waiting(artifact("later", "1.0")))
    assert len(house.admitted()) == 2


def test_a_proxy_that_saw_later_policies_takes_what_is_in_force_after_a_restore(house, tmp_path):
    house.approve(house.waiting())
    make_backup(house.settings, tmp_path / "backup", secrets=True)
    shutil.copy(house.settings.trust_file, tmp_path / "trust.json")
    for number in range(3):
        house.approve(house.waiting(artifact(f"pkg{number}", "1.0")))
    held = Held(tmp_path / "proxy.json", tmp_path / "trust.json", house.clock)
    assert asyncio.run(held.offer(house.snapshots.sealed().canonical(), store=True))
    _destroy(house)
    restore_backup(house.settings, tmp_path / "backup")
    house.open()
    assert asyncio.run(held.offer(house.snapshots.sealed().canonical(), store=True))
    assert Door(held.present(), "everyone").hashes(house.clock()) == house.admitted()
    sequence = house.snapshots.current().sequence
    house.open()  # the gap is left once
    assert house.snapshots.current().sequence == sequence


def test_without_secrets_there_is_none_in_it_and_the_site_makes_a_new_key(house, tmp_path):
    house.approve(house.waiting())
    admitted, old = house.admitted(), house.desk.means.signer.keyid
    make_backup(house.settings, tmp_path / "backup")
    names = {path.name for path in (tmp_path / "backup").rglob("*") if path.is_file()}
    assert not names & {"portal.pem", "service.token"}
    whole = b"".join(path.read_bytes() for path in (tmp_path / "backup").rglob("*") if path.is_file())
    assert house.settings.service_token_file.read_bytes().strip() not in whole
    _destroy(house)
    done = restore_backup(house.settings, tmp_path / "backup")
    assert any("no private keys" in note for note in done.notes)
    house.open()
    assert house.admitted() == admitted
    assert house.desk.means.signer.keyid != old
    trust = load_trust(house.settings.trust_file)
    assert set(trust.keys) == {old, house.desk.means.signer.keyid}
    assert open_snapshot(house.snapshots.sealed(), trust) == house.snapshots.current()


@pytest.fixture
def backup(house, tmp_path):
    house.approve(house.waiting())
    make_backup(house.settings, tmp_path / "backup", secrets=True)
    return tmp_path / "backup"


def _elsewhere(tmp_path):
    return Settings(data=tmp_path / "new" / "data", allowlists=tmp_path / "new" / "repo" / "deep" / "allowlists")


def _nothing_is_there(settings):
    return not settings.data.exists() and not settings.allowlists.exists()


def test_a_backup_can_be_restored_elsewhere(house, backup, tmp_path):
    settings = _elsewhere(tmp_path)
    restore_backup(settings, backup, load_trust(house.settings.trust_file))
    assert read_tree("HEAD", settings.allowlists) == read_tree("HEAD", house.settings.allowlists)
    assert (settings.allowlists / "policy.yaml").is_file()


def test_when_files_of_channels_were_first_seen_comes_back(house, tmp_path):
    seen = FirstSeen(house.settings.data / "proxy" / FILE)
    seen.note("main", "noarch", {"alpha": b"digest"}, 5)
    before = seen.of("main", "noarch", "alpha", b"digest", ["a" * 64], 9)
    make_backup(house.settings, tmp_path / "copy")  # while the proxy has it open
    seen.close()
    settings = _elsewhere(tmp_path)
    restore_backup(settings, tmp_path / "copy", load_trust(house.settings.trust_file))
    again = FirstSeen(settings.data / "proxy" / FILE)
    assert again.of("main", "noarch", "alpha", b"another", ["a" * 64], 99) == before
    assert before.at == {"a" * 64: 5}
    again.close()


def test_a_damaged_backup_is_refused_before_a_byte_is_written(backup, tmp_path):
    settings = _elsewhere(tmp_path)
    for name in ("database.sqlite", "tree.bundle", "state/trust.json", "state/portal/snapshot.json"):
        whole = (backup / name).read_bytes()
        changed = bytearray(whole)
        changed[len(whole) // 2] ^= 1
        (backup / name).write_bytes(changed)
        with pytest.raises(CorruptError, match="a file of the backup is damaged"):
            restore_backup(settings, backup)
        (backup / name).unlink()
        with pytest.raises(CorruptError, match="a file of the backup is missing"):
            restore_backup(settings, backup)
        (backup / name).write_bytes(whole)
    assert _nothing_is_there(settings)


def test_a_backup_that_somebody_else_made_is_refused_by_our_keys(backup, tmp_path):
    settings = _elsewhere(tmp_path)
    with pytest.raises(CorruptError, match="unknown key"):
        restore_backup(settings, backup, Trust(Signer.generate().trusted("portal", "checkpoint")))
    assert _nothing_is_there(settings)


def _alter(backup, change):
    """Write the manifest anew, as somebody does who has no key."""
    path = backup / "manifest.json"
    sealed = json.loads(path.read_text())
    payload = json.loads(base64.b64decode(sealed["payload"]))
    change(payload)
    path.write_text(json.dumps({**sealed, "payload": base64.b64encode(json.dumps(payload).encode()).decode()}))


def test_a_hostile_backup_writes_nowhere_else(backup, tmp_path):
    settings, outside = _elsewhere(tmp_path), tmp_path / "outside"
    smuggled = f"state/{outside}"  # a slash twice
    lies = backup / "state" / str(outside).lstrip("/")
    lies.parent.mkdir(parents=True)
    lies.write_text("x")
    one = {"sha256": hashlib.sha256(b"x").hexdigest(), "size": 1}
    for path in (smuggled, str(lies), "state/./portal/x", "state/../state/trust.json", "."):
        before = (backup / "manifest.json").read_text()
        _alter(backup, lambda payload, path=path: payload["files"].append({"path": path, **one}))
        with pytest.raises(CorruptError, match="not the path of a file in a backup"):
            restore_backup(settings, backup)
        (backup / "manifest.json").write_text(before)
    assert not outside.exists()
    assert _nothing_is_there(settings)


def test_what_a_backup_only_leads_to_is_not_in_it(backup, tmp_path):
    settings = _elsewhere(tmp_path)
    (backup / "state" / "portal").rename(tmp_path / "portal")
    (backup / "state" / "portal").symlink_to(tmp_path / "portal")
    with pytest.raises(CorruptError, match="a file of the backup is missing"):
        restore_backup(settings, backup)
    assert _nothing_is_there(settings)


def test_what_the_manifest_does_not_name_is_not_put_back(backup, tmp_path):
    def without(name):
        return lambda payload: payload.update(files=[row for row in payload["files"] if row["path"] != name])

    settings = _elsewhere(tmp_path)
    _alter(backup, without("database.sqlite"))
    assert restore_backup(settings, backup).rows is None
    assert not (settings.data / "sekisho.sqlite").exists()
    _alter(backup, without("tree.bundle"))
    with pytest.raises(CorruptError, match="names no allowlists tree"):
        restore_backup(_elsewhere(tmp_path / "other"), backup)
    _alter(backup, lambda payload: payload["tree"].update(revision="--orphan"))
    with pytest.raises(CorruptError, match="revision"):
        restore_backup(_elsewhere(tmp_path / "other"), backup)


def test_nothing_is_overwritten(house, backup, tmp_path):
    with pytest.raises(ConflictError, match="there is state here already"):
        restore_backup(house.settings, backup)
    with pytest.raises(ConflictError, match="something here already"):
        make_backup(house.settings, backup)
    moved = Settings(data=tmp_path / "data2", allowlists=house.settings.allowlists)
    done = restore_backup(moved, backup)
    assert any("was left alone" in note for note in done.notes)
    assert not any("not on record" in note for note in done.notes)
    house.approve(house.waiting(artifact("later", "1.0")))
    more = restore_backup(Settings(data=tmp_path / "data4", allowlists=house.settings.allowlists), backup)
    assert any("not on record" in note for note in more.notes)
    other = House(tmp_path / "other")
    behind = Settings(data=tmp_path / "data3", allowlists=other.settings.allowlists)
    with pytest.raises(ConflictError, match="does not have the backup's commit"):
        restore_backup(behind, backup)
    assert not behind.data.exists()


def test_a_trust_file_that_lies_elsewhere_comes_back_there(house, tmp_path):
    house.approve(house.waiting())
    elsewhere = tmp_path / "etc" / "trust.json"
    elsewhere.parent.mkdir()
    shutil.move(house.settings.trust_file, elsewhere)
    text = elsewhere.read_bytes()
    settings = house.settings.model_copy(update={"trust": elsewhere})
    make_backup(settings, tmp_path / "backup", secrets=True)
    elsewhere.unlink()
    _destroy(house)
    restore_backup(settings, tmp_path / "backup")
    assert elsewhere.read_bytes() == text


def test_what_is_no_backup_is_said(tmp_path):
    with pytest.raises(NotFoundError, match="this is no backup"):
        restore_backup(_elsewhere(tmp_path), tmp_path)


def test_another_database_is_for_its_own_tools(house, tmp_path):
    settings = house.settings.model_copy(update={"database": "postgresql://user:secret@db.invalid/sekisho"})
    with pytest.raises(BadInputError) as caught:
        make_backup(settings, tmp_path / "backup")
    assert "pg_dump" in caught.value.todo
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "backup").exists()


def test_blobs_come_along_on_demand(house, tmp_path):
    blob = house.settings.data / "proxy" / "blobs" / "sha256" / "ab" / ("ab" + "0" * 62)
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"wheel")
    assert not [file for file in make_backup(house.settings, tmp_path / "one").files if "blobs" in file.path]
    make_backup(house.settings, tmp_path / "two", blobs=True)
    settings = _elsewhere(tmp_path)
    restore_backup(settings, tmp_path / "two")
    assert (settings.data / "proxy" / "blobs" / "sha256" / "ab" / blob.name).read_bytes() == b"wheel"


def test_the_command_line_backs_up_and_restores(house, tmp_path):
    Tokens(house.ledger._engine)
    house.approve(house.waiting())
    target = str(tmp_path / "backup")
    made = run("backup", "--to", target, **_where(house))
    assert made.status == 0, made.err
    assert "private keys are not in it" in made.out
    _destroy(house)
    done = json.loads(run("restore", target, "--json", **_where(house)).out)
    assert done["rows"] >= 6
    assert len(done["notes"]) == 2
