"""``sekisho policy``: what a pull request asks before it is merged."""

import json
from pathlib import Path

import pytest

from sekisho.allowlist import add_approvals, dump_yaml
from sekisho.revocations import Revocation, sign_revocation
from sekisho.vex import add_vex, sign_vex
from tests.advisories import CRITICAL, osv, packed
from tests.allowlists_tree import Repository
from tests.command_line import run
from tests.records import SIGNER, TRUST, artifact, facts, signed, statement

SHIPPED = Path(__file__).resolve().parents[3] / "allowlists"
CASE = """\
cases:
  - name: evil is denied
    artifact: {project: evil}
    expect: {outcome: deny, rule: no-evil}
  - name: a known licence is enough
    artifact: {project: numpy}
    facts: {license_expression: MIT}
    expect: {outcome: allow}
"""
NUMPY, SIX = artifact(), artifact("six", "1.17.0")


@pytest.fixture
def tree(tmp_path):
    repository = Repository(tmp_path / "site")
    repository.commit(add_approvals({}, [signed(NUMPY), signed(SIX, id="a2")]))
    return repository


def _run(tree, *words):
    return run("policy", *words, SEKISHO_ALLOWLISTS=str(tree.tree), SEKISHO_DATA=str(tree.folder / "data"))


def _change(tree, **replaced):
    path = tree.tree / "policy.yaml"
    text = path.read_text()
    for old, new in replaced.items():
        text = text.replace(old, new)
    path.write_text(text)


# check


def test_the_shipped_tree_holds_together():
    done = run("policy", "check", str(SHIPPED))
    assert (done.status, done.out) == (0, "3 files; signatures not checked: there are no trusted keys here\n")


def test_a_tree_with_approvals_statements_and_cases_holds_together(tree):
    tree.commit(add_vex({}, sign_vex(statement(), SIGNER)) | {"policy-cases/ours.yaml": CASE})
    (tree.folder / "data").mkdir()
    (tree.folder / "data" / "trust.json").write_text(TRUST.dump())
    for words in (("check",), ("check", "HEAD"), ("check", str(tree.tree))):
        done = _run(tree, *words)
        assert (done.status, done.out) == (0, "6 files; signatures checked\n")


WRONG = {
    "policy.yaml": ("version: 1\nrules:\n  - {id: a, check: yankd}\n", "policy.yaml, line 3"),
    "sources.yaml": ("sources: [\n", "sources.yaml, line 2"),
    "pypi/numpy.yaml": ("project: numpy\napprovals:\n- {id: a1}\n", "pypi/numpy.yaml, line 3"),
    "vex/CVE-2026-1.yaml": ("statements:\n- status: fixed\n", "vex/CVE-2026-1.yaml, line 2"),
    "revoked/k1.yaml": ("id: k1\nreason: [x]\n", "revoked/k1.yaml, line 1"),
    "policy-cases/x.yaml": ("cases:\n- name: x\n", "policy-cases/x.yaml, line 2"),
}


@pytest.mark.parametrize("path", WRONG)
def test_whatever_is_wrong_is_named_with_file_and_line(tree, path):
    text, where = WRONG[path]
    (tree.tree / path).parent.mkdir(exist_ok=True)
    (tree.tree / path).write_text(text)
    done = _run(tree, "check")
    assert done.status == 1
    assert done.out.startswith(where)
    assert json.loads(_run(tree, "check", "--json").out)["problems"][0]["where"] == where


def test_an_approval_without_a_valid_signature_is_named(tree):
    (tree.folder / "data").mkdir()
    (tree.folder / "data" / "trust.json").write_text(TRUST.dump())
    path = tree.tree / "pypi" / "numpy.yaml"
    path.write_text(path.read_text().replace("approved_by: anna", "approved_by: eve"))
    done = _run(tree, "check")
    assert done.status == 1
    assert "pypi/numpy.yaml, line 3, approval 1: the signature does not match" in done.out


def test_a_revoked_approval_that_somebody_puts_back_is_named_with_its_line(tree):
    (tree.folder / "data").mkdir()
    (tree.folder / "data" / "trust.json").write_text(TRUST.dump())
    entry = signed(NUMPY).approval
    said = Revocation(
        id="k9", approval="a1", request=entry.request, digests=(entry.digest(),), names=(NUMPY.name,),
        revoked_by="anna", reason="leaks memory", at=entry.at,
    )  # fmt: skip
    before = tree.show("pypi/numpy.yaml")
    tree.commit(add_approvals({"pypi/numpy.yaml": before}, [signed(artifact(release="2.2.0"), id="a3")]))
    tree.commit(
        {"revoked/k9.yaml": dump_yaml({**said.plain(), "signature": sign_revocation(said, SIGNER).signature.plain()})}
    )
    done = _run(tree, "check")
    assert done.status == 1
    assert "pypi/numpy.yaml, line 3, approval 1: approval a1 was revoked by anna" in done.out
    assert "approval 2" not in done.out
    tree.commit({"revoked/k9.yaml": tree.show("revoked/k9.yaml").replace("leaks memory", "no reason")})
    assert "revoked/k9.yaml: the signature does not match" in _run(tree, "check").out


