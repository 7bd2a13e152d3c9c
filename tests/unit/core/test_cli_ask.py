import json

import pytest

from tests.command_line import run

DEFINITION = """
name: sklearn
base: {debian: bookworm}
target: {python: 3.11.2, glibc: "2.36"}
requirements: [scikit-learn, pandas>=2]
resolve-before: 2026-10-01T00:00:00Z
"""


def status(state, **more):
    asked = {"requester": "rita", "requirements": ["six"], **more.pop("request", {})}
    return {"id": "r1", "seq": 1, "state": state, "request": asked, "link": "http://portal.invalid/requests/r1", **more}


@pytest.fixture
def sekisho(portal_url, tmp_path):
    known = {"SEKISHO_PORTAL_URL": portal_url, "SEKISHO_TOKEN": "secret", "SEKISHO_IMAGES": str(tmp_path / "images")}
    return lambda *arguments, **more: run(*arguments, **known, **more)


def _define(tmp_path, text=DEFINITION, name="sklearn"):
    folder = tmp_path / "images" / name
    folder.mkdir(parents=True)
    (folder / "image.yaml").write_text(text)


def test_names_are_asked_for_on_a_target(portal, sekisho):
    portal.answers["/api/requests"] = status("resolving")
    done = sekisho("request", "six", "idna>=3", "--python", "3.11.2", "--reason", "because", SEKISHO_WORKSPACE="team-a")
    assert done.status == 0
    assert done.out.startswith("request r1: resolving\n")
    assert portal.asked[0][2] == {
        "workspace": "team-a",
        "reason": "because",
        "requirements": ["six", "idna>=3"],
        "target": {"python": "3.11.2", "glibc": "2.36"},
    }


