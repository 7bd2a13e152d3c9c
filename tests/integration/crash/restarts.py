"""A proxy that is started and killed over and over, in a process group of its own, while clients want things of it."""

import asyncio
import contextlib
import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from sekisho.keys import load_trust
from sekisho.model import DemandBatch
from sekisho.policy import SealedSnapshot, open_snapshot
from sekisho_proxy.demand.keeper import State
from sekisho_proxy.horizon import Horizon
from tests.fake_upstream import FakeUpstream
from tests.integration.proxy.house import FakePortal, House
from tests.wheels import Wheel, make_wheel

JSON = "application/vnd.pypi.simple.v1+json"
SEKISHO = Path(sys.executable).with_name("sekisho")
_PIECE = 64 << 10
_PATIENCE = 60.0


def make_wheels(seed: int) -> list[Wheel]:
    """Return a few small wheels and a few of a megabyte or two, which are streamed."""
    chance = random.Random(seed)
    small = [make_wheel(f"small-{number}", requires=("beta",)) for number in range(12)]
    sizes = (1_200_000, 1_600_000, 2_400_000)
    noise = [{"big/noise.bin": chance.randbytes(size)} for size in sizes]
    return small + [make_wheel(f"big-{number}", files=files) for number, files in enumerate(noise)]


class SlowUpstream(FakeUpstream):
    """Sends large bodies a piece at a time, so that a kill finds them half way."""

    async def __call__(self, scope, receive, send) -> None:
        async def slowly(message):
            body = message.get("body", b"")
            while len(body) > _PIECE:
                await send({**message, "body": body[:_PIECE], "more_body": True})
                body = body[_PIECE:]
                await asyncio.sleep(0.01)
            await send({**message, "body": body} if message["type"] == "http.response.body" else message)

        await super().__call__(scope, receive, slowly)


