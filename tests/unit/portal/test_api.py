import threading

import pytest

from sekisho.keys import load_trust
from sekisho.model import Facts
from sekisho.policy import SealedSnapshot, open_snapshot
from sekisho.policy.sealing import Opener
from tests.records import TARGET, facts
from tests.unit.portal.house import GPL, NUMPY, SIX

ASK = {"requirements": ["numpy"], "target": TARGET.plain(), "reason": "because"}


def test_a_whole_request_over_http(web):
    made = web.call("POST", "/api/requests", "rita", json=ASK)
    assert made.status_code == 201
    request = made.json()["id"]
    assert made.json()["link"] == f"http://portal.invalid/requests/{request}"
    closure = web.house.closure(request, NUMPY, SIX).plain()
    report = f"/api/requests/{request}/report"
    assert (
        web.call("POST", report, "service", json={"kind": "resolved", "body": {"closure": closure}}).json()["state"]
        == "inspecting"
    )
    body = {"facts": [facts(one, **GPL).plain() for one in (NUMPY, SIX)]}
    assert web.call("POST", report, "service", json={"kind": "inspected", "body": body}).json()["state"] == "waiting"
    done = web.call(
        "POST", f"/api/requests/{request}/approve", "anna", json={"reason": "fine", "expires": "2099-01-01T00:00:00Z"}
    )
    assert done.json()["state"] == "approved"
    assert done.json()["approval"]["expires"] == "2099-01-01T00:00:00+00:00"
    assert web.house.admitted() == {NUMPY.sha256, SIX.sha256}
    assert web.call("GET", "/api/why/Numpy", "rita").json()["available"]
    listed = web.call("GET", "/api/requests", "rita").json()
    assert [row["id"] for row in listed] == [request]


def test_a_target_that_is_left_out_is_found_out_and_shown(web):
    bare = {"requirements": ["numpy"]}
    first = web.call("POST", "/api/requests", "rita", json=bare)
    assert (first.status_code, first.json()["request"]["target"]) == (201, {"python": "3.11.2", "glibc": "2.36"})
    other = {"python": "3.12.4", "glibc": "2.39", "arch": "aarch64"}
    web.call("POST", "/api/requests", "bo", json={**bare, "target": other})
    web.house.clock.advance(minutes=1)
    assert web.call("POST", "/api/requests", "rita", json=bare).json()["request"]["target"]["python"] == "3.11.2"
    web.call("POST", "/api/requests", "rita", json={**bare, "target": other})
    web.house.clock.advance(minutes=1)
    found = web.call("POST", "/api/requests", "rita", json={"requirements": ["six"]}).json()
    assert found["request"]["target"] == other


def test_a_status_says_what_was_resolved_judged_and_done(web):
    request = web.house.waiting()
    status = web.call("GET", f"/api/requests/{request}", "rita").json()
    assert status["closure"]["packages"] == 2
    assert status["closure"]["bytes"] == 2000
    assert status["counts"] == {"allow": 0, "review": 2, "deny": 0}
    assert [row["outcome"] for row in status["exceptions"]] == ["review", "review"]
    assert [row["kind"] for row in status["events"]] == ["requested", "resolved", "inspected", "judged"]
    assert [row["actor"] for row in status["events"]] == ["rita", "service", "service", "policy"]


def test_a_room_reads_the_records_that_it_needs(web):
    request = web.house.ask()
    path = f"/api/requests/{request}/records"
    first = web.call("GET", path, "service").json()
    assert (first["request"]["requirements"], first["closure"], first["lock"]) == (["numpy"], None, None)
    web.house.resolve(request, NUMPY)
    web.house.inspect(request, facts(NUMPY))
    web.house.report(request, "locked", lock={"name": "x"})
    found = web.call("GET", path, "service").json()
    assert found["closure"] == web.house.closure(request, NUMPY).plain()
    assert found["lock"] == {"name": "x"}