def test_a_tree_without_a_policy_is_none(tmp_path):
    done = run("policy", "check", str(tmp_path))
    assert done.status == 1
    assert "policy.yaml: the tree has no such file" in done.out


# test


def test_the_shipped_cases_come_out_as_they_must():
    done = run("policy", "test", str(SHIPPED))
    assert done.status == 0, done.out
    assert done.out.endswith(" 0 come out otherwise than they must\n")


def test_a_case_that_comes_out_otherwise_is_named_with_what_came(tree):
    tree.commit({"policy-cases/ours.yaml": CASE.replace("project: numpy", "project: numpy, yanked: broken")})
    done = _run(tree, "test")
    assert done.status == 1
    assert "wrong: a known licence is enough" in done.out
    assert "got deny by yanked: yanked: broken" in done.out
    assert json.loads(_run(tree, "test", "--json").out)["wrong"][0]["outcome"] == "deny"


def test_cases_may_lie_elsewhere(tree, tmp_path):
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "x.yaml").write_text(CASE)
    assert _run(tree, "test", "--cases", str(tmp_path / "cases")).out.startswith("2 cases, 0 ")


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "there is no case"), ("cases: []\n", "cases"), (CASE.replace("{project: evil}", "{project: '!'}"), "case 'evil is denied'")],
)  # fmt: skip
def test_no_case_and_a_case_that_is_none_are_refused(tree, text, why):
    tree.commit({"policy-cases/ours.yaml": text} if text else {"README.yaml": "x"})
    done = _run(tree, "test")
    assert done.status == 1
    assert why in done.err


# diff


def test_a_change_says_what_it_blocks_and_unblocks(tree, tmp_path):
    (tmp_path / "facts.jsonl").write_text("".join(f"{facts(one).canonical().decode()}\n" for one in (NUMPY, SIX)))
    _change(tree, MIT="ISC", evil="six")
    done = _run(tree, "diff", "HEAD", "--facts", str(tmp_path / "facts.jsonl"), "--json")
    found = json.loads(done.out)
    assert found["summary"] == "this change unblocks 0 artifacts and blocks 2"
    assert [(row["purl"], row["before"], row["after"]) for row in found["blocked"]] == [
        ("pkg:pypi/six@1.17.0", "allow", "deny"),
        ("pkg:pypi/numpy@2.1.0", "allow", "review"),
    ]
    assert (found["artifacts"], found["without_facts"]) == (2, 0)
    back = _run(tree, "diff", str(tree.tree), "HEAD", "--facts", str(tmp_path / "facts.jsonl"))
    assert back.out.startswith("this change unblocks 2 artifacts and blocks 0\n")


def test_without_facts_the_index_entry_is_judged(tree):
    _change(tree, MIT="ISC", evil="six")
    found = json.loads(_run(tree, "diff", "HEAD", "--json").out)
    assert [row["purl"] for row in found["blocked"]] == ["pkg:pypi/six@1.17.0"]
    assert found["without_facts"] == 2


def test_the_exit_status_says_whether_anything_changes_if_it_is_asked_to(tree):
    assert _run(tree, "diff", "HEAD", "--exit-code").status == 0
    _change(tree, evil="six")
    assert _run(tree, "diff", "HEAD").status == 0
    assert _run(tree, "diff", "HEAD", "--exit-code").status == 1


def test_advisories_are_read_from_a_file(tree, tmp_path):
    (tmp_path / "all.zip").write_bytes(packed(osv(vector=CRITICAL)).getvalue())
    path = tree.tree / "policy.yaml"
    path.write_text(path.read_text() + "  - {id: weak, check: advisory, severity: 7.0, then: deny}\n")
    done = _run(tree, "diff", "HEAD", "--advisories", str(tmp_path / "all.zip"))
    assert "allow -> deny  pkg:pypi/numpy@2.1.0  weak: GHSA-aaaa-bbbb-cccc (9.8; no fix named)" in done.out


@pytest.mark.parametrize("name", ["nothing", "--upload-pack=x", "HEAD:README.md"])
def test_what_is_neither_a_folder_nor_a_revision_is_refused(tree, name):
    done = _run(tree, "diff", "--", name)
    assert done.status == 1
    assert "no revision either" in done.err


def test_facts_that_are_none_are_named_with_their_line(tree, tmp_path):
    (tmp_path / "facts.jsonl").write_text("\n{}\n")
    done = _run(tree, "diff", "HEAD", "--facts", str(tmp_path / "facts.jsonl"))
    assert "facts.jsonl, line 2" in done.err


# schema


@pytest.mark.parametrize("name", ["policy", "sources", "project", "vex", "cases"])
def test_there_is_a_schema_of_every_file(name):
    found = json.loads(run("policy", "schema", name).out)
    assert found["$schema"].endswith("2020-12/schema")
    assert found["additionalProperties"] is False


def test_the_schema_knows_every_rule():
    text = run("policy", "schema").out
    assert "name_distance" in text
    assert "archive_confusion" in text
