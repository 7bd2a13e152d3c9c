import socket
from datetime import UTC, datetime

import pytest

from sekisho.client import PortalClient
from sekisho.errors import BadInputError, ConflictError, RefusedError, SekishoError, UnauthenticatedError, UpstreamError


@pytest.fixture
def client(portal_url):
    with PortalClient(portal_url, "secret") as client:
        yield client


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_a_portal_that_is_down_is_said_with_what_to_do():
    url = f"http://127.0.0.1:{_free_port()}"
    with PortalClient(url, "secret") as client:
        with pytest.raises(UpstreamError, match="the portal does not answer") as caught:
            client.requests()
        assert caught.value.where == url
        assert "sekisho up" in caught.value.todo
        assert "SEKISHO_PORTAL_URL" in caught.value.todo
        assert not client.answers()


@pytest.mark.parametrize(
    ("code", "status", "leaf"),
    [
        ("refused", 403, RefusedError),
        ("conflict", 409, ConflictError),
        ("unauthenticated", 401, UnauthenticatedError),
        ("upstream", 502, UpstreamError),
        ("from-the-future", 500, SekishoError),
    ],
)
def test_an_error_is_the_one_that_the_portal_meant(portal, client, code, status, leaf):
    portal.answers["/api/requests"] = (status, {"code": code, "title": "what", "where": "here", "todo": "do this"})
    with pytest.raises(leaf) as caught:
        client.requests()
    assert type(caught.value) is leaf
    assert (caught.value.what, caught.value.where, caught.value.todo) == ("what", "here", "do this")


@pytest.mark.parametrize("body", [b"<html>bad gateway</html>", b"[]", b'{"detail": "Not Found"}', b"", b"\xff"])
def test_an_error_of_something_else_in_between_is_an_upstream_error(portal, client, body):
    portal.answers["/api/requests"] = (502, body)
    with pytest.raises(UpstreamError, match="the portal answered 502") as caught:
        client.requests()
    assert caught.value.where == "/api/requests"


def test_every_call_says_who_asks(portal, client):
    portal.answers["/api/requests"] = []
    assert client.requests() == []
    assert portal.tokens == ["Bearer secret"]


def test_without_a_token_nobody_is_named(portal, portal_url):
    portal.answers["/healthz"] = {"status": "ok"}
    with PortalClient(portal_url, None) as client:
        assert client.answers()
    assert portal.tokens == [""]


def test_calls_reach_their_routes(portal, client):
    paths = ("approve", "deny", "retry", "report", "records")
    portal.answers |= {f"/api/requests/r1/{path}": {"id": "r1"} for path in paths}
    portal.answers |= {
        "/api/requests/r1": {},
        "/api/why/six": {},
        "/api/policy": {},
        "/api/policy/snapshot": {},
        "/api/events": [],
    }
    client.approve("r1", reason="good", expires=datetime(2027, 5, 1, tzinfo=UTC))
    client.deny("r1", reason="bad")
    client.retry("r1")
    client.report("r1", "locked", {"lock": 1})
    client.records("r1")
    client.status("r1", after=3, wait=0)
    client.status("r1")
    client.why("six", None, "team-a")
    client.policy()
    client.snapshot()
    client.events(after=4, wait=0)
    assert portal.asked == [
        ("POST", "/api/requests/r1/approve", {"reason": "good", "expires": "2027-05-01T00:00:00+00:00"}),
        ("POST", "/api/requests/r1/deny", {"reason": "bad"}),
        ("POST", "/api/requests/r1/retry", None),
        ("POST", "/api/requests/r1/report", {"kind": "locked", "body": {"lock": 1}}),
        ("GET", "/api/requests/r1/records", None),
        ("GET", "/api/requests/r1?after=3&wait=0", None),
        ("GET", "/api/requests/r1", None),
        ("GET", "/api/why/six?workspace=team-a", None),
        ("GET", "/api/policy", None),
        ("GET", "/api/policy/snapshot", None),
        ("GET", "/api/events?after=4&wait=0", None),
    ]


@pytest.mark.parametrize("url", ["http://localhost:port", "http://[::1"])
def test_an_address_that_is_none_is_bad_input(url):
    with pytest.raises((BadInputError, UpstreamError)) as caught, PortalClient(url, None) as client:
        client.requests()
    assert "SEKISHO_PORTAL_URL" in caught.value.where + caught.value.todo


def test_an_address_without_http_is_said():
    with PortalClient("portal.invalid", None) as client, pytest.raises(UpstreamError) as caught:
        client.requests()
    assert caught.value.where == "portal.invalid"


@pytest.mark.parametrize("token", ["skp_é", "skp_a\nb", "skp_\x00"])
def test_a_token_that_no_header_can_hold_is_bad_input(token):
    with pytest.raises(BadInputError) as caught:
        PortalClient("http://127.0.0.1:1", token)
    assert caught.value.where == "SEKISHO_TOKEN"
    assert token not in str(caught.value)
