"""Who may do what: every route of the API, for every role."""

import pytest

from tests.advisories import osv, packed
from tests.records import TARGET
from tests.unit.portal.house import ANNA, BOTH, NUMPY, SIX

ASK = {"requirements": ["numpy"], "target": TARGET.plain()}
REASON = {"reason": "because"}
BATCH = {
    "proxy": "0" * 32,
    "id": "1" * 32,
    "rows": [{"rule": "x", "count": 1, "first": "2026-11-01T00:00:00Z", "last": "2026-11-01T00:00:00Z"}],
}
EVERYBODY = {"rita", "anna", "ada", "service"}

ZIP = packed(osv("GHSA-aaaa-bbbb-cccc", "unused")).getvalue()
GLASS = {"project": "numpy", "reason": "the line stands still"}
VEX = {
    "advisory": "CVE-2026-1",
    "project": "numpy",
    "releases": ["2.1.0"],
    "justification": "vulnerable_code_not_present",
}

LOCKING = {
    "asked": {"target": TARGET.plain(), "requirements": ["six"]},
    "answer": {
        "resolver": "uv 0",
        "packages": [{"project": "six", "release": "1.17.0", "hashes": [SIX.sha256]}],
    },
}

# method and path: (JSON body, those who may)
MATRIX = {
    ("POST", "/api/requests"): (ASK, {"rita"}),
    ("GET", "/api/requests"): (None, EVERYBODY),
    ("GET", "/api/requests/{request_id}"): (None, EVERYBODY),
    ("POST", "/api/requests/{request_id}/approve"): (REASON, {"anna"}),
    ("POST", "/api/requests/{request_id}/deny"): (REASON, {"anna"}),
    ("POST", "/api/requests/{request_id}/retry"): (None, {"rita", "anna", "ada"}),
    ("POST", "/api/requests/{request_id}/report"): ({"kind": "progress", "body": {"done": 1}}, {"service"}),
    ("GET", "/api/requests/{request_id}/records"): (None, {"service"}),
    ("GET", "/api/requests/{request_id}/judged"): (None, {"service"}),
    ("POST", "/api/requests/{request_id}/foresee"): ({"artifacts": [SIX.plain()]}, {"service"}),
    ("GET", "/api/events"): (None, {"service"}),
    ("GET", "/api/policy"): (None, EVERYBODY),
    ("GET", "/api/sources"): (None, EVERYBODY),
    ("GET", "/api/policy/snapshot"): (None, EVERYBODY),
    ("GET", "/api/why/{project}"): (None, EVERYBODY),
    ("POST", "/api/demand"): (BATCH, {"service"}),
    ("GET", "/api/demand"): (None, EVERYBODY),
    ("POST", "/api/requests/{request_id}/ask-back"): ({"text": "what for?"}, {"anna"}),
    ("POST", "/api/requests/{request_id}/answer"): ({"text": "for fun"}, {"rita"}),
    ("POST", "/api/requests/{request_id}/break-glass"): (GLASS, {"anna"}),
    ("POST", "/api/revocations"): ({"what": "six", "reason": "because"}, {"anna"}),
    ("POST", "/api/vex"): (VEX, {"anna"}),
    ("GET", "/api/vex"): (None, EVERYBODY),
    ("POST", "/api/advisories/{feed}"): (ZIP, {"ada"}),
    ("GET", "/api/affected"): (None, EVERYBODY),
    ("GET", "/api/approvals/{approval_id}/statements"): (None, EVERYBODY),
    ("GET", "/api/locks?what=six"): (None, EVERYBODY),
    ("POST", "/api/locks"): (LOCKING, EVERYBODY),
    ("GET", "/api/channels"): (None, EVERYBODY),
    ("GET", "/api/requests/{request_id}/lock"): (None, EVERYBODY),
}
ALLOWED = [(method, path, who) for (method, path), (_, may) in MATRIX.items() for who in sorted(may)]


