"""An export is checked far away: by keys and checkpoints that came another way, and across a change of keys."""

import json
import shutil

import pytest

from sekisho.allowlist import add_approvals, sign_approval
from sekisho.audit import export_audit, verify_export
from sekisho.errors import ConflictError, CorruptError
from sekisho.keys import key_path, load_signer, load_trust
from sekisho.ledger import ORIGIN
from sekisho.rotation import revoke_key, rotate
from sekisho.signing import Signer, Trust
from sekisho.trees import read_tree
from tests.command_line import run
from tests.records import approval, artifact


@pytest.fixture
def site(house):
    house.approve(house.waiting())
    return house


def _export(site, name="export"):
    target = site.settings.data.parent / name
    export_audit(site.settings, target)
    return target


def test_with_keys_and_a_checkpoint_of_our_own_nothing_is_left_unproved(site):
    handed = load_trust(site.settings.trust_file)
    kept = site.ledger.checkpoint(ORIGIN, site.desk.means.signer)
    site.approve(site.waiting(artifact("later", "1.0")))
    found = verify_export(_export(site), handed, kept)
    assert found.unproven == ()
    assert (found.approvals, found.statements) == (3, 3)


def test_an_export_by_somebody_else_is_refused(site):
    with pytest.raises(CorruptError, match="unknown key"):
        verify_export(_export(site), Trust(Signer.generate().trusted("portal", "checkpoint")))


def test_a_ledger_that_was_written_anew_contradicts_a_checkpoint_that_was_kept(site):
    kept = site.ledger.checkpoint(ORIGIN, site.desk.means.signer).replace("\n", "\n", 1)
    with site.ledger._engine.begin() as connection:
        connection.exec_driver_sql("delete from ledger where seq > 4")
    with pytest.raises(CorruptError, match="4 rows, and"):
        verify_export(_export(site), load_trust(site.settings.trust_file), kept)


def test_an_export_after_a_change_of_keys_is_checked_with_the_first_one(site):
    handed, old = load_trust(site.settings.trust_file), site.desk.means.signer
    kept = site.ledger.checkpoint(ORIGIN, old)
    rotate(site.settings, "portal", site.ledger)
    revoke_key(site.settings, old.keyid, site.ledger, read_tree("HEAD", site.settings.allowlists), reason="lost")
    site.snapshots.refresh()
    site.approve(site.waiting(artifact("later", "1.0")))
    found = verify_export(_export(site), handed, kept)
    assert (found.unproven, found.statements, found.refused) == ((), 3, 0)


def test_an_approval_that_is_signed_and_not_on_record_is_named(site):
    forged = sign_approval(approval(artifact("stolen")), load_signer(key_path(site.settings, "portal")))
    site.repository.commit(add_approvals(dict(read_tree("HEAD", site.settings.allowlists)), [forged]))
    with pytest.raises(CorruptError, match=r"approval a1 of stolen 2\.1\.0 is signed, but not on record"):
        verify_export(_export(site), None)


@pytest.mark.parametrize("body", [{"digests": 5}, {"digests": [], "statements": 5}])
def test_what_no_export_holds_is_said_although_its_own_keys_signed_it(site, body):
    """Whoever makes an export up signs what he likes."""
    row = next(row for row in site.ledger.entries(kinds=("approved",)))
    site.ledger.append("approved", row.subject, actor="x", body={**body, "id": row.body["id"]})
    with pytest.raises(CorruptError, match=r"what no export does|are not those of ledger row"):
        verify_export(_export(site), None)


def test_an_export_replaces_nothing(site, tmp_path):
    target = _export(site)
    with pytest.raises(ConflictError, match="something here already"):
        export_audit(site.settings, target)
    assert not [path for path in target.parent.iterdir() if path.name.startswith(".")]


def test_every_version_of_the_policy_is_there(site):
    policy = site.repository.show("policy.yaml")
    site.repository.commit({"policy.yaml": policy.replace("[evil]", "[evil, worse]") + "\n"}, "Deny worse")
    rows = [json.loads(line) for line in (_export(site) / "policies.jsonl").read_text().splitlines()]
    assert [row["subject"] for row in rows if row["path"] == "policy.yaml"] == ["Deny worse", "first"]
    assert "worse" in rows[0]["text"]


def test_the_command_line_exports_and_verifies_without_the_portal(site, tmp_path):
    where = {"SEKISHO_DATA": str(site.settings.data), "SEKISHO_ALLOWLISTS": str(site.settings.allowlists)}
    target = tmp_path / "export"
    assert json.loads(run("audit", "export", "--to", str(target), "--json", **where).out)["rows"] > 5
    trust = tmp_path / "trust.json"
    shutil.copy(site.settings.trust_file, trust)
    far = {"SEKISHO_DATA": str(tmp_path / "nothing"), "SEKISHO_ALLOWLISTS": str(tmp_path / "nothing")}
    done = run("audit", "verify", str(target), **far)
    assert done.status == 0, done.err
    assert done.out.count("not proved: ") == 2
    kept = target / "checkpoints" / "kept"
    done = run("audit", "verify", str(target), "--trust", str(trust), "--against", str(kept), "--json", **far)
    assert json.loads(done.out)["unproven"] == []
    (target / "ledger.jsonl").write_bytes(b"")
    done = run("audit", "verify", str(target), **far)
    assert done.status == 1
    assert "is not what was signed" in done.err
