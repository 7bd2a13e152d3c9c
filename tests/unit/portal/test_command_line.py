"""The command line against the real application, over loopback."""

import json

import pytest

from sekisho.errors import BadInputError
from tests.advisories import CRITICAL, osv, packed
from tests.command_line import run
from tests.fake_upstream import run_asgi
from tests.records import facts
from tests.unit.portal.house import GPL, NUMPY, SIX


@pytest.fixture
def sekisho(web):
    with run_asgi(web.app) as url:
        yield lambda who, *arguments: run(*arguments, SEKISHO_PORTAL_URL=url, SEKISHO_TOKEN=web.secrets.get(who, who))


def _ask(sekisho, *arguments):
    return json.loads(sekisho("rita", "request", *arguments, "--python", "3.11.2", "--json").out)["id"]


def test_a_request_goes_from_the_asking_to_the_approval(web, sekisho):
    request = _ask(sekisho, "numpy", "--reason", "because")
    web.house.resolve(request, NUMPY)
    web.house.inspect(request, facts(NUMPY, **GPL))

    waiting = sekisho("rita", "status", request, "--wait")
    assert waiting.out.startswith(f"request {request}: waiting")

    own = sekisho("rita", "approve", request, "--reason", "mine")
    assert own.status == 1
    assert "rita asked for this and cannot also approve it" in own.err

    done = sekisho("anna", "approve", request, "--reason", "fits", "--expires", "2099-01-01")
    assert done.status == 0
    assert "approved by anna until 2099-01-01" in done.out

    why = sekisho("rita", "why", "numpy")
    assert "anna approved" in why.out
    assert f"{request}  approved   rita: numpy" in sekisho("rita", "status").out


@pytest.mark.parametrize("name", ["evil @ http://example.invalid/evil.whl", "-r", "../x", "numpy>="])
def test_what_names_no_project_is_refused(web, sekisho, name):
    done = sekisho("rita", "request", "--python", "3.11.2", "--", name)
    assert done.status == 1
    assert "where: the command line" in done.err
    assert web.house.desk.all() == []