def _request(house, path):
    """Return a request that ``bo`` made, in the state that the route asks for."""
    if path.endswith("/answer"):
        request = house.waiting(NUMPY)
        house.desk.ask_back(ANNA, request, question="what for?")
        return request
    if path.endswith("/lock"):
        request = house.waiting(NUMPY)
        house.approve(request)
        return request
    if not path.endswith("/retry"):
        return house.waiting(NUMPY, who=BOTH)
    request = house.ask(BOTH)
    house.report(request, "failed", stage="resolve", problem={"title": "x"})
    return request


def test_the_matrix_has_every_route_of_the_api(web):
    schema = web.app.openapi()["paths"]
    routes = {(method.upper(), path) for path, methods in schema.items() for method in methods}
    assert {route for route in routes if route[1].startswith("/api")} == {
        (method, path.partition("?")[0]) for method, path in MATRIX
    }


def _call(web, method, path, who):
    body, _ = MATRIX[method, path]
    request = _request(web.house, path) if "{request_id}" in path else ""
    if path in {"/api/revocations", "/api/locks"} and not web.house.admitted():
        web.house.approve(web.house.waiting(SIX))
    approval = ""
    if "{approval_id}" in path:
        asked = web.house.waiting(SIX)
        approval = web.house.approve(asked).last["approved"].body["id"]
    target = path.format(request_id=request, approval_id=approval, project="numpy", feed="osv")
    return web.call(method, target, who, **_sent(body)), request


def _sent(body):
    if isinstance(body, bytes):
        return {"content": body, "headers": {"Content-Type": "application/octet-stream"}}
    return {"json": body}


@pytest.mark.parametrize(("method", "path", "who"), ALLOWED)
def test_a_role_may_do_what_the_matrix_says(web, method, path, who):
    answer, _ = _call(web, method, path, who)
    assert answer.is_success, answer.text


@pytest.mark.parametrize(("method", "path"), MATRIX)
def test_a_role_may_do_nothing_else(web, method, path):
    for who in sorted(EVERYBODY - MATRIX[method, path][1]):
        answer, request = _call(web, method, path, who)
        assert (answer.status_code, answer.json()["code"]) == (403, "refused"), who
        if request:
            assert web.house.kinds(request)[-1] in {"judged", "attempt-refused", "failed", "asked"}, who


@pytest.mark.parametrize(("method", "path"), MATRIX)
def test_nobody_may_do_anything(web, method, path):
    body, _ = MATRIX[method, path]
    target = path.format(
        request_id=_request(web.house, path) if "{request_id}" in path else "",
        approval_id="a1",
        project="numpy",
        feed="osv",
    )
    before = web.house.ledger.size()
    for header in (None, "Bearer skp_wrong", "Bearer ", "Basic cml0YTpy", "skp_wrong"):
        headers = {"Authorization": header} if header else {}
        sent = _sent(body)
        answer = web.client.request(method, target, **{**sent, "headers": {**sent.get("headers", {}), **headers}})
        assert answer.status_code == 401, header
        assert answer.headers["www-authenticate"] == 'Bearer realm="sekisho"'
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "unauthenticated"
    assert web.house.ledger.size() == before


def test_the_cookie_of_the_pages_does_not_count_for_the_api(web):
    visitor = web.visit("anna")
    assert visitor.client.get("/api/requests").status_code == 401


def test_a_requester_cannot_approve_their_own_even_as_an_approver(web):
    request = web.house.waiting(NUMPY, who=BOTH)
    answer = web.call("POST", f"/api/requests/{request}/approve", "bo", json=REASON)
    assert answer.status_code == 403
    assert "another approver" in answer.json()["todo"]


@pytest.mark.parametrize("kind", ["resolved", "progress", "failed"])
def test_a_report_of_somebody_else_changes_nothing_that_is_shown(web, kind):
    request = web.house.ask()
    web.call("POST", f"/api/requests/{request}/report", "service", json={"kind": "progress", "body": {"done": 1}})
    body = {"stage": "resolve", "problem": {"title": "x"}, "closure": {}}
    assert (
        web.call("POST", f"/api/requests/{request}/report", "rita", json={"kind": kind, "body": body}).status_code
        == 403
    )
    status = web.call("GET", f"/api/requests/{request}", "rita").json()
    assert (status["state"], status["progress"]) == ("resolving", {"done": 1})
