"""Nobody can make the portal hold more than a route needs, or keep it waiting for what does not exist."""

import asyncio
import time

import pytest

from sekisho_portal import limits
from sekisho_portal.limits import Limits
from tests.unit.portal.house import NUMPY

ROUTES = [
    ("/login", "anna", 64_000),
    ("/requests/new", None, 64_000),
    ("/api/requests/r1/approve", "anna", 64_000),
    ("/api/requests/r1/deny", None, 64_000),
    ("/api/nothing", None, 64_000),
    ("/api/requests", "rita", 2_000_000),
    ("/api/requests/r1/report", None, 64_000),
    ("/api/requests/r1/report", "anna", 64_000),
    ("/api/requests/r1/report", "service", 64_000_000),
]


@pytest.mark.parametrize(("path", "who", "limit"), ROUTES)
def test_a_body_that_is_stated_too_large_is_refused_unread(web, path, who, limit):
    headers = {"Authorization": f"Bearer {web.secrets[who]}"} if who else {}
    for size, refused in ((limit, False), (limit + 1, True)):
        status, read = asyncio.run(_send(web.app, path, headers, [b""], {"content-length": str(size)}))
        assert (status == 413) is refused
        assert read == (0 if refused else 1)


@pytest.mark.parametrize(("path", "who", "limit"), ROUTES[:-1])
def test_a_body_of_unknown_length_is_read_no_further_than_its_limit(web, path, who, limit):
    headers = {"Authorization": f"Bearer {web.secrets[who]}"} if who else {}
    chunks = [b"x" * 32_000] * 1000
    status, read = asyncio.run(_send(web.app, path, headers, chunks, {}))
    assert status == 413
    assert read * 32_000 <= limit + 32_000


async def _send(app, path, headers, chunks, more):
    """Return (status, how many chunks were asked for)."""
    sent, read = [], 0

    async def receive():
        nonlocal read
        read += 1
        return {"type": "http.request", "body": chunks[read - 1], "more_body": read < len(chunks)}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in {**headers, **more}.items()],
        "server": ("portal.invalid", 80),
        "client": ("127.0.0.1", 1),
    }
    await app(scope, receive, send)
    return sent[0]["status"], read


def test_it_is_a_problem_document_under_the_api_and_a_page_elsewhere(web):
    answer = web.call("POST", "/api/requests", "rita", content=b"x" * 2_000_001)
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "<html" in web.client.post("/login", content=b"x" * 64_001).text


def test_what_fits_still_arrives(web):
    request = web.house.ask()
    closure = web.house.closure(request, NUMPY).plain()
    body = {"kind": "resolved", "body": {"closure": closure, "padding": "x" * 3_000_000}}
    assert web.call("POST", f"/api/requests/{request}/report", "service", json=body).status_code == 200


def test_a_body_that_never_arrives_is_not_waited_for(web, monkeypatch):
    monkeypatch.setattr(limits, "_PATIENCE", 0.05)

    async def never():
        await asyncio.sleep(60)

    async def run():
        sent = []

        async def send(message):
            sent.append(message)

        def answer(_request, error):
            from fastapi.responses import Response

            return Response(error.what, status_code=error.http_status)

        app = Limits(None, web.house.tokens, answer)
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/login",
            "headers": [],
            "query_string": b"",
            "server": ("x", 80),
            "scheme": "http",
        }
        await app(scope, never, send)
        return sent[0]["status"]

    assert asyncio.run(run()) == 413


@pytest.mark.parametrize("after", ["-1", str(2**53 + 1), "1" * 5000])
@pytest.mark.parametrize("path", ["/api/requests/r1", "/api/events", "/api/policy/snapshot"])
def test_a_row_number_that_no_database_holds_is_bad_input(web, path, after):
    assert web.call("GET", f"{path}?after={after}", "service").status_code == 400


def test_an_unknown_request_is_not_waited_for(web):
    start = time.monotonic()
    assert web.call("GET", "/api/requests/r404?wait=20", "rita").status_code == 404
    assert time.monotonic() - start < 5