def test_a_lock_binds_the_answer_and_a_status_only_counts_it(web, sekisho, tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_text(f"-c pins.txt\nnumpy=={NUMPY.release} --hash=sha256:{NUMPY.sha256}\n")
    (tmp_path / "pins.txt").write_text("six==1.16.0\n")
    request = _ask(sekisho, "-r", str(path), "--beside", "sklearn")
    status = json.loads(sekisho("rita", "status", request, "--json").out)
    assert status["bound"] == {"constraints": 1, "hashed": 1}
    assert {"constraints", "hashes"}.isdisjoint(status["request"])
    assert "bound by 1 constraints, and hashes of 1 projects" in sekisho("rita", "status", request).out
    with pytest.raises(BadInputError, match=r"six 1\.17\.0 is not what the constraint six==1\.16\.0 says"):
        web.house.resolve(request, NUMPY, SIX)
    with pytest.raises(BadInputError, match="has none of the 1 hashes"):
        web.house.resolve(request, NUMPY.model_copy(update={"sha256": SIX.sha256}))
    web.house.resolve(request, NUMPY)
    page = web.visit("anna").get(f"/requests/{request}").text
    assert "image sklearn" in page
    assert "bound by 1 constraints" in page


def test_a_wrong_python_version_is_refused(sekisho):
    done = sekisho("rita", "request", "numpy", "--python", "3.11")
    assert done.status == 1
    assert "python" in done.err


@pytest.mark.parametrize("token", ["", "skp_wrong"])
def test_without_a_token_that_is_known_nothing_goes(sekisho, token):
    done = sekisho(token, "status", "--json")
    assert done.status == 1
    assert json.loads(done.out)["error"]["code"] == "unauthenticated"


def test_an_approver_cannot_ask(sekisho):
    done = sekisho("anna", "request", "numpy", "--python", "3.11.2")
    assert done.status == 1
    assert "has none of the roles requester" in done.err


def test_a_denial_is_shown_to_the_requester(web, sekisho):
    request = web.house.waiting(NUMPY)
    assert sekisho("anna", "deny", request, "--reason", "not needed").status == 0
    assert "denied by anna: not needed" in sekisho("rita", "status", request).out
    waited = sekisho("rita", "status", request, "--wait")
    assert waited.status == 1
    assert "anna denied it: not needed" in waited.err


def test_a_failed_request_is_tried_again(web, sekisho):
    request = web.house.ask()
    web.house.report(request, "failed", stage="resolve", problem={"code": "upstream", "title": "the proxy is down"})
    assert sekisho("rita", "status", request, "--wait").status == 1
    assert sekisho("rita", "status", request, "--retry").out.startswith(f"request {request}: resolving")


def test_an_unknown_request_is_said(sekisho):
    done = sekisho("rita", "status", "r404")
    assert done.status == 1
    assert "there is no request r404" in done.err


# What is known, and what becomes of it.


@pytest.fixture
def advised(web, tmp_path, sekisho):
    """A portal with advisories, an approved file, and a newer file of advisories that concerns it."""
    house = web.house
    rules = "version: 1\nrules:\n  - {id: grave, check: advisory, severity: 9.0, then: deny, unless: vex}\n"
    house.repository.commit({"policy.yaml": rules})
    house.snapshots.refresh()
    (tmp_path / "old.zip").write_bytes(packed(osv("GHSA-zzzz-zzzz-zzzz", "unused")).getvalue())
    news = osv("CVE-2026-1000", events=[{"introduced": "0"}, {"fixed": "2.1.1"}], vector=CRITICAL)
    (tmp_path / "all.zip").write_bytes(packed(osv("GHSA-zzzz-zzzz-zzzz", "unused"), news).getvalue())
    done = sekisho("ada", "advisories", "import", str(tmp_path / "old.zip"))
    assert done.status == 0, done.err
    assert house.state(house.propose(NUMPY)) == "approved"
    return tmp_path / "all.zip"


def test_an_import_takes_what_is_denied_away_and_a_statement_brings_it_back(web, sekisho, advised):
    done = sekisho("ada", "advisories", "import", str(advised))
    assert "osv of 2026-10-31 imported: 2 advisories" in done.out
    assert "1 approved files are affected" in done.out
    assert web.house.admitted() == frozenset()
    shown = sekisho("rita", "affected").out
    assert "numpy 2.1.0 in everyone: deny" in shown
    assert "upgrade to 2.1.1" in shown
    assert "grave" in sekisho("rita", "why", "numpy").out
    command = ["vex", "not-affected", "CVE-2026-1000", "NumPy==2.1.0", "--justification", "component_not_present"]
    assert sekisho("rita", *command).status == 1
    assert sekisho("anna", *command).status == 0
    assert web.house.admitted() == {NUMPY.sha256}
    assert sekisho("rita", "affected").out == "nothing is affected\n"


def test_a_file_is_fetched_from_an_address_whole_or_not_at_all(web, sekisho, advised):
    from tests.fake_portal import FakePortal

    source = FakePortal()
    source.answers["/all.zip"] = (200, advised.read_bytes())
    source.answers["/cut.zip"] = (200, advised.read_bytes()[:-40])
    with run_asgi(source) as url:
        for name in ("cut.zip", "gone.zip"):
            done = sekisho("ada", "advisories", "import", f"{url}/{name}")
            assert done.status == 1, name
        assert web.house.admitted() == {NUMPY.sha256}
        assert sekisho("ada", "advisories", "import", f"{url}/all.zip").status == 0
    assert web.house.admitted() == frozenset()


@pytest.mark.parametrize(
    ("who", "arguments"),
    [
        ("anna", ["advisories", "import", "FILE"]),
        ("ada", ["advisories", "import", "/nowhere/all.zip"]),
        ("ada", ["advisories", "import", "--feed", "kev", "FILE"]),
        ("ada", ["advisories", "import", "http://127.0.0.1:9/all.zip"]),
        ("anna", ["revoke", "torch", "--reason", "x"]),
        ("anna", ["revoke", "numpy", "--reason", " "]),
        ("rita", ["revoke", "numpy", "--reason", "x"]),
        ("anna", ["vex", "not-affected", "CVE-2026-1000", "numpy", "--justification", "component_not_present"]),
        ("anna", ["vex", "not-affected", "../x", "numpy==1", "--justification", "component_not_present"]),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_changes_nothing(web, sekisho, advised, who, arguments):
    before = web.house.repository.head()
    done = sekisho(who, *(str(advised) if one == "FILE" else one for one in arguments))
    assert (done.status, done.out) == (1, "")
    assert "Traceback" not in done.err
    assert web.house.repository.head() == before
    assert web.house.admitted() == {NUMPY.sha256}


def test_a_question_an_emergency_and_a_revocation(web, sekisho):
    request = web.house.waiting(NUMPY)
    assert "asked: what for?" in sekisho("anna", "ask-back", request, "what for?").out
    assert "answered: for fun" in sekisho("rita", "answer", request, "for fun").out
    broken = sekisho("anna", "break-glass", request, "numpy", "--hours", "1", "--reason", "night")
    assert "BREAK GLASS: anna let in numpy 2.1.0" in broken.out
    assert sekisho("rita", "break-glass", request, "numpy", "--reason", "mine").status == 1
    assert sekisho("anna", "approve", request, "--reason", "fine").status == 0
    done = sekisho("anna", "revoke", "numpy", "--reason", "gone")
    assert "revoked numpy 2.1.0 (a" in done.out
    assert web.house.admitted() == frozenset()
    assert "revoked by anna" in sekisho("rita", "status", request).out
