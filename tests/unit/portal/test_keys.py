"""Keys rotate and are revoked under a portal that runs, and under one that was away meanwhile."""

import json
from datetime import timedelta

import pytest

from sekisho.allowlist import add_approvals, sign_approval
from sekisho.errors import ConflictError, CorruptError, RefusedError
from sekisho.keys import key_path, load_signer, load_trust
from sekisho.ledger import ORIGIN, Ledger
from sekisho.policy import Door, open_snapshot
from sekisho.rotation import make_root, revoke_key, rotate
from sekisho.signing import Signer, Trust
from sekisho.trees import read_tree
from tests.command_line import run
from tests.records import NOW, approval, artifact
from tests.unit.portal.house import ANNA, NUMPY, SIX

FOREIGN = artifact("stolen", "1.0")


class Keys:
    def __init__(self, house):
        self.house, self.settings = house, house.settings
        self.old = self.signer()
        self.handed = load_trust(self.settings.trust_file)

    def signer(self):
        return load_signer(key_path(self.settings, "portal"))

    def rotate(self, **more):
        return rotate(self.settings, "portal", self.house.ledger, **more)

    def revoke(self, **more):
        tree = read_tree("HEAD", self.settings.allowlists)
        return revoke_key(self.settings, self.old.keyid, self.house.ledger, tree, reason="lost", **more)

    def forge(self, signer=None, **more):
        """Commit what a thief signs with the old key and dates back."""
        entry = sign_approval(approval(FOREIGN, at=NOW - timedelta(days=90), **more), signer or self.old)
        self.house.repository.commit(add_approvals(dict(read_tree("HEAD", self.settings.allowlists)), [entry]))
        self.house.snapshots.refresh()

    def far_away(self):
        """Return what a proxy makes of the snapshot that was handed the first key only."""
        return Door(open_snapshot(self.house.snapshots.sealed(), self.handed), "everyone").hashes(self.house.clock())


@pytest.fixture
def keys(house):
    house.approve(house.waiting())
    return Keys(house)


BOTH = {NUMPY.sha256, SIX.sha256}


def test_a_new_key_takes_over_while_the_portal_runs(keys):
    before = keys.house.snapshots.current().sequence
    key = keys.rotate()
    assert keys.house.snapshots.refresh()
    assert keys.house.snapshots.current().sequence == before + 1
    assert {one.keyid for one in keys.house.snapshots.sealed().head.signatures} == {key.keyid} != {keys.old.keyid}
    assert keys.house.admitted() == keys.far_away() == BOTH
    keys.house.approve(keys.house.waiting(artifact("later", "1.0")))
    assert len(keys.far_away()) == 3
    assert not keys.house.snapshots.refresh()


def test_a_revoked_key_leaves_what_was_decided_and_admits_nothing_that_is_dated_back(keys):
    keys.rotate()
    keys.forge()
    assert FOREIGN.sha256 in keys.house.admitted()  # the key is stolen, and nobody knows
    with pytest.raises(RefusedError, match="1 entries of the tree would admit nothing") as caught:
        keys.revoke()
    assert "pypi/stolen.yaml (a1)" in caught.value.what
    assert keys.revoke(lose=True).stands
    keys.house.snapshots.refresh()
    assert keys.house.admitted() == keys.far_away() == BOTH
    assert any("stolen" in one.where for one in keys.house.snapshots.current().refused)


def test_what_is_forged_after_the_end_admits_nothing(keys):
    keys.rotate()
    keys.revoke()
    keys.forge()
    assert keys.house.admitted() == keys.far_away() == BOTH


def test_everything_before_the_row_of_the_theft_stands_and_nothing_after(keys):
    row = keys.house.ledger.size()
    keys.house.approve(keys.house.waiting(artifact("later", "1.0")))
    keys.rotate()
    with pytest.raises(RefusedError, match=r"pypi/later.yaml"):
        keys.revoke(until=row)
    keys.revoke(until=row, lose=True)
    keys.house.snapshots.refresh()
    assert keys.house.admitted() == keys.far_away() == BOTH


def test_a_revocation_of_an_approval_outlives_the_key_that_signed_it(keys):
    files = {path: keys.house.repository.show(path) for path in ("pypi/numpy.yaml",)}
    keys.house.desk.revoke(ANNA, "numpy", reason="bad")
    keys.rotate()
    keys.revoke()
    keys.house.repository.commit(files)
    keys.house.snapshots.refresh()
    assert keys.house.admitted() == keys.far_away() == {SIX.sha256}


def test_a_portal_that_was_away_goes_on_with_the_next_number(keys):
    before = keys.house.snapshots.current()
    keys.rotate()
    keys.forge()
    keys.revoke(lose=True)
    keys.house.open()
    now = keys.house.snapshots.current()
    assert now.sequence == keys.house.snapshots.current().sequence > before.sequence
    assert now.history[: len(before.history)] == before.history
    assert keys.house.admitted() == keys.far_away() == BOTH


def test_the_key_that_signs_is_not_revoked(keys):
    with pytest.raises(ConflictError) as caught:
        keys.revoke()
    assert "keys rotate portal" in caught.value.todo


