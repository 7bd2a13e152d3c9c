"""Files that come while they are read: sooner for the client, and never to a wrong end."""

import asyncio
import contextlib
import hashlib
import socket
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.fake_upstream import FakeUpstream, run_asgi
from tests.integration.proxy.house import House, until
from tests.integration.proxy.test_faults import leftovers
from tests.wheels import make_wheel

SIZE = 3 << 20


class Dripping(FakeUpstream):
    """Sends half of a file, and the rest after ``release``; ``bodies`` are sent in place of it, one at each try."""

    def __init__(self, wheel):
        super().__init__(wheels=[wheel])
        self.release = threading.Event()
        self.bodies: list[bytes] = []

    async def _send(self, send, status, sent, body, fault):
        if not self.requests[-1][1].startswith("/packages"):
            await super()._send(send, status, sent, body, fault)
            return
        body = self.bodies.pop(0) if self.bodies else body
        length = [(b"content-length", b"%d" % len(self.wheels[0].data))]
        await send({"type": "http.response.start", "status": status, "headers": length})
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        await asyncio.to_thread(self.release.wait, 30)
        await send({"type": "http.response.body", "body": body[len(body) // 2 :], "more_body": False})


@pytest.fixture
def large(tmp_path):
    """An approved wheel of three megabytes, at an upstream that drips; (house, upstream, wheel, address)."""
    wheel = make_wheel("large", "1.0", files={"large/data.bin": hashlib.shake_128(b"x").digest(SIZE)})
    upstream = Dripping(wheel)
    with run_asgi(upstream) as url:
        house = House(tmp_path, upstream=url)
        house.settings = house.settings.model_copy(update={"upstream_timeout": 5.0})
        house.settle(house.approval(wheel.artifact()))
        yield house, upstream, wheel, f"/w/everyone/pypi/files/{wheel.path}"
        upstream.release.set()


def test_bytes_leave_before_the_file_is_here_and_the_end_only_after(large):
    house, upstream, wheel, address = large
    with house.open() as client, client.stream("GET", address) as answer:
        assert answer.status_code == 200
        assert int(answer.headers["content-length"]) == len(wheel.data)
        parts, size = answer.iter_raw(), 0
        whole = b""
        while size < len(wheel.data) // 2 - (256 << 10):
            whole += (part := next(parts))
            size += len(part)
        assert not house_has(house, wheel)
        upstream.release.set()
        whole += b"".join(parts)
        assert whole == wheel.data
        assert house_has(house, wheel)
        assert client.get(address, headers={"range": "bytes=5-9"}).content == wheel.data[5:10]
        assert len(upstream.paths("/packages")) == 1


def house_has(house, wheel):
    return (house.settings.data / "proxy" / "blobs" / "sha256" / wheel.sha256[:2] / wheel.sha256).exists()


@pytest.mark.parametrize("at", [0, -1])
def test_a_wrong_file_is_cut_before_its_end_and_not_kept(large, at):
    house, upstream, wheel, address = large
    wrong = bytearray(wheel.data)
    wrong[at] ^= 1
    upstream.bodies = [bytes(wrong)]
    upstream.release.set()
    with house.open() as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            client.get(address)
        assert not leftovers(house)
        assert client.get(address).content == wheel.data


def test_who_read_along_with_another_file_is_cut_although_the_second_try_is_right(large):
    house, upstream, wheel, address = large
    wrong = bytes([wheel.data[0] ^ 1]) + wheel.data[1 : len(wheel.data) // 2]
    upstream.bodies = [wrong]  # too short: the fetch is tried again, and then gets the right bytes
    with house.open() as client:
        with client.stream("GET", address) as answer:
            parts = answer.iter_raw()
            next(parts)
            upstream.release.set()
            with pytest.raises(httpx2.RemoteProtocolError):
                deque(parts)
        until(lambda: house_has(house, wheel))
        assert client.get(address).content == wheel.data
    assert len(upstream.paths("/packages")) == 2


def test_a_hundred_that_ask_first_make_one_fetch(large):
    house, upstream, wheel, address = large
    with house.open() as client, ThreadPoolExecutor(100) as pool:
        url = f"{client.base_url}{address}"
        answers = [pool.submit(httpx2.get, url, timeout=60, trust_env=False) for _ in range(100)]
        until(lambda: upstream.paths("/packages"))
        upstream.release.set()
        assert all(answer.result().content == wheel.data for answer in answers)
    assert len(upstream.paths("/packages")) == 1


def test_a_range_or_metadata_of_a_cold_file_waits_for_the_whole(large):
    house, upstream, wheel, address = large
    with house.open() as client, ThreadPoolExecutor(2) as pool:
        part = pool.submit(client.get, address, headers={"range": "bytes=0-3"})
        metadata = pool.submit(client.get, f"{address}.metadata")
        until(lambda: upstream.paths("/packages"))
        assert not part.done()
        upstream.release.set()
        assert (part.result().status_code, part.result().content) == (206, wheel.data[:4])
        assert metadata.result().content == wheel.metadata


def test_a_head_of_a_cold_file_states_its_size_and_brings_it(large):
    house, upstream, wheel, address = large
    with house.open() as client:
        answer = client.head(address)
        assert (answer.status_code, int(answer.headers["content-length"])) == (200, len(wheel.data))
        upstream.release.set()
        until(lambda: house_has(house, wheel))


def test_a_client_that_leaves_does_not_stop_the_others(large):
    house, upstream, wheel, address = large
    with house.open() as client, ThreadPoolExecutor(1) as pool:
        with client.stream("GET", address) as answer:
            next(answer.iter_raw())
        other = pool.submit(client.get, address)
        upstream.release.set()
        assert other.result().content == wheel.data
    assert len(upstream.paths("/packages")) == 1


def test_a_head_that_does_not_end_is_closed(large, monkeypatch):
    house, *_ = large
    monkeypatch.setattr("sekisho_proxy.wire.SLOWEST_HEAD", 0.3)
    with house.open() as client:
        address = (client.base_url.host, client.base_url.port)
        for begun in (b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"):
            with socket.create_connection(address, timeout=10) as wire:
                wire.sendall(begun)
                assert wire.recv(100) == b""
        with socket.create_connection(address, timeout=10) as wire:
            for _ in range(2):
                wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                said = b""
                while not said.endswith(b"}"):
                    said += wire.recv(4096)
                assert said.startswith(b"HTTP/1.1 200")
            wire.sendall(b"GET /he")
            assert wire.recv(100) == b""


def test_a_client_that_does_not_read_is_cut(large, monkeypatch):
    house, upstream, wheel, address = large
    upstream.release.set()
    monkeypatch.setattr("sekisho_proxy.wire.SLOWEST_READER", 0.3)
    with house.open() as client:
        assert client.get(address).status_code == 200
        with socket.socket() as wire:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.settimeout(20)
            wire.connect((client.base_url.host, client.base_url.port))
            wire.sendall(f"GET {address} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            threading.Event().wait(1.5)
            got = 0
            with contextlib.suppress(ConnectionResetError):
                while part := wire.recv(65536):
                    got += len(part)
            assert got < len(wheel.data)


@pytest.mark.parametrize(("suffix", "headers"), [("", {"range": "bytes=0-3"}), (".metadata", {})])
def test_what_is_revoked_while_it_is_fetched_does_not_leave(large, suffix, headers):
    house, upstream, _, address = large
    with run_asgi(house.portal) as portal:
        house.settings = house.settings.model_copy(update={"portal_url": portal})
        with house.open() as client, ThreadPoolExecutor(1) as pool:
            answer = pool.submit(client.get, address + suffix, headers=headers)
            until(lambda: upstream.paths("/packages"))
            house.publish()
            until(lambda: client.get("/api/policy").json()["approvals"] == 0)
            upstream.release.set()
            assert answer.result().status_code == 403
