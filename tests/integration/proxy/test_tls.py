"""The services over TLS: the same bounds, the same commands, and an authority that rooms and commands find."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from sekisho.errors import NotFoundError, UpstreamError
from sekisho.lock import hash_pins
from sekisho.sources import Source
from sekisho.tls import client_context, verify_for
from sekisho_builder.conda import SolverProcess
from sekisho_builder.conda.solver import CondaSolver
from sekisho_builder.proxy import Proxy
from sekisho_builder.resolve import resolve
from sekisho_builder.solver import Wish
from sekisho_proxy import wire
from sekisho_proxy.prefetch import prefetch_lock
from tests.allowlists_tree import Repository
from tests.channels import Channel, FakeChannels, make_package
from tests.fake_upstream import run_asgi
from tests.integration.proxy.house import House, until
from tests.records import request
from tests.wheels import make_wheel

SEKISHO = str(Path(sys.executable).with_name("sekisho"))


@pytest.fixture
def house(tmp_path, upstream):
    with run_asgi(upstream) as url:
        yield House(tmp_path, upstream=url, tls="generated")


def connected(client, house):
    """Return a connection that has shaken hands."""
    raw = socket.create_connection((client.base_url.host, client.base_url.port), timeout=10)
    return client_context(house.settings.trusted_ca).wrap_socket(raw, server_hostname=client.base_url.host)


def test_a_head_is_bounded_in_size_and_time(house, monkeypatch):
    monkeypatch.setattr(wire, "SLOWEST_HEAD", 0.3)
    house.settle()
    with house.open() as client:
        with connected(client, house) as large:
            large.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"y" * (20 << 10))
            assert large.recv(4096).startswith(b"HTTP/1.1 400")
        with connected(client, house) as slow:
            slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
            assert _rest(slow) == b""
        assert client.get("/healthz").status_code == 200


def test_a_handshake_is_bounded_in_time(house, monkeypatch):
    monkeypatch.setattr("sekisho_proxy.service._SLOWEST_HANDSHAKE", 0.3)
    house.settle()
    with house.open() as client:
        for begun in (b"", b"\x16\x03\x01\x02\x00\x01"):  # nothing, and the beginning of a ClientHello
            with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as wire:
                wire.sendall(begun)
                assert _rest(wire) == b""
        assert client.get("/healthz").status_code == 200


def test_who_speaks_plainly_or_knows_only_what_is_broken_gets_nothing(house):
    house.settle()
    with house.open() as client:
        with pytest.raises(httpx2.TransportError):
            httpx2.get(f"http://{client.base_url.host}:{client.base_url.port}/healthz", trust_env=False)
        old = client_context(house.settings.trusted_ca)
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with (
            socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as raw,
            pytest.raises(OSError),
        ):
            old.wrap_socket(raw, server_hostname=client.base_url.host)


def _rest(wire):
    """Return what comes until the other side closes; a reset is an end too."""
    said = b""
    try:
        while part := wire.recv(4096):
            said += part
    except ConnectionResetError:
        pass
    return said


def _open_files(sha256):
    """Count how often this process, in which the proxy runs, holds a blob open."""
    found = 0
    for handle in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found += handle.readlink().name == sha256
    return found


def test_a_large_file_comes_whole_and_who_does_not_read_it_is_cut_off(house, upstream, monkeypatch):
    monkeypatch.setattr(wire, "SLOWEST_READER", 0.5)
    wheel = make_wheel("large", files={"large/x.bin": os.urandom(12 << 20)})
    upstream.wheels.append(wheel)
    house.settle(house.approval(wheel.artifact()))
    with house.open() as client:
        for _ in ("cold", "warm"):
            assert client.get(f"/w/everyone/pypi/files/{wheel.path}").content == wheel.data
        with connected(client, house) as idle:
            idle.sendall(f"GET /w/everyone/pypi/files/{wheel.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            idle.recv(1)
            until(lambda: _open_files(wheel.sha256) == 0)
            assert len(_rest(idle)) < len(wheel.data)


def test_prefetch_believes_the_authority_of_its_data_folder(house, approved):
    house.settle(*[house.approval(artifact) for artifact in approved])
    lock = "".join(f"{one.project}=={one.release} --hash=sha256:{one.sha256}\n" for one in approved)
    with house.open() as client:
        settings = house.settings.model_copy(update={"proxy_url": str(client.base_url)})
        done = asyncio.run(prefetch_lock(settings, hash_pins(lock, where="lock"), 2, lambda: None))
        assert (done.files, done.problems) == (2, ())
        stranger = settings.model_copy(update={"data": settings.data / "elsewhere"})
        done = asyncio.run(prefetch_lock(stranger, hash_pins(lock, where="lock"), 2, lambda: None))
        assert "certificate" in done.problems[0].title


def test_the_builder_resolves_through_the_candidate_mount(house):
    house.settle()
    with house.open() as client:
        proxy = Proxy(str(client.base_url).rstrip("/"), house.token, ca=house.settings.trusted_ca)
        closure = resolve(request("alpha"), proxy, lambda *_: None)
        proxy.close()
    assert [one.name for one in closure.artifacts] == ["alpha 1.2", "beta 2.0"]


def test_the_builder_solves_match_specs_through_the_candidate_mount(tmp_path):
    """The process that solves believes this proxy's authority, and nobody else's."""
    channels = FakeChannels(channels={"main": Channel((make_package("tool", depends=("lib",)), make_package("lib")))})
    asked = request(requirements=(), conda=("tool",))
    with run_asgi(channels) as url:
        house = House(tmp_path, upstream=url, tls="generated")
        house.inside = (Source(id="main", kind="conda", url=f"{url}/main"),)
        house.settle()
        with house.open() as client:
            proxy = Proxy(str(client.base_url).rstrip("/"), house.token, ca=house.settings.trusted_ca)
            believing, doubting = SolverProcess(ca=house.settings.trusted_ca), SolverProcess()
            try:
                with CondaSolver(asked, ("main",), proxy, believing) as solver:
                    assert {row.name for row in solver.choose(Wish(asked.conda))} == {"tool", "lib"}
                with CondaSolver(asked, ("main",), proxy, doubting) as solver, pytest.raises(UpstreamError):
                    solver.choose(Wish(asked.conda))
            finally:
                believing.end()
                doubting.end()
                proxy.close()


def _free_ports(number):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def test_portal_proxy_and_commands_find_each_other_over_tls(tmp_path):
    portal, proxy = _free_ports(2)
    data = tmp_path / "data"
    environment = {
        **os.environ,
        "SEKISHO_TLS": "generated",
        "SEKISHO_DATA": str(data),
        "SEKISHO_ALLOWLISTS": str(Repository(tmp_path / "repo").tree),
        "SEKISHO_PORTAL_PORT": str(portal),
        "SEKISHO_PROXY_PORT": str(proxy),
    }

    def run(*arguments, **more):
        command = [SEKISHO, *arguments, "--json"]
        done = subprocess.run(
            command, env=environment | more, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )
        return done.returncode, json.loads(done.stdout)

    def ready():
        assert process.poll() is None, (tmp_path / "log").read_text()
        try:
            verify = verify_for("https://x", data / "tls" / "ca.pem")
            return httpx2.get(f"https://127.0.0.1:{proxy}/api/policy", verify=verify, trust_env=False).is_success
        except (NotFoundError, httpx2.TransportError):
            return False

    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [SEKISHO, "up", "--only", "portal", "--only", "proxy"],
            env=environment,
            cwd=tmp_path,
            stdout=log,
            stderr=log,
        )
    try:
        until(ready)  # so the proxy got its policy from the portal
        _, issued = run("token", "issue", "rita", "--role", "requester")
        token = {"SEKISHO_TOKEN": issued["token"]}
        status, asked = run("request", "numpy", "--python", "3.11.2", **token)
        assert (status, asked["link"].partition("/requests")[0]) == (0, f"https://127.0.0.1:{portal}")
        status, why = run("why", "numpy", **token)
        assert (status, why["rule"]) == (0, "not-approved")
        stranger = {"SEKISHO_DATA": str(tmp_path), "SEKISHO_PORTAL_URL": f"https://127.0.0.1:{portal}", **token}
        status, error = run("why", "numpy", SEKISHO_TLS="off", **stranger)
        assert (status, "certificate" in error["error"]["title"]) == (1, True)
        named = {**stranger, "SEKISHO_TLS_CA": str(data / "tls" / "ca.pem"), "SEKISHO_TLS": "off"}
        assert run("why", "numpy", **named)[0] == 0
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