def test_a_rotation_that_was_cut_short_goes_on_with_the_same_key(keys):
    waiting = key_path(keys.settings, "portal").with_name("portal.next.pem")
    waiting.write_bytes(Signer.generate().to_pem())
    expected = load_signer(waiting).keyid
    assert keys.rotate().keyid == expected == keys.signer().keyid
    assert not waiting.exists()
    rows = keys.house.ledger.entries(kinds=("key-added",))
    waiting.write_bytes(keys.signer().to_pem())  # killed before the leftover was removed
    assert keys.rotate().keyid == expected
    assert keys.house.ledger.entries(kinds=("key-added",)) == rows


def test_a_statement_that_only_the_ledger_has_is_taken_up(keys):
    keys.rotate()
    written = keys.settings.trust_file.read_text()
    keys.revoke()
    keys.settings.trust_file.write_text(written)  # killed between ledger and file
    keys.revoke()
    assert len(keys.house.ledger.entries(kinds=("key-revoked",))) == 1
    assert keys.old.keyid in load_trust(keys.settings.trust_file).revoked


def test_with_a_root_key_only_its_word_changes_keys(keys, tmp_path):
    make_root(keys.settings, tmp_path / "root.pem")
    with pytest.raises(RefusedError, match="nobody would heed it"):
        keys.rotate()
    root = load_signer(tmp_path / "root.pem")
    keys.handed = load_trust(keys.settings.trust_file)
    keys.rotate(root=root)
    keys.revoke(root=root)
    keys.house.snapshots.refresh()
    assert keys.house.admitted() == keys.far_away() == BOTH
    with pytest.raises(ConflictError, match="a root key already"):
        make_root(keys.settings, tmp_path / "other.pem")


def test_entries_of_an_approver_s_own_key_stand_once_they_were_seen_in_force(keys):
    anna = Signer.generate()
    trust = load_trust(keys.settings.trust_file)
    keys.settings.trust_file.write_text(Trust(*trust.keys.values(), anna.trusted("anna", "approval")).dump())
    keys.house.snapshots.refresh()
    keys.forge(anna, id="own-1")
    assert FOREIGN.sha256 in keys.house.admitted()
    keys.house.desk.bear_witness()
    keys.house.desk.bear_witness()
    assert len(keys.house.ledger.entries(kinds=("seen",))) == 1
    keys.old, old = anna, keys.old
    keys.revoke()
    later = sign_approval(approval(artifact("later", "9"), id="own-2"), anna)
    keys.house.repository.commit(add_approvals(dict(read_tree("HEAD", keys.settings.allowlists)), [later]))
    keys.house.snapshots.refresh()
    assert keys.house.admitted() == BOTH | {FOREIGN.sha256}
    assert old.keyid == keys.signer().keyid


def test_checkpoints_of_before_and_after_hold(keys):
    first = keys.house.ledger.checkpoint(ORIGIN, keys.old)
    keys.rotate()
    keys.revoke()
    trust = load_trust(keys.settings.trust_file)
    assert keys.house.ledger.check(first, trust) < keys.house.ledger.size()
    assert keys.house.ledger.check(keys.house.ledger.checkpoint(ORIGIN, keys.signer()), trust)
    with pytest.raises(CorruptError, match="not signed by a trusted key"):
        keys.house.ledger.check(keys.house.ledger.checkpoint(ORIGIN, keys.old), trust)


def test_the_command_line_rotates_lists_and_revokes(keys):
    def sekisho(*arguments):
        where = {"SEKISHO_DATA": str(keys.settings.data), "SEKISHO_ALLOWLISTS": str(keys.settings.allowlists)}
        done = run("keys", *arguments, "--json", **where)
        assert done.status == 0, done.err + done.out
        return json.loads(done.out)

    new = sekisho("rotate", "portal")["keyid"]
    done = sekisho("revoke", keys.old.keyid[:12], "--reason", "a laptop was lost")
    assert (done["keyid"], done["stands"]) == (keys.old.keyid, 3)
    states = {row["keyid"]: row["state"] for row in sekisho("list")}
    assert states == {keys.old.keyid: "revoked", new: "signs"}
    assert Ledger.open(keys.settings.database_url).verify()[0] == keys.house.ledger.size()


def test_a_key_that_nobody_knows_is_named(keys):
    where = {"SEKISHO_DATA": str(keys.settings.data), "SEKISHO_ALLOWLISTS": str(keys.settings.allowlists)}
    done = run("keys", "revoke", "ffff0000", "--reason", "x", **where)
    assert done.status == 1
    assert "0 keys begin with 'ffff0000'" in done.err


def test_who_breaks_the_tree_keeps_no_key_from_ending(keys):
    keys.forge()
    assert FOREIGN.sha256 in keys.house.admitted(), "a thief has the key"
    keys.house.repository.commit({"policy.yaml": "nonsense: ["})
    keys.rotate()
    keys.revoke(lose=True)
    keys.house.snapshots.refresh()
    assert keys.house.admitted() == BOTH
    assert keys.far_away() == BOTH