@pytest.mark.parametrize("line", ['portal_url = "http://portal.evil.invalid"', 'portal_host = "portal.evil.invalid"'])
def test_a_folder_does_not_decide_who_gets_the_token(tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sekisho.toml").write_text(f"{line}\n")
    done = run("status", SEKISHO_TOKEN="secret")
    assert done.status == 1
    assert "would decide that portal.evil.invalid gets your token" in done.err
    assert "does not answer" in run("status").err  # without a token there is nothing to lose
    assert "does not answer" in run("status", SEKISHO_TOKEN="secret", SEKISHO_CONFIG="sekisho.toml").err
    assert "127.0.0.1" in run("status", SEKISHO_TOKEN="secret", SEKISHO_PORTAL_URL="http://127.0.0.1:9").err
    (tmp_path / "sekisho.toml").write_text(f'{line}\ntoken = "its own"\n')
    assert "does not answer" in run("status").err
    (tmp_path / "sekisho.toml").write_text("portal_port = 9\n")
    assert "127.0.0.1:9" in run("status", SEKISHO_TOKEN="secret").err


def test_a_file_of_requirements_is_asked_for(portal, sekisho, tmp_path):
    portal.answers["/api/requests"] = status("resolving")
    (tmp_path / "r.txt").write_text("# why\nsix  # because\n\n  idna>=3\n")
    sekisho("request", "pytz", "-r", str(tmp_path / "r.txt"), "--python", "3.11.2")
    assert portal.asked[0][2]["requirements"] == ["pytz", "six", "idna>=3"]


def test_an_option_in_a_file_is_refused_with_its_line_and_nothing_is_asked(portal, sekisho, tmp_path):
    path = tmp_path / "r.txt"
    path.write_text("six\n--extra-index-url http://evil.invalid\n")
    done = sekisho("request", "-r", str(path), "--python", "3.11.2")
    assert done.status == 1
    assert f"where: {path}, line 2" in done.err
    assert portal.asked == []


def test_an_image_is_asked_for_with_all_that_its_definition_says(portal, sekisho, tmp_path):
    portal.answers["/api/requests"] = status("resolving")
    _define(tmp_path)
    assert sekisho("request", "--image", "sklearn").status == 0
    assert portal.asked[0][2] == {
        "workspace": "everyone",
        "reason": "",
        "image": "sklearn",
        "target": {"python": "3.11.2", "glibc": "2.36"},
        "requirements": ["scikit-learn", "pandas>=2"],
        "resolve_before": "2026-10-01T00:00:00+00:00",
    }


def test_an_unknown_image_is_said_with_those_that_exist(sekisho, tmp_path):
    _define(tmp_path)
    done = sekisho("request", "--image", "torch")
    assert done.status == 1
    assert "use one of sklearn" in done.err


@pytest.mark.parametrize(
    ("text", "why"),
    [(DEFINITION, "is named 'sklearn'"), (DEFINITION.replace("glibc", "libc"), "libc"), ("name: [", "not valid YAML")],
)
def test_a_definition_that_does_not_hold_together_is_named(sekisho, tmp_path, text, why):
    _define(tmp_path, text, name="torch")
    done = sekisho("request", "--image", "torch")
    assert done.status == 1
    assert why in done.err
    assert "torch/image.yaml" in done.err


def test_waiting_ends_when_a_person_has_to_act(portal, sekisho):
    portal.answers["/api/requests"] = status("resolving")
    portal.answers["/api/requests/r1"] = [(200, status(state)) for state in ("resolving", "judging", "waiting")]
    done = sekisho("request", "six", "--python", "3.11.2", "--wait")
    assert done.status == 0
    assert done.out.startswith("request r1: waiting\n")


def test_waiting_for_an_image_goes_on_after_approval(portal, sekisho):
    states = [(200, status(state, request={"image": "sklearn"})) for state in ("approved", "gated")]
    image = {"registry": "reg.invalid", "repository": "curated/sklearn", "manifest": "ab"}
    portal.answers["/api/requests/r1"] = [
        *states,
        (200, status("delivered", request={"image": "sklearn"}, image=image)),
    ]
    done = sekisho("status", "r1", "--wait")
    assert done.status == 0
    assert "image: reg.invalid/curated/sklearn@sha256:ab" in done.out


ENDS = {
    "failed": {"problem": {"title": "no solution", "todo": "ask for less"}, "failed_stage": "resolve"},
    "refused": {
        "exceptions": [
            {"outcome": "allow", "purl": "pkg:pypi/six@1?file_name=six", "reasons": []},
            {"outcome": "deny", "purl": "pkg:pypi/evil@1?file_name=evil", "reasons": []},
        ]
    },
    "denied": {"denied": {"by": "anna", "reason": "not needed"}},
}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("failed", "no solution"),
        ("refused", "the policy denies pkg:pypi/evil@1\n"),
        ("denied", "anna denied it: not needed"),
    ],
)
def test_waiting_for_what_does_not_come_exits_with_1_and_says_why(portal, sekisho, state, said):
    portal.answers["/api/requests/r1"] = status(state, **ENDS[state])
    done = sekisho("status", "r1", "--wait")
    assert (done.status, done.out) == (1, "")
    assert said in done.err


def test_what_to_have_instead_is_waited_for_and_said(portal, sekisho):
    ways = [
        "no approval admits evil 1",
        "instead: ask for 'evil==2' in place of 'evil'",
        "  that is evil 2 instead of 1",
    ]
    looking = status("refused", **ENDS["refused"], searching=True)
    found = status("refused", **ENDS["refused"], searching=False, ways=ways)
    portal.answers["/api/requests/r1"] = [(200, looking), (200, looking), (200, found)]
    done = sekisho("status", "r1", "--wait")
    assert done.status == 1
    assert "do now: ask for 'evil==2' in place of 'evil'; see why" in done.err
    portal.answers["/api/requests/r1"] = found
    assert "\n  instead: ask for 'evil==2' in place of 'evil'\n    that is evil 2" in sekisho("status", "r1").out


def test_a_failure_without_advice_says_how_to_try_again(portal, sekisho):
    portal.answers["/api/requests/r1"] = status("failed", problem={"title": "boom"}, failed_stage="push")
    assert "sekisho status r1 --retry" in sekisho("status", "r1", "--wait").err


def test_retry_asks_for_it(portal, sekisho):
    portal.answers |= {"/api/requests/r1/retry": {}, "/api/requests/r1": status("resolving")}
    assert sekisho("status", "r1", "--retry").status == 0
    assert [path for _, path, _ in portal.asked] == ["/api/requests/r1/retry", "/api/requests/r1"]


