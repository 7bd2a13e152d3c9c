"""Whoever can push to the tree can still not approve."""

import pytest

from sekisho.allowlist import add_approvals, dump_yaml, load_yaml, parse_tree
from sekisho.signing import Signer, Trust
from tests.records import TRUST, artifact, sha, signed

PATH = "pypi/numpy.yaml"


def _edited(edit):
    """Return what the tree admits and refuses after ``edit`` changed the one entry, with a good one beside it."""
    files = add_approvals({}, [signed(artifact()), signed(artifact(release="2.2.0"), id="a2")])
    value = load_yaml(files[PATH], where=PATH)
    edit(value["approvals"][0])
    return parse_tree({PATH: dump_yaml(value)}, trust=TRUST)


def _set(*keys, to):
    def edit(row):
        for key in keys[:-1]:
            row = row[key]
        row[keys[-1]] = to

    return edit


EDITS = {
    "hash": _set("artifacts", 0, "sha256", to=sha("other")),
    "size": _set("artifacts", 0, "size", to=1),
    "path": _set("artifacts", 0, "path", to="elsewhere/numpy.whl"),
    "release": _set("artifacts", 0, "release", to="2.1.1"),
    "one more file": lambda row: row["artifacts"].append(row["artifacts"][0] | {"sha256": sha("other")}),
    "scope": _set("scope", to=["everyone", "team-a"]),
    "expiry": _set("expires", to="2099-01-01T00:00:00Z"),
    "approver": _set("approved_by", to="mallory"),
    "requester": _set("requested_by", to="mallory"),
    "reason": _set("reason", to="trust me"),
    "policy": _set("policy", to=sha("other policy")),
    "time": _set("at", to="2020-01-01T00:00:00Z"),
    "id": _set("id", to="a9"),
    "no signature": lambda row: row.pop("signature"),
    "empty signature": _set("signature", to={}),
    "text as signature": _set("signature", to="yes"),
    "rubbish as signature": _set("signature", "sig", to="AAAA"),
    "signature of another entry": _set("signature", to=signed(artifact(release="2.2.0"), id="a2").signature.plain()),
    "signature of another key": _set("signature", to=signed(artifact(), signer=Signer.generate()).signature.plain()),
    "unknown key": _set("approved", to=True),
    "no artifacts": _set("artifacts", to=[]),
    "no scope": lambda row: row.pop("scope"),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_hand_edited_entry_admits_nothing_and_the_one_beside_it_stays(name):
    found = _edited(EDITS[name])
    assert [entry.approval.id for entry in found.approvals] == ["a2"]
    assert [entry.where for entry in found.refused] == [f"{PATH}, line 3, approval 1"]
    assert found.refused[0].why


def test_an_entry_that_nobody_touched_is_admitted():
    found = _edited(dict)
    assert [entry.approval.id for entry in found.approvals] == ["a1", "a2"]
    assert found.refused == ()


def test_an_entry_that_stands_twice_counts_once_and_the_copy_is_named():
    files = add_approvals({}, [signed(artifact()), signed(artifact(release="2.2.0"), id="a2")])
    value = load_yaml(files[PATH], where=PATH)
    value["approvals"].append(value["approvals"][0])
    text = dump_yaml(value)
    found = parse_tree({PATH: text}, trust=TRUST)
    assert [entry.approval.id for entry in found.approvals] == ["a1", "a2"]
    line = [number for number, row in enumerate(text.splitlines(), 1) if row.startswith("- ")][2]
    (entry,) = found.refused
    assert (entry.where, entry.why) == (
        f"{PATH}, line {line}, approval 3",
        "it is approval 1 once more, which counts",
    )


def test_the_same_words_in_another_order_are_still_signed():
    def reverse(row):
        items = list(row.items())[::-1]
        row.clear()
        row.update(items)

    assert _edited(reverse).refused == ()


def test_an_entry_that_is_no_mapping_is_refused():
    found = parse_tree({PATH: "project: numpy\napprovals: [yes, 1, [a]]\n"}, trust=TRUST)
    assert [entry.where for entry in found.refused] == [f"{PATH}, line 2, approval {number}" for number in (1, 2, 3)]


def test_an_approval_does_not_count_in_another_projects_file():
    row = {**signed(artifact("six")).approval.plain(), "signature": signed(artifact("six")).signature.plain()}
    found = parse_tree({PATH: dump_yaml({"project": "numpy", "approvals": [row]})}, trust=TRUST)
    assert found.approvals == ()
    assert "does not belong in this file" in found.refused[0].why


def test_an_approval_does_not_count_for_another_kind():
    entry = signed(artifact("numpy"))
    row = {**entry.approval.plain(), "signature": entry.signature.plain()}
    found = parse_tree({"conda/pypi/numpy.yaml": dump_yaml({"project": "numpy", "approvals": [row]})}, trust=TRUST)
    assert found.approvals == ()


def test_a_key_that_may_only_sign_snapshots_approves_nothing():
    signer = Signer.generate()
    files = add_approvals({}, [signed(artifact(), signer=signer)])
    found = parse_tree(files, trust=Trust(signer.trusted("other", "snapshot", "bundle")))
    assert found.approvals == ()
    assert "is not trusted to sign" in found.refused[0].why


def test_an_approvers_own_key_counts_once_it_is_trusted():
    signer = Signer.generate()
    files = add_approvals({}, [signed(artifact(), signer=signer)])
    assert parse_tree(files, trust=TRUST).approvals == ()
    trust = Trust(*TRUST.keys.values(), signer.trusted("anna", "approval"))
    assert len(parse_tree(files, trust=trust).approvals) == 1
