"""The chain of an answer: since when, by whom, what instead; and how little is read for it."""

import pytest

from sekisho.model import nearest
from sekisho_portal.fits import fits, runs_on
from sekisho_portal.reasons import explain
from tests.allowlists_tree import POLICY
from tests.records import artifact
from tests.unit.portal.house import ANNA, NUMPY
from tests.unit.portal.large import lay_down, put_in_force

EMPTY = "project: numpy\napprovals: []\n"


def _why(house, project, release=None, workspace="everyone", **more):
    return explain(house.desk, house.snapshots, project, release, workspace, **more)


def _commit(house, changes, message):
    revision = house.repository.commit(changes, message)
    house.snapshots.refresh()
    return revision


def test_a_revocation_names_the_commit_among_many_others(house):
    house.approve(house.waiting(NUMPY))
    for number in range(3):
        _commit(house, {f"pypi/other-{number}.yaml": f"project: other-{number}\napprovals: []\n"}, "before")
    revision = _commit(house, {"pypi/numpy.yaml": EMPTY}, "Take numpy back")
    for number in range(3, 7):
        _commit(house, {f"pypi/other-{number}.yaml": f"project: other-{number}\napprovals: []\n"}, "after")
    found = _why(house, "numpy", "2.1.0")
    assert (found["available"], found["rule"]) == (False, "revoked")
    assert (found["commit"]["revision"], found["commit"]["author"]) == (revision, "Tester")
    assert found["commit"]["subject"] == "Take numpy back"
    assert found["since"] == house.repository.git("log", "-1", "--format=%cI", revision)
    assert any("the request is approved and was revoked since" in line for line in found["lines"])
    assert any(f"commit {revision[:12]} by Tester: Take numpy back" in line for line in found["lines"])


def test_a_revocation_inside_a_merge_names_who_made_it(house):
    house.approve(house.waiting(NUMPY))
    git = house.repository.git
    git("switch", "--quiet", "--create", "review")
    revision = house.repository.commit({"pypi/numpy.yaml": EMPTY}, "Take numpy back")
    git("switch", "--quiet", "main")
    house.repository.commit({"pypi/other.yaml": "project: other\napprovals: []\n"}, "Meanwhile")
    git("merge", "--quiet", "--no-edit", "review")
    house.snapshots.refresh()
    assert _why(house, "numpy")["commit"]["revision"] == revision


def test_an_approval_that_came_back_is_in_force_and_one_gone_with_the_file_is_revoked(house):
    house.approve(house.waiting(NUMPY))
    text = house.repository.show("pypi/numpy.yaml")
    house.repository.git("rm", "--quiet", "deep/allowlists/pypi/numpy.yaml")
    revision = _commit(house, {}, "Remove the file")
    assert _why(house, "numpy")["commit"]["revision"] == revision
    _commit(house, {"pypi/numpy.yaml": text}, "Put it back")
    assert _why(house, "numpy")["available"]


def test_history_that_was_rewritten_leaves_the_commit_open(house):
    house.approve(house.waiting(NUMPY))
    house.repository.git("reset", "--quiet", "--hard", "HEAD~1")
    house.repository.commit({"pypi/other.yaml": "project: other\napprovals: []\n"})
    house.snapshots.refresh()
    found = _why(house, "numpy")
    assert (found["rule"], found["commit"]) == ("revoked", None)


def test_a_revocation_does_not_hide_behind_another_workspace(house):
    house.approve(house.waiting(NUMPY, workspace="team-a"))
    _commit(house, {"pypi/numpy.yaml": EMPTY}, "Take numpy back")
    assert _why(house, "numpy", workspace="team-a")["rule"] == "revoked"
    assert _why(house, "numpy")["rule"] == "not-approved"


def test_a_denial_names_the_commit_that_brought_it(house):
    house.approve(house.waiting(NUMPY))
    denied = POLICY.replace("[evil]", "[evil, numpy<3]")
    revision = _commit(house, {"policy.yaml": denied}, "Deny old numpy")
    _commit(house, {"policy.yaml": f"{denied}\n# more\n"}, "Say more")
    for release in ("2.1.0", None):
        found = _why(house, "numpy", release)
        assert (found["available"], found["rule"], found["commit"]["revision"]) == (False, "no-evil", revision)
        assert found["lines"][0] == "the policy denies numpy<3 (rule no-evil)"
    assert _why(house, "numpy", "3.1")["rule"] == "not-approved"
    found = _why(house, "evil")
    assert found["commit"]["subject"] == "first"
    assert found["lines"][-1].startswith("  do now: a request would be refused too")