def test_the_list_shows_one_line_for_each_request(portal, sekisho):
    portal.answers["/api/requests"] = [status("waiting"), status("delivered")]
    assert sekisho("status").out == "r1  waiting    rita: six\nr1  delivered  rita: six\n"
    portal.answers["/api/requests"] = []
    assert sekisho("status").out == "no requests yet\n"


def test_denied_artifacts_are_shown_and_the_others_on_demand(portal, sekisho):
    reasons = [{"rule": "no-evil", "outcome": "deny", "evidence": "the policy denies evil"}]
    rows = [
        {"outcome": "deny", "purl": "pkg:pypi/evil@1?x", "reasons": reasons},
        {"outcome": "allow", "purl": "pkg:pypi/six@1", "reasons": []},
    ]
    portal.answers["/api/requests/r1"] = status(
        "refused", exceptions=rows[:1], verdicts=rows, counts={"allow": 1, "review": 0, "deny": 1}
    )
    assert "deny   pkg:pypi/evil@1  no-evil: the policy denies evil" in sekisho("status", "r1").out
    assert "six@1" not in sekisho("status", "r1").out
    assert "allow  pkg:pypi/six@1" in sekisho("status", "r1", "--verdicts").out


def test_why_asks_for_the_exact_release(portal, sekisho):
    portal.answers["/api/why/Six"] = {"lines": ["six 1.17.0 is approved", "  by anna"]}
    done = sekisho("why", "Six==1.17.0", SEKISHO_WORKSPACE="team-a")
    assert done.out == "six 1.17.0 is approved\n  by anna\n"
    assert portal.asked[0][1] == "/api/why/Six?release=1.17.0&workspace=team-a"


def test_why_asks_for_a_python(portal, sekisho):
    portal.answers["/api/why/six"] = {"lines": ["six is approved"]}
    assert sekisho("why", "six", "--python", "3.12").out == "six is approved\n"
    assert portal.asked[0][1] == "/api/why/six?workspace=everyone&python=3.12"


@pytest.mark.parametrize("package", ["six>=1", "six==1.*", "six==1,==2", "six!=1"])
def test_why_of_more_than_one_release_is_a_failure(portal, sekisho, package):
    done = sekisho("why", package)
    assert (done.status, portal.asked) == (1, [])
    assert "is not NAME or NAME==VERSION" in done.err


def test_why_of_what_is_no_requirement_is_a_failure(sekisho):
    done = sekisho("why", "../etc")
    assert done.status == 1
    assert "is not NAME or NAME==VERSION" in done.err


def test_an_approval_carries_reason_and_expiry(portal, sekisho):
    portal.answers["/api/requests/r1/approve"] = status("approved", approval={"approved_by": "anna", "reason": "fine"})
    portal.answers["/api/requests/r1"] = status("waiting", closure={"digest": "ab" * 32, "packages": 1})
    done = sekisho("approve", "r1", "--reason", "fine", "--expires", "2027-05-01T00:00:00+02:00")
    assert "approved by anna: fine" in done.out
    assert portal.asked[-1][2] == {"reason": "fine", "expires": "2027-05-01T00:00:00+02:00", "closure": "ab" * 32}


def test_an_expiry_that_is_no_time_is_a_failure(portal, sekisho):
    done = sekisho("approve", "r1", "--reason", "fine", "--expires", "next year")
    assert done.status == 1
    assert "2027-05-01" in done.err
    assert portal.asked == []


def test_a_denial_carries_its_reason(portal, sekisho):
    portal.answers["/api/requests/r1/deny"] = status("denied", **ENDS["denied"])
    assert "denied by anna: not needed" in sekisho("deny", "r1", "--reason", "not needed").out
    assert portal.asked[0][2] == {"reason": "not needed"}


def test_json_is_the_portals_own_answer(portal, sekisho):
    portal.answers["/api/requests/r1"] = status("waiting")
    assert json.loads(sekisho("status", "r1", "--json").out) == status("waiting")
