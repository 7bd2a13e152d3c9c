"""Nobody approves alone, and nobody approves by editing the tree. Each test asks for a package of its own."""

import copy
import re

import httpx2
import pytest
import yaml

from tests.integration.line.outside import ODD_LICENCE, Outside, serving
from tests.integration.line.site import Site, kinds
from tests.integration.proxy.house import run_pip
from tests.wheels import make_wheel

NAMES = (
    "own",
    "role",
    "unsigned",
    "borrowed",
    "hashed",
    "donor",
    "badpolicy",
    "revoked",
    "refused",
    "twice",
    "badfile",
)


@pytest.fixture(scope="module")
def outside():
    return Outside([make_wheel(name, extra=ODD_LICENCE) for name in NAMES])


@pytest.fixture(scope="module")
def line(tmp_path_factory, outside):
    """A site that all tests of this file share."""
    with serving(outside) as served:
        site = Site(tmp_path_factory.mktemp("line"), served.url)
        try:
            site.up()
            yield site
        finally:
            site.down()


def waiting(line, name, who="ana"):
    line.ok("request", name, "--python", "3.11.2", "--wait", who=who)
    status = line.newest()
    assert status["state"] == "waiting"
    return status["id"]


def approved(line, name):
    request = waiting(line, name)
    line.ok("approve", request, "--reason", "fine", who="ben")
    line.in_force(line.git("rev-parse", "HEAD"))
    return request


def entries(line, name):
    return yaml.safe_load((line.allowlists / "pypi" / f"{name}.yaml").read_text())


def write_entries(line, name, value):
    (line.allowlists / "pypi").mkdir(exist_ok=True)
    (line.allowlists / "pypi" / f"{name}.yaml").write_text(yaml.safe_dump(value, sort_keys=False))


def routes(line, wheel):
    """Return the statuses of page, file and metadata, and what the page lists."""
    with httpx2.Client(base_url=f"{line.proxy}/w/everyone/pypi", timeout=20, trust_env=False) as door:
        page = door.get(f"/simple/{wheel.project}/", headers={"accept": "application/vnd.pypi.simple.v1+json"})
        file, metadata = door.get(f"/files/{wheel.path}"), door.get(f"/files/{wheel.path}.metadata")
    listed = wheel.filename in {row["filename"] for row in page.json().get("files", ())}
    return listed, file.status_code, metadata.status_code


OPEN, SHUT = (True, 200, 200), (False, 403, 403)


def wheel(outside, name):
    return next(wheel for wheel in outside.wheels if wheel.project == name)


def no_way_in(line, outside, name, folder):
    """Neither `why`, nor any route, nor pip lets the package through."""
    said = line.ok("why", name, who="ana").stdout
    assert f"{name} is not approved for workspace everyone (rule not-approved)" in said or "(rule revoked)" in said
    assert routes(line, wheel(outside, name)) == SHUT
    done = run_pip(f"{line.proxy}/w/everyone/pypi/simple/", folder, name)
    assert done.returncode == 1
    assert not (folder / "pip-target" / name).exists()


@pytest.mark.parametrize(("name", "who"), [("own", "ana"), ("role", "cleo")])
@pytest.mark.parametrize("action", ["approve", "deny"])
def test_the_requester_cannot_decide_whatever_roles_they_have(line, name, who, action):
    request = waiting(line, name, who)
    head = line.git("rev-parse", "HEAD")
    said = line.refused(action, request, "--reason", "I need it", who=who)
    assert f"{who} asked for this and cannot also {action} it" in said
    assert f"where: request {request}" in said
    assert "do now: another approver has to decide" in said
    status = line.status(request)
    assert (kinds(status)[-1], status["events"][-1]["actor"]) == ("attempt-refused", who)
    assert status["state"] == "waiting"
    assert line.git("rev-parse", "HEAD") == head
    line.settled()


def test_who_is_no_approver_cannot_decide_for_others(line):
    request = waiting(line, "refused", "cleo")
    said = line.refused("approve", request, "--reason", "nice", who="ana")
    assert "ana is not an approver" in said
    assert kinds(line.status(request))[-1] == "attempt-refused"
    said = line.ok("deny", request, "--reason", "use another one", who="ben").stdout
    assert "denied by ben: use another one" in said
    said = line.refused("status", request, "--wait", who="cleo")
    assert "ben denied it: use another one" in said
    said = line.refused("approve", request, "--reason", "late", who="ben")
    assert f"request {request} does not wait for a decision, it is denied" in said


def test_a_second_approval_of_the_same_request_is_refused(line):
    request = approved(line, "twice")
    said = line.refused("approve", request, "--reason", "again", who="cleo")
    assert "does not wait for a decision, it is approved" in said
    assert len(entries(line, "twice")["approvals"]) == 1


