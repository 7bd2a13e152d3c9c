"""What anybody who reaches the door can make the proxy hold or work out, and for how long."""

import contextlib
import socket
from datetime import timedelta
from urllib.parse import quote

import pytest

from sekisho_proxy.pages import book as book_module
from sekisho_proxy.pages.legacy import LegacyPage
from tests.fake_upstream import JSON, run_asgi
from tests.integration.proxy.house import House, offered
from tests.integration.proxy.test_frozen import NOON, Frozen

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
UNFINISHED = b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"


@pytest.fixture
def address(house):
    house.settle()
    with house.open() as client:
        yield client.base_url.host, client.base_url.port


def _connect(address):
    wire = socket.create_connection(address, timeout=20)
    wire.settimeout(20)
    return wire


def _rest(wire):
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while part := wire.recv(65536):
            said += part
    return said


def test_a_body_that_never_ends_holds_no_connection(address, monkeypatch):
    monkeypatch.setattr("sekisho_proxy.wire.SLOWEST_HEAD", 0.5)
    with _connect(address) as wire:
        wire.sendall(UNFINISHED)
        assert wire.recv(65536).startswith(b"HTTP/1.1 405")
        wire.sendall(b"x")
        assert _rest(wire) == b""


def test_a_body_that_comes_late_is_left_alone(address):
    with _connect(address) as wire:
        wire.sendall(b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n")
        assert wire.recv(65536).startswith(b"HTTP/1.1 405")
        wire.sendall(b"xx" + HEALTH)
        assert wire.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("said", [b"", HEALTH, HEALTH[:20], UNFINISHED])
def test_connections_that_wait_make_room_for_those_that_ask(house, monkeypatch, said):
    monkeypatch.setattr("sekisho_proxy.service._MOST_CONNECTIONS", 8)
    house.settle()
    with house.open() as client, contextlib.ExitStack() as held:
        address = client.base_url.host, client.base_url.port
        for _ in range(30):
            wire = held.enter_context(_connect(address))
            wire.sendall(said)
        with _connect(address) as wire:
            wire.sendall(HEALTH)
            assert wire.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_line_of_requests_is_bounded_and_no_answer_stands_in_another(address):
    with _connect(address) as wire:
        wire.sendall(HEALTH * 40)
        answers = 0
        while answers < 40:
            answers += wire.recv(1 << 20).count(b"HTTP/1.1 200")
        wire.sendall(HEALTH * 2000)
        rest = _rest(wire)
        assert b"HTTP/1.1 400" not in rest
        assert rest.count(b"HTTP/1.1 200") < 2000


def test_a_request_with_two_hosts_is_none(address):
    with _connect(address) as wire:
        wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + HEALTH)
        said = _rest(wire)
    assert said.startswith(b"HTTP/1.1 400")
    assert said.count(b"HTTP/1.1") == 1


async def _many_releases(scope, receive, send):
    """An index in which every name has many releases."""
    versions = ",".join(f'"{major}.{minor}"' for major in range(20) for minor in range(20))
    body = f'{{"meta":{{"api-version":"1.1"}},"name":"x","versions":[{versions}],"files":[]}}'.encode()
    headers = [(b"content-type", JSON.encode()), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def test_names_and_workspaces_that_are_made_up_take_a_bounded_room(tmp_path, upstream, approved, monkeypatch):
    books = []
    made = book_module.Book.__init__

    def make(self, *arguments):
        made(self, *arguments)
        books.append(self)

    monkeypatch.setattr(book_module.Book, "__init__", make)
    monkeypatch.setattr(book_module, "_MOST_REFUSED_ROWS", 2000)
    with run_asgi(_many_releases) as url:
        house = House(tmp_path, upstream=url)
        house.settle(house.approval(*approved[:1]))
        with house.open() as client:
            headers = {"accept": JSON}
            page = client.get("/w/everyone/pypi/simple/alpha/", headers=headers).json()
            assert len(offered(page)) == 1
            [book] = books
            kept = dict(book._pages._things)
            for number in range(20):
                refused = client.get(f"/w/everyone/pypi/simple/made-up-{number}/", headers=headers).json()
                assert len(refused["files"]) > 400
                elsewhere = client.get(f"/w/made-up-{number}/pypi/simple/alpha/", headers=headers).json()
                assert len(elsewhere["files"]) > 400
                assert client.get(f"/w/made-up-{number}/pypi/simple/", headers=headers).json()["projects"] == []
    assert book._pages._things == kept
    assert 0 < book._refused.weight <= 2000
    assert len(book._gate._held.index().doors) == 1


@pytest.mark.parametrize("release", ["1" * 5000, "1." + "9" * 12000, "1.0+" + "1" * 5000])
def test_a_release_that_is_too_long_a_number_is_no_fault_of_ours(house, approved, release):
    house.settle(house.approval(*approved[:1]))
    with house.open() as client:
        for project in ("alpha", "evil", "nobody"):
            answer = client.get(f"/w/everyone/denied/{project}/{release}")
            assert (answer.status_code, answer.json()["code"]) == (403, "refused")


def test_hosts_dates_and_spellings_that_are_made_up_render_no_page_again(tmp_path, upstream, approved, monkeypatch):
    rendered = []
    render = LegacyPage.to_json
    monkeypatch.setattr(LegacyPage, "to_json", lambda self, origin="": rendered.append(1) or render(self, origin))
    with run_asgi(upstream) as url:
        house = Frozen(tmp_path, upstream=url)
        alpha, beta = (house.approval(artifact) for artifact in approved)
        house.turn_and_settle(3, alpha)
        house.turn_and_settle(1, alpha, beta)
        with house.open() as client:
            for number in range(30):
                at = NOON - timedelta(days=2) + timedelta(seconds=number)
                door = f"/w/everyone/@{at:%Y-%m-%dT%H:%M:%SZ}"
                answer = client.get(f"{door}/pypi/alpha/1.2{'.0' * number}/json", headers={"host": f"h{number}.test"})
                row = answer.json()["urls"][0]
                assert row["url"] == f"http://h{number}.test{quote(door, safe='/@')}/pypi/files/{approved[0].path}"
    assert len(rendered) == 1