class CountingPortal(FakePortal):
    """Takes demand as well; a batch counts once, however often it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: dict[str, DemandBatch] = {}

    async def __call__(self, scope, receive, send) -> None:
        if scope["path"] != "/api/demand":
            await super().__call__(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message.get("body", b""), message.get("more_body", False)
        batch = DemandBatch.parse_json(body, where="demand")
        self.batches[batch.id] = batch
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


@dataclass
class Figures:
    """What a drill measured: seconds from the start of the process to ready, by the clock and of processor time."""

    ready: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    kills: int = 0
    early: int = 0
    answers: int = 0
    cut: int = 0


class Drill:
    """One installation that is killed again and again."""

    def __init__(self, folder: Path, seed: int, wheels: list[Wheel], upstream: str, portal: tuple[str, FakePortal]):
        self.house = House(folder, upstream=upstream, portal=portal[0])
        self.house.portal = portal[1]
        self.folder = self.house.settings.data / "proxy"
        self.figures = Figures()
        self.refused = 0
        self._wheels = wheels
        self._chance = random.Random(seed)
        self._port = self._free_port()
        self._url = f"http://127.0.0.1:{self._port}"
        self._log = folder / "log"
        self._seen: dict[Path, int] = {}
        self._in_force = 0
        self._approvals = [self.house.approval(wheel.artifact()) for wheel in wheels]
        self.house.settle(*self._approvals)

    @staticmethod
    def _free_port() -> int:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            return taken.getsockname()[1]

    def run(self, kills: int) -> None:
        """Start and kill; then start a last time, and have everything exactly."""
        token = self.house.token
        trust = self.house.settings.trust_file.read_bytes()
        for _ in range(kills):
            self._once()
            assert self.house.token == token
            assert self.house.settings.trust_file.read_bytes() == trust
        with self._process() as process:
            self._wait_until_ready(process)
            self._check_sweep()
            self.house.publish(*self._approvals)
            self._wait_for_policy()
            self._have_everything()
            os.killpg(process.pid, signal.SIGTERM)
            assert process.wait(_PATIENCE) == 0, self._log.read_text()[-2000:]
        self._check()
        self._check_demand()

    def _once(self) -> None:
        early = self._chance.random() < 0.25
        with self._process() as process:
            if early:
                time.sleep(self._chance.uniform(0.02, 1.0))
            else:
                self._wait_until_ready(process)
                self._check_sweep()
                longer = self._chance.random() < 0.08  # demand is saved every three seconds
                self._load(self._chance.uniform(3.0, 3.6) if longer else self._chance.uniform(0.02, 0.6))
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(_PATIENCE)
        self.figures.kills += 1
        self.figures.early += early
        self._check()
        if self._chance.random() < 0.5:  # make room for cold files again
            for path in self.folder.glob("*/sha256/*/*"):
                path.unlink()

    @contextlib.contextmanager
    def _process(self):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SEKISHO_")}
        environment |= {
            "SEKISHO_DATA": str(self.house.settings.data),
            "SEKISHO_PROXY_PORT": str(self._port),
            "SEKISHO_PORTAL_URL": self.house.settings.portal,
        }
        self._began = time.monotonic()
        with self._log.open("w") as log:
            process = subprocess.Popen(
                [SEKISHO, "proxy", "serve"], env=environment, stdout=log, stderr=log, start_new_session=True
            )
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait(_PATIENCE)

    def _wait_until_ready(self, process: subprocess.Popen) -> None:
        end = time.monotonic() + _PATIENCE
        with httpx2.Client(trust_env=False, timeout=10) as client:
            while time.monotonic() < end:
                assert process.poll() is None, self._log.read_text()[-2000:]
                with contextlib.suppress(httpx2.TransportError):
                    if client.get(f"{self._url}/readyz").status_code == 200:
                        self.figures.ready.append(time.monotonic() - self._began)
                        self.figures.busy.append(_processor_seconds(process.pid))
                        return
                time.sleep(0.01)
        message = f"never ready: {self._log.read_text()[-2000:]}"
        raise AssertionError(message)

    def _check_sweep(self) -> None:
        left = [path for path in self.folder.rglob("*") if path.parent.name == "incoming"]
        assert not left, f"not swept: {left}"

    def _wait_for_policy(self) -> None:
        end = time.monotonic() + _PATIENCE
        while httpx2.get(f"{self._url}/readyz", trust_env=False).json()["sequence"] < self.house.sequence:
            assert time.monotonic() < end
            time.sleep(0.02)

    def _load(self, seconds: float) -> None:
        """Want things until the time is over; the policy changes meanwhile."""
        stop = threading.Event()
        threads = [threading.Thread(target=self._want, args=(self._chance.random(), stop)) for _ in range(3)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.house.publish(*self._chance.sample(self._approvals, self._chance.randrange(8, len(self._approvals))))
            with contextlib.suppress(httpx2.TransportError):
                self._in_force = httpx2.get(f"{self._url}/readyz", trust_env=False).json()["sequence"]
            time.sleep(0.05)
        stop.set()  # the clients are still in the middle of what they began
        self._clients = threads

    def _want(self, seed: float, stop: threading.Event) -> None:
        chance = random.Random(seed)
        with httpx2.Client(base_url=self._url, trust_env=False, timeout=30) as client:
            while not stop.is_set():
                try:
                    self._want_one(client, chance)
                    self.figures.answers += 1
                except httpx2.TransportError:
                    self.figures.cut += 1
                    if stop.is_set():
                        return

    def _want_one(self, client: httpx2.Client, chance: random.Random) -> None:
        wheel = chance.choice(self._wheels)
        what = chance.randrange(7)
        if what <= 2:
            self._check_body(client.get(f"/w/everyone/pypi/files/{wheel.path}"), wheel.data)
        elif what == 3:
            self._check_body(client.get(f"/w/everyone/pypi/files/{wheel.path}.metadata"), wheel.metadata)
        elif what == 4:
            page = client.get(f"/w/everyone/pypi/simple/{wheel.project}/", headers={"accept": JSON})
            assert page.json()["name"] == wheel.project
        elif what == 5:
            self.refused += 1
            assert client.get(f"/w/everyone/pypi/files/none/nothing_{chance.randrange(30)}-1.0.whl").status_code == 403
        else:
            body = json.dumps({"artifacts": [wheel.artifact().plain()]})
            answer = client.post("/quarantine", content=body, auth=self.house.basic())
            assert answer.json()["sha256"] == wheel.sha256
            assert "facts" in answer.json(), answer.text

    def _check_body(self, answer: httpx2.Response, data: bytes) -> None:
        self.refused += answer.status_code == 403
        assert answer.status_code in {200, 403}, answer.text
        assert answer.status_code == 403 or answer.content == data

    def _have_everything(self) -> None:
        with httpx2.Client(base_url=self._url, trust_env=False, timeout=30) as client:
            for wheel in self._wheels:
                assert client.get(f"/w/everyone/pypi/files/{wheel.path}").content == wheel.data
                assert client.get(f"/w/everyone/pypi/files/{wheel.path}.metadata").content == wheel.metadata
            self.refused += 1
            assert client.get("/w/everyone/pypi/files/none/nothing-1.0.whl").status_code == 403

    def _check(self) -> None:
        """Look at everything that the dead process left."""
        for thread in getattr(self, "_clients", []):
            thread.join(_PATIENCE)
            assert not thread.is_alive()
        for path in self.folder.glob("*/sha256/*/*"):
            inode = path.stat().st_ino
            if self._seen.get(path) != inode:
                assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name, f"a corrupt blob: {path}"
                self._seen[path] = inode
        for name in ("pages", "metadata", "candidates", "facts"):
            for path in (self.folder / name).glob("[0-9a-f][0-9a-f]/*"):
                data = path.read_bytes()
                assert hashlib.sha256(data[32:]).digest() == data[:32], f"a corrupt value: {path}"
        file = self.folder / "snapshot.json"
        trust = load_trust(self.house.settings.trust_file)
        snapshot = open_snapshot(SealedSnapshot.parse_json(file.read_bytes(), where="snapshot"), trust)
        assert snapshot.sequence >= self._in_force, "a policy that was in force is gone"
        for name, record in (("horizon.json", Horizon), ("demand.json", State)):
            kept = self.folder / name
            assert not kept.exists() or record.parse_json(kept.read_bytes(), where=name)

    def _check_demand(self) -> None:
        """Of what was refused, nothing was counted twice."""
        state = State.parse_json((self.folder / "demand.json").read_bytes(), where="demand")
        batches = {batch.id: batch for batch in self.house.portal.batches.values()}
        if state.pending:
            batches[state.pending.id] = state.pending
        counted = sum(row.count for batch in batches.values() for row in batch.rows)
        assert 0 < counted + sum(row.count for row in state.rows) <= self.refused


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