def test_a_request_that_waits_says_to_wait_and_one_denied_says_who_and_why(house):
    request = house.waiting(NUMPY)
    assert _why(house, "numpy")["lines"][-1].startswith("  do now: wait, an approver has to decide ")
    house.desk.deny(ANNA, request, reason="too old")
    found = _why(house, "numpy")
    assert found["requests"][0]["denied"]["by"] == "anna"
    assert "    anna denied it on 2026-11-01: too old" in found["lines"]


def test_a_file_for_another_python_is_said(house):
    wheel = artifact(filename="numpy-2.1.0-cp311-cp311-manylinux_2_17_x86_64.whl")
    house.approve(house.waiting(wheel))
    assert _why(house, "numpy", python="3.11")["available"]
    found = _why(house, "numpy", "2.1.0", python="3.12.4")
    assert (found["available"], found["rule"]) == (False, "not-approved")
    assert found["evidence"] == "numpy==2.1.0 is approved, but not for Python 3.12.4"
    assert found["ask"]["command"] == "sekisho request numpy==2.1.0 --python 3.12.4"


@pytest.mark.parametrize(
    ("filename", "python", "does", "words"),
    [
        ("a-1-py3-none-any.whl", "3.9", True, "any Python 3 on any platform"),
        ("a-1-cp39-abi3-manylinux_2_17_x86_64.whl", "3.12", True, "CPython 3.9 or newer on manylinux_2_17_x86_64"),
        ("a-1-cp312-cp312-win_amd64.whl", "3.11.2", False, "CPython 3.12 on win_amd64"),
        ("a-1.tar.gz", "3.11", True, "any Python 3 on any platform"),
    ],
)
def test_what_a_file_runs_on(filename, python, does, words):
    found = artifact("a", "1", filename=filename)
    assert (fits(found, python), runs_on(found)) == (does, words)
    assert not fits(artifact("a", "1", filename=filename, index={"requires-python": "<3"}), python)


@pytest.mark.parametrize(
    ("wanted", "others", "found"),
    [
        ("2.1.0", {"2.0.2", "2.2.0", "1.0"}, "2.2.0"),
        ("1.26.4", {"1.25.2", "2.0.0"}, "1.25.2"),
        ("1.26.4", {"1.26.3", "1.26.5"}, "1.26.5"),
        ("1.0", {"1.0rc1", "1.0.1"}, "1.0rc1"),
        (None, {"1.0", "2.0rc1", "1.10"}, "1.10"),
        ("1.0", {"not a version"}, None),
        ("1.0", set(), None),
    ],
)
def test_the_nearest_release(wanted, others, found):
    assert nearest(wanted, others) == found


def test_the_work_is_bounded_however_long_the_past_is(house):
    lay_down(house, requests=400, packages=30, projects=60)
    put_in_force(house, approvals=2000, projects=60)
    house.desk.mentions.follow()
    read = []
    entries = house.ledger.entries

    def count(**what):
        found = entries(**what)
        read.extend(found)
        return found

    house.ledger.entries = count
    for question in (("package-7", "9000.0"), ("package-7", None), ("package-7", "3.0"), ("nothing", None)):
        del read[:]
        found = _why(house, *question)
        assert len(read) <= 70, question
        assert len(found["requests"]) <= 5
        assert len(found["lines"]) <= 40
    assert _why(house, "package-7", "77.0", "elsewhere")["more_requests"] == 0
    assert _why(house, "package-7", "4.0", "elsewhere")["more_requests"] > 20


def test_the_index_is_made_again_from_the_ledger(house):
    request = house.waiting(NUMPY)
    before = _why(house, "numpy")
    with house.ledger._engine.begin() as connection:
        connection.exec_driver_sql("delete from mentions_by_workspace")
    house.open()
    after = _why(house, "numpy")
    assert before["requests"] == after["requests"]
    assert after["requests"][0]["id"] == request


TWO = "sources: [{id: pypi, preset: pypi}, {id: inside, url: 'https://devpi.invalid/', owns: [acme-*]}]\n"


def test_a_file_that_is_not_from_the_first_source_says_from_which(house):
    _commit(house, {"sources.yaml": TWO}, "Own what begins with acme")
    house.approve(house.waiting(artifact("acme-web", "1.0", source="inside"), NUMPY))
    assert any(line.endswith(", from source inside") for line in _why(house, "acme-web")["lines"])
    assert not any("from source" in line for line in _why(house, "numpy")["lines"])


def test_an_approval_from_another_source_than_the_owner_is_explained_and_can_be_asked_for_again(house):
    house.approve(house.waiting(artifact("acme-web", "1.0")))
    assert _why(house, "acme-web")["available"]
    _commit(house, {"sources.yaml": TWO}, "Own what begins with acme")
    found = _why(house, "acme-web")
    assert (found["available"], found["rule"]) == (False, "not-the-owner")
    assert "acme-web is owned by source inside" in found["lines"][0]
    assert any("ask for it" in line for line in found["lines"])