def test_progress_is_shown_until_the_stage_reports(web):
    request = web.house.ask()
    path = f"/api/requests/{request}"
    told = {"stage": "resolve", "done": 3, "total": 9}
    size = web.house.ledger.size()
    web.call("POST", f"{path}/report", "service", json={"kind": "progress", "body": told})
    assert web.call("GET", path, "rita").json()["progress"] == told
    assert web.house.ledger.size() == size
    closure = web.house.closure(request, NUMPY).plain()
    web.call("POST", f"{path}/report", "service", json={"kind": "resolved", "body": {"closure": closure}})
    assert "progress" not in web.call("GET", path, "rita").json()


# Problems


def _problem(answer, status, code):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["type"] == f"urn:sekisho:problem:{code}"
    assert problem["title"]
    return problem


@pytest.mark.parametrize(
    "more",
    [
        {"json": {**ASK, "requirements": ["x @ http://example.invalid/x.whl"]}},
        {"json": {**ASK, "surprise": 1}},
        {"json": [ASK]},
        {"json": None},
        {"content": b"{"},
        {"content": b'{"\\ud800": 1}'},
        {"content": b'{"requirements": ["\\ud800"], "target": {}}'},
        {"content": b"\xff\xfe"},
    ],
)
def test_a_request_that_makes_no_sense_is_a_problem_and_not_recorded(web, more):
    before = web.house.ledger.size()
    _problem(web.call("POST", "/api/requests", "rita", **more), 400, "bad-input")
    assert web.house.ledger.size() == before


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": "x" * 2001},
        {"reason": "x", "expires": "soon"},
        {"reason": "x", "scope": ["every one"]},
        {"reason": "x", "scope": "everyone"},
        {"reason": "x", "surprise": 1},
        {"reason": 5},
    ],
)
def test_a_decision_of_another_form_is_a_problem(web, body):
    request = web.house.waiting()
    _problem(web.call("POST", f"/api/requests/{request}/approve", "anna", json=body), 400, "bad-input")
    assert web.house.state(request) == "waiting"


def test_a_lone_surrogate_in_a_reason_is_a_problem(web):
    request = web.house.waiting()
    answer = web.call("POST", f"/api/requests/{request}/deny", "anna", content=b'{"reason": "\\ud800"}')
    _problem(answer, 400, "bad-input")


def test_a_decision_that_came_too_late_is_a_conflict(web):
    request = web.house.waiting()
    web.call("POST", f"/api/requests/{request}/deny", "anna", json={"reason": "no"})
    problem = _problem(
        web.call("POST", f"/api/requests/{request}/approve", "otto", json={"reason": "yes"}), 409, "conflict"
    )
    assert "it is denied" in problem["title"]


@pytest.mark.parametrize(
    "path", ["/api/requests/r404", "/api/requests/r404/records", "/api/nowhere", "/api/requests/a/b/c"]
)
def test_what_does_not_exist_is_a_problem(web, path):
    _problem(web.call("GET", path, "service"), 404, "not-found")


@pytest.mark.parametrize("name", ["..%5c..", "a%00b", "a%0d%0ab", "é", "a b"])
def test_why_of_an_odd_name_is_a_problem(web, name):
    _problem(web.call("GET", f"/api/why/{name}", "rita"), 400, "bad-input")


@pytest.mark.parametrize("query", ["wait=31", "wait=-1", "wait=soon", "after=x"])
def test_a_wait_out_of_bounds_is_a_problem(web, query):
    _problem(web.call("GET", f"/api/events?{query}", "service"), 400, "bad-input")


def test_a_fault_of_our_own_is_a_problem_that_shows_nothing_of_it(web, caplog):
    class Broken:
        def __init__(self, engine):
            self._engine = engine

        def entries(self, **_which):
            raise ZeroDivisionError("secret detail")

    web.house.desk.means.ledger = Broken(web.house.ledger._engine)
    problem = _problem(web.call("GET", "/api/requests", "rita"), 500, "error")
    assert "secret" not in str(problem)
    assert "secret detail" in caplog.text


# Long polls


def test_a_poll_without_news_ends_empty(web):
    seq = web.house.ledger.size()
    assert web.call("GET", f"/api/events?after={seq}&wait=0.2", "service").json() == []
    sequence = web.house.snapshots.current().sequence
    answer = web.call("GET", f"/api/policy/snapshot?after={sequence}&wait=0.2", "service")
    assert (answer.status_code, answer.content) == (204, b"")


