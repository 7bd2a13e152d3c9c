"""Stopping loses nothing: who asks ends before who is asked, soon, and what was under way runs again."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from sekisho.cli.operate import serve
from sekisho.client import PortalSilentError
from sekisho.errors import ConflictError, NotFoundError, UpstreamError
from sekisho.lock import Lock
from sekisho.model import GateReport, Judgement
from sekisho.model.image import GateResult
from sekisho.policy.sealing import seal_snapshot
from sekisho.settings import load_settings
from sekisho_builder.gates import read_record
from sekisho_builder.proxy import Proxy, ProxySilentError
from sekisho_builder.service import serve as serve_builder
from sekisho_builder.stages import Stages
from sekisho_builder.workflows import _patiently
from tests.fake_portal import FakePortal
from tests.fake_upstream import run_asgi
from tests.records import NOW, SIGNER, TRUST, artifact, closure, request, sha, snapshot
from tests.unit.builder.room import definition, lock_of

pytestmark = pytest.mark.timeout(120)
SEKISHO = str(Path(sys.executable).with_name("sekisho"))


class Service:
    """A service that takes a moment to end, and writes down when it has."""

    def __init__(self, name, ended, error=None):
        self.name, self.ended, self.error = name, ended, error

    async def __call__(self, settings, stop):
        if self.error:
            raise self.error
        await stop.wait()
        assert self.name not in self.ended
        await asyncio.sleep(0.05)
        self.ended.append(self.name)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_asks_ends_before_who_is_asked(tmp_path, number):
    ended = []
    services = {name: Service(name, ended) for name in ("portal", "builder", "proxy")}

    async def run():
        asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), number)
        await serve(services, load_settings(data=tmp_path))

    asyncio.run(run())
    assert ended == ["builder", "proxy", "portal"]


@pytest.mark.parametrize("failing", ["portal", "proxy", "builder"])
def test_a_service_that_fails_ends_the_others_in_order(tmp_path, failing):
    ended = []
    services = {name: Service(name, ended) for name in ("portal", "builder", "proxy")}
    services[failing].error = ConflictError("the port is taken")
    with pytest.raises(ConflictError, match="the port is taken"):
        asyncio.run(serve(services, load_settings(data=tmp_path)))
    assert ended == [name for name in ("builder", "proxy", "portal") if name != failing]


def test_a_builder_without_a_token_says_which_file_it_waits_for(tmp_path):
    settings = load_settings(data=tmp_path)
    with pytest.raises(NotFoundError, match="no service token") as caught:
        asyncio.run(serve_builder(settings, asyncio.Event(), patience=0.2))
    assert caught.value.where == str(settings.service_token_file)
    assert "start the portal" in caught.value.todo


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def test_a_silent_proxy_has_a_minute_and_a_silent_portal_forever():
    clock = Clock()
    again = _patiently("inspect", clock)["should_retry"]
    silent = ProxySilentError("the proxy does not answer")
    tries = 0
    while again(silent):
        tries += 1
        clock.now += 1
    assert tries == 60
    assert again(PortalSilentError("the portal does not answer"))
    assert not again(UpstreamError("anything else"))


def test_a_proxy_that_answered_in_between_has_another_minute():
    clock = Clock()
    again = _patiently("assemble", clock)["should_retry"]
    silent = ProxySilentError("the proxy does not answer")
    for _ in range(10):
        assert again(silent)
        clock.now += 45


class Hanging:
    """A proxy that is there and never finishes an answer."""

    def __init__(self):
        self.asked = []

    async def __call__(self, scope, receive, send):
        path = scope["path"]
        self.asked.append(path)
        page = "/simple/" in path  # uv gives up at once on a page of another type
        headers = [(b"content-type", b"application/vnd.pypi.simple.v1+json" if page else b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if path == "/healthz":
            await send({"type": "http.response.body", "body": b"{}"})
            return
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass


class Place:
    """A builder as a process of its own, between a portal and a proxy of the test."""

    def __init__(self, folder, portal):
        self.portal = portal
        self.folder = folder
        (folder / "data").mkdir(mode=0o700)
        (folder / "data" / "service.token").write_text("skp_service_x\n")
        (folder / "data" / "trust.json").write_text(TRUST.dump())
        asked = request("gamma")
        rows = [{"seq": 1, "kind": "requested", "subject": "r1", "body": {}}]
        self.portal.answers |= {
            "/healthz": {"status": "ok"},
            "/api/events": [(200, rows), (200, [])],
            "/api/requests/r1/records": {"request": asked.plain(), "closure": None, "lock": None},
            "/api/policy/snapshot": seal_snapshot(snapshot(), SIGNER).plain(),
            "/api/requests/r1/report": {},
            "/api/requests/r1/foresee": [{"sha256": FILE.sha256, "outcome": "allow"}],
        }

    def resolved(self):
        found = closure(artifact("gamma"), direct=("gamma",))
        self.portal.answers["/api/requests/r1/records"]["closure"] = found.plain()

    def reports(self):
        return [body for method, path, body in self.portal.asked if path.endswith("/report")]

    @contextmanager
    def builder(self, portal_url, proxy_url):
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SEKISHO_")}
        environment = {
            **kept,
            "SEKISHO_DATA": str(self.folder / "data"),
            "SEKISHO_PORTAL_URL": portal_url,
            "SEKISHO_PROXY_URL": proxy_url,
        }
        command = [SEKISHO, "builder", "work"]
        with subprocess.Popen(
            command, env=environment, cwd=self.folder, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def _until(ready, seconds=40):
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.02)


def _children_of(pid):
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("step", "path"), [("resolve", "/candidates/simple/gamma/"), ("inspect", "/quarantine")])
def test_a_builder_that_is_stopped_in_a_step_runs_it_again(tmp_path, number, step, path):
    portal, proxy = FakePortal(), Hanging()
    place = Place(tmp_path, portal)
    with run_asgi(portal) as portal_url, run_asgi(proxy) as proxy_url:
        if step == "inspect":
            place.resolved()
            _skip_resolve(proxy)
        for _ in range(2):
            proxy.asked.clear()
            with place.builder(portal_url, proxy_url) as process:
                _until(lambda: path in proxy.asked)
                children = _children_of(process.pid)
                began = time.monotonic()
                process.send_signal(number)
                said = process.communicate(timeout=20)[1]
                assert time.monotonic() - began < 3.5
            assert process.returncode == 0, said
            assert "Traceback" not in said
            assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
            assert [body for body in place.reports() if body["kind"] == "failed"] == []


def _skip_resolve(proxy):
    """Answer what resolving asks, so that the next step is the one that hangs."""
    hang = proxy.__class__.__call__

    async def call(self, scope, receive, send):
        answers = {
            "/candidates/simple/gamma/": (b"application/vnd.pypi.simple.v1+json", GAMMA),
            "/candidates/artifacts/gamma": (b"application/json", json.dumps([FILE.plain()]).encode()),
            "/candidates/artifacts/gamma/3.0": (b"application/json", json.dumps([FILE.plain()]).encode()),
            f"/candidates/files/pypi/{FILE.path}.metadata": (b"text/plain", METADATA),
            "/candidates/files/pypi/gamma.metadata": (b"text/plain", METADATA),
        }
        if scope["path"] not in answers:
            return await hang(self, scope, receive, send)
        kind, body = answers[scope["path"]]
        self.asked.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": body})
        return None

    proxy.__class__ = type("Resolving", (Hanging,), {"__call__": call})


FILE = artifact("gamma", "3.0")
METADATA = b"Metadata-Version: 2.1\nName: gamma\nVersion: 3.0\n"
GAMMA = json.dumps(
    {
        "meta": {"api-version": "1.0"},
        "name": "gamma",
        "files": [
            {
                "filename": FILE.filename,
                "url": "/candidates/files/pypi/gamma",
                "hashes": {"sha256": FILE.sha256},
                "core-metadata": True,
            }
        ],
    }
).encode()


def test_a_builder_waits_for_a_proxy_that_is_being_restarted(tmp_path):
    portal, proxy = FakePortal(), Hanging()
    place = Place(tmp_path, portal)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        silent = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with run_asgi(portal) as portal_url:
        with place.builder(portal_url, silent) as process:
            _until(lambda: any(path.endswith("/records") for _, path, _ in portal.asked))
            time.sleep(2.5)
            process.send_signal(signal.SIGTERM)
            assert "Traceback" not in process.communicate(timeout=20)[1]
        assert place.reports() == []
        with run_asgi(proxy) as proxy_url, place.builder(portal_url, proxy_url) as process:
            _until(lambda: "/candidates/simple/gamma/" in proxy.asked)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
        assert place.reports() == []


def test_what_waits_for_the_proxy_is_cut_off_at_once():
    proxy = Hanging()
    with run_asgi(proxy) as url:
        asking = Proxy(url, "t")
        failed = []

        def ask():
            try:
                asking.inspect((artifact(),), lambda *_: None)
            except UpstreamError as error:
                failed.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        _until(lambda: "/quarantine" in proxy.asked)
        time.sleep(0.2)
        asking.cut()
        thread.join(5)
        assert not thread.is_alive()
        asking.close()
    assert [type(error) for error in failed] == [ProxySilentError]


class Records:
    """A portal that has one lock."""

    def __init__(self, lock):
        self.lock = lock

    def records(self, request_id):
        return {"request": request().plain(), "lock": self.lock.plain()}


def _stages(folder, lock: Lock):
    settings = load_settings(data=folder / "data", images=folder / "images")
    return Stages(settings, Records(lock), None)


def test_an_image_whose_cut_off_date_changed_is_asked_for_again(tmp_path):
    path = tmp_path / "images" / "small" / "image.yaml"
    path.parent.mkdir(parents=True)
    asked = definition(resolve_before="2026-01-01T00:00:00Z")
    path.write_text(json.dumps(asked.plain()))
    same = lock_of([], direct=asked.requirements, resolve_before=asked.resolve_before)
    assert _stages(tmp_path, same)._locked("r1") == (same, asked)
    with pytest.raises(ConflictError, match="the definition of small changed"):
        _stages(tmp_path, lock_of([], direct=asked.requirements))._locked("r1")


def test_layouts_that_nobody_came_back_for_go_after_a_day(tmp_path):
    images = tmp_path / "data" / "builder" / "images"
    for name, age in (("old", 90_000), ("new", 60)):
        (images / name).mkdir(parents=True)
        os.utime(images / name, (time.time() - age,) * 2)
    _stages(tmp_path, lock_of([]))
    assert [path.name for path in images.iterdir()] == ["new"]


def judge_nothing():
    return Judgement(closure=sha("closure"), policy=sha("policy"), at=NOW, outcome="allow", verdicts=())


class Gated(Stages):
    """Stages whose gates take a while, and pass."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.runs = []

    def _on_record(self, request_id, lock):
        judged = {"judgement": judge_nothing().plain(), "licences": {}, "covered": []}
        return read_record(judged, lock, closure(), snapshot(), NOW)

    def _run_gates(self, request_id, manifest, lock, definition, record):
        self.runs.append(request_id)
        time.sleep(0.2)
        passed = GateResult(gate="small", status="passed")
        return GateReport(image=manifest, lock="0" * 64, gates=(passed,), at="2026-01-01T00:00:00Z")


@pytest.mark.parametrize("beside", ["in one service", "in a rebase"])
def test_two_requests_that_came_to_one_image_gate_it_once(tmp_path, beside):
    path = tmp_path / "images" / "small" / "image.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(definition().plain()))
    records = Records(lock_of([], direct=definition().requirements))
    told = {}
    records.report = lambda request, _kind, body: told.update({request: body["gates"]["reused"]})
    settings = load_settings(data=tmp_path / "data", images=tmp_path / "images")
    stages = Gated(settings, records, None)
    other = stages if beside == "in one service" else Gated(settings, records, None)
    pairs = zip((stages, other), ("r1", "r2"), strict=True)
    both = [threading.Thread(target=one.gate, args=(request, "a" * 64)) for one, request in pairs]
    for one in both:
        one.start()
    for one in both:
        one.join(10)
    assert len({*stages.runs, *other.runs}) == 1
    assert sorted(told.values()) == [False, True]