def test_an_entry_without_a_signature_admits_nothing(line, outside, tmp_path):
    approved(line, "donor")
    value = entries(line, "donor")
    forged = {"project": "unsigned", "approvals": [_of(value, wheel(outside, "unsigned"))]}
    del forged["approvals"][0]["signature"]
    _forge(line, "unsigned", forged, "the approval has no signature")
    no_way_in(line, outside, "unsigned", tmp_path)


def test_an_entry_with_the_signature_of_another_admits_nothing(line, outside, tmp_path):
    value = entries(line, "donor")
    forged = {"project": "borrowed", "approvals": [_of(value, wheel(outside, "borrowed"))]}
    _forge(line, "borrowed", forged, "the signature does not match the content")
    no_way_in(line, outside, "borrowed", tmp_path)
    assert routes(line, wheel(outside, "donor")) == OPEN


def test_an_entry_whose_hash_was_changed_admits_nothing(line, outside, tmp_path):
    approved(line, "hashed")
    assert routes(line, wheel(outside, "hashed")) == OPEN
    value = entries(line, "hashed")
    changed = make_wheel("hashed", extra=ODD_LICENCE, files={"hashed/__init__.py": b"evil = True\n"})
    outside.wheels.append(changed)
    value["approvals"][0]["artifacts"][0] |= {"sha256": changed.sha256, "path": changed.path}
    _forge(line, "hashed", value, "the signature does not match the content")
    no_way_in(line, outside, "hashed", tmp_path)
    assert routes(line, changed) == SHUT


def _of(value, wheel):
    """Return the entry of another project, made to name ``wheel``."""
    entry = copy.deepcopy(value["approvals"][0])
    entry["artifacts"] = [wheel.artifact().plain()]
    return entry


def _forge(line, name, value, why):
    write_entries(line, name, value)
    line.in_force(line.commit(f"Approve {name} by hand"))
    refused = line.policy()["refused"]
    where = f"pypi/{name}.yaml, line 3, approval 1"
    assert {"where": where, "why": why} in refused
    theirs = httpx2.get(f"{line.proxy}/api/policy", timeout=10, trust_env=False).json()
    assert theirs["refused"] == refused
    said = line.ok("why", name, who="ana").stdout
    assert f"an entry of the allowlists admits nothing: {where}: {why}" in said


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("policy.yaml", "version: 1\nrules: [\n", "not valid YAML"),
        ("policy.yaml", "version: 1\nrules: []\n", "rules"),
        ("policy.yaml", "version: 1\nrules:\n  - {id: x, check: no_such_check}\n", "no_such_check"),
        ("sources.yaml", "sources: [{id: x}]\n", "needs either a preset or a url"),
        ("pypi/broken.yaml", "project: other\napprovals: []\n", "the file's name and its project 'other' differ"),
    ],
)
def test_a_commit_that_cannot_be_read_changes_nothing_and_is_reported(line, path, text, words):
    before = line.policy()
    (line.allowlists / "pypi").mkdir(exist_ok=True)
    (line.allowlists / path).write_text(text)
    revision = line.commit("Break it")
    problem = line.problem(revision)
    assert words in problem["title"]
    assert path in problem["where"]
    after = line.policy()
    assert (after["revision"], after["sequence"]) == (before["revision"], before["sequence"])
    assert httpx2.get(f"{line.proxy}/readyz", timeout=10, trust_env=False).json()["sequence"] == before["sequence"]
    line.git("revert", "--no-edit", "HEAD")
    line.until_mended()
    assert line.policy()["problem"] is None


def test_a_revert_of_the_approval_revokes_it(line, outside, tmp_path):
    approved(line, "revoked")
    commit = line.git("rev-parse", "HEAD")
    index = f"{line.proxy}/w/everyone/pypi/simple/"
    assert routes(line, wheel(outside, "revoked")) == OPEN
    assert run_pip(index, tmp_path / "before", "revoked").returncode == 0
    line.git("revert", "--no-edit", commit)
    line.in_force(line.git("rev-parse", "HEAD"))
    no_way_in(line, outside, "revoked", tmp_path)
    said = line.ok("why", "revoked", who="ana").stdout
    assert re.search(r"^ben approved revoked on 20\d\d-\d\d-\d\d, and it was revoked since \(rule revoked\)", said)
    assert re.search(rf"since: 20\S+ \S+ UTC, commit {line.git('rev-parse', 'HEAD')[:7]}", said)
    assert "  ask for it: sekisho request revoked" in said
    line.settled()