def test_a_poll_with_news_answers_at_once(web):
    request = web.house.ask()
    (row,) = web.call("GET", "/api/events?wait=30", "service").json()
    assert (row["kind"], row["subject"]) == ("requested", request)
    answer = web.call("GET", "/api/policy/snapshot?wait=30", "service")
    sealed = SealedSnapshot.parse_json(answer.content, where="answer")
    assert open_snapshot(sealed, load_trust(web.house.settings.trust_file)) == web.house.snapshots.current()


def _while_waiting(web, path, act):
    """Return the answer to a poll, during which ``act`` happens."""
    answers = []
    poll = threading.Thread(target=lambda: answers.append(web.call("GET", path, "service")))
    poll.start()
    act()
    poll.join(60)
    return answers[0]


def test_a_poll_ends_when_there_is_work(web):
    seq = web.house.ledger.size()
    answer = _while_waiting(web, f"/api/events?after={seq}&wait=30", web.house.ask)
    assert [row["kind"] for row in answer.json()] == ["requested"]


def test_a_poll_ends_when_the_policy_changes(web):
    sequence = web.house.snapshots.current().sequence

    def commit():
        web.house.repository.commit({"pypi/six.yaml": "project: six\napprovals: []\n"})
        web.house.snapshots.refresh()

    answer = _while_waiting(web, f"/api/policy/snapshot?after={sequence}&wait=30", commit)
    assert answer.status_code == 200


def test_who_has_the_policy_before_gets_only_what_changed(web):
    house, trust = web.house, load_trust(web.house.settings.trust_file)
    sequence, opener = house.snapshots.current().sequence, Opener()
    opener.open(house.snapshots.sealed(), trust)
    house.repository.commit(
        {"policy.yaml": "version: 1\nask: http://other.invalid\nrules:\n  - {id: yanked, check: yanked}\n"}
    )
    assert house.snapshots.refresh()
    whole = house.snapshots.sealed()
    for query, parts in (("changes=true", ()), ("changes=false", whole.parts), ("", whole.parts)):
        answer = web.call("GET", f"/api/policy/snapshot?after={sequence}&{query}", "service")
        assert SealedSnapshot.parse_json(answer.content, where="answer").parts == parts
    opened = opener.open(house.snapshots.sealed(sequence), trust)
    assert (opened.snapshot, opened.sealed) == (house.snapshots.current(), whole)
    assert house.snapshots.sealed(12345) == whole


def test_a_poll_for_a_status_ends_when_something_happens_to_that_request(web):
    request = web.house.waiting()
    web.house.ask(requirements=["idna"])
    seq = web.house.desk.standing(request).seq
    path = f"/api/requests/{request}?after={seq}&wait=30"
    answer = _while_waiting(web, path, lambda: web.house.approve(request))
    assert answer.json()["seq"] > seq


# The policy


def test_the_policy_in_force_is_described(web):
    web.house.approve(web.house.waiting(NUMPY))
    text = web.house.repository.show("pypi/numpy.yaml").replace("anna", "mallory")
    web.house.repository.commit({"pypi/numpy.yaml": text})
    web.house.snapshots.refresh()
    web.house.repository.commit({"policy.yaml": "rules: []\n"})
    web.house.snapshots.refresh()
    found = web.call("GET", "/api/policy", "rita").json()
    assert found["sequence"] == web.house.snapshots.current().sequence
    assert found["refused"][0]["where"] == "pypi/numpy.yaml, line 3, approval 1"
    assert found["problem"]["revision"] == web.house.repository.head()


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_needs_no_token(web, path):
    assert web.client.get(path).status_code == 200


def test_without_a_policy_the_portal_is_alive_and_not_ready(web):
    web.house.snapshots._snapshot = None
    assert web.client.get("/healthz").status_code == 200
    assert web.client.get("/readyz").status_code == 404


def test_facts_that_a_room_reports_are_checked(web):
    request = web.house.ask()
    web.house.resolve(request, NUMPY)
    body = {"facts": [{**Facts(sha256=NUMPY.sha256, size=1).plain(), "surprise": 1}]}
    answer = web.call("POST", f"/api/requests/{request}/report", "service", json={"kind": "inspected", "body": body})
    _problem(answer, 400, "bad-input")
