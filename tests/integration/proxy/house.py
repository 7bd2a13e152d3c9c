"""A proxy served for real on loopback, with a policy that a test can change."""

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2

from sekisho import service_token
from sekisho.allowlist import Allowlist, SignedApproval, sign_approval
from sekisho.listening import listen
from sekisho.listening import run as run_loop
from sekisho.model import Approval, Artifact
from sekisho.policy import SealedSnapshot, compile_snapshot, parse_policy
from sekisho.policy.sealing import seal_snapshot
from sekisho.policy.weaknesses import Weakness
from sekisho.settings import Settings
from sekisho.signing import Signer, Trust
from sekisho.sources import Source
from sekisho.store import write_atomically
from sekisho.succession import KeyStatement
from sekisho.tls import verify_for
from sekisho_proxy.service import serve

ASK = "http://127.0.0.1:9"
POLICY = f"version: 1\nask: {ASK}\nrules:\n  - {{id: no-evil, check: denied, projects: [evil]}}\n"


class FakePortal:
    """Hands out the newest sealed snapshot; ``down`` answers 503."""

    def __init__(self) -> None:
        self.sealed: bytes = b""
        self.sequence = -1
        self.down = False
        self.tokens: set[str] = set()

    async def __call__(self, scope, receive, send) -> None:
        query = dict(pair.split("=") for pair in scope["query_string"].decode().split("&"))
        self.tokens.add(dict(scope["headers"]).get(b"authorization", b"").decode())
        status, body = 204, b""
        if self.down:
            status = 503
        elif self.sequence > int(query["after"]):
            status, body = 200, self.sealed
        else:
            await asyncio.sleep(0.05)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})


class House:
    """Keys, settings and policy of one installation."""

    def __init__(
        self,
        folder: Path,
        *,
        upstream: str,
        portal: str = "http://127.0.0.1:9",
        replica: bool = False,
        tls: str = "off",
    ) -> None:
        self.settings = Settings(
            data=folder / "data", proxy_port=0, portal_url=portal, replica=replica, upstream_timeout=2.0, tls=tls
        )
        self.signer = Signer.generate()
        self.portal = FakePortal()
        self.inside: tuple[Source, ...] = ()
        self.weaknesses: tuple[Weakness, ...] | None = None
        self.source = Source(id="fake", url=f"{upstream}/simple/")
        self.sequence = 0
        self.settings.data.mkdir(parents=True)
        self.settings.trust_file.write_text(Trust(self.signer.trusted("portal", "approval", "snapshot")).dump())

    @property
    def token(self) -> str:
        return service_token.read_or_create(self.settings.service_token_file)

    def approval(
        self, *artifacts: Artifact, scope: tuple[str, ...] = ("everyone",), expires: datetime | None = None
    ) -> SignedApproval:
        approval = Approval(
            id=f"{artifacts[0].project}-1",
            request="1",
            closure="0" * 64,
            policy="0" * 64,
            requested_by="ann",
            approved_by="bob",
            scope=scope,
            at=datetime.now(UTC),
            expires=expires,
            artifacts=artifacts,
        )
        return sign_approval(approval, self.signer)

    def seal(
        self,
        *approvals: SignedApproval,
        policy: str = POLICY,
        signer: Signer | None = None,
        reports: str = "",
        keys: Iterable[KeyStatement] = (),
    ) -> SealedSnapshot:
        self.sequence += 1
        snapshot = compile_snapshot(
            Allowlist(approvals=approvals),
            parse_policy(policy),
            (*self.inside, self.source),
            revision=f"r{self.sequence}",
            sequence=self.sequence,
            now=datetime.now(UTC),
        ).model_copy(update={"weaknesses": self.weaknesses, "reports": reports})
        return seal_snapshot(snapshot, signer or self.signer, keys)

    def settle(self, *approvals: SignedApproval, policy: str = POLICY, reports: str = "") -> None:
        """Put a policy where a start finds it."""
        sealed = self.seal(*approvals, policy=policy, reports=reports).model_dump_json().encode()
        write_atomically(self.settings.data / "proxy" / "snapshot.json", sealed)

    def publish(
        self,
        *approvals: SignedApproval,
        policy: str = POLICY,
        signer: Signer | None = None,
        keys: Iterable[KeyStatement] = (),
    ) -> None:
        """Hand a policy out through the fake portal, with what is said of keys beside it."""
        sealed = self.seal(*approvals, policy=policy, signer=signer, keys=keys)
        self.portal.sealed, self.portal.sequence = sealed.model_dump_json().encode(), self.sequence

    @contextlib.contextmanager
    def open(self) -> Iterator[httpx2.Client]:
        """Run the service; give a client with its address."""
        listener = listen("127.0.0.1", 0, service="proxy")
        scheme = "http" if self.settings.tls == "off" else "https"
        url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        ready, held = threading.Event(), []

        async def run() -> None:
            stop = asyncio.Event()
            held.append((asyncio.get_running_loop(), stop))
            ready.set()
            await serve(self.settings, stop, listen=listener)

        thread = threading.Thread(target=lambda: run_loop(run()), daemon=True)
        thread.start()
        ready.wait(10)
        try:
            if scheme == "https":  # the authority is made at the first start
                until(lambda: self.settings.trusted_ca is not None)
            verify = verify_for(url, self.settings.trusted_ca)
            with httpx2.Client(base_url=url, timeout=30, trust_env=False, verify=verify) as client:
                yield client
        finally:
            loop, stop = held[0]
            loop.call_soon_threadsafe(stop.set)
            thread.join(30)
            assert not thread.is_alive()

    def basic(self) -> tuple[str, str]:
        return ("__token__", self.token)


def until(condition, *, seconds: float = 20.0) -> None:
    """Wait for something that happens in another thread."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    message = "it did not happen"
    raise AssertionError(message)


def soon(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def offered(page: dict) -> list[dict]:
    """Return the rows of a page that are files, and no tombstones."""
    return [row for row in page["files"] if "/denied/" not in row["url"]]


def bare_environment(folder: Path) -> dict[str, str]:
    """Return an environment in which no client knows any index but the one it is told."""
    kept = {key: value for key, value in os.environ.items() if not key.upper().startswith(("PIP_", "UV_", "SEKISHO_"))}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1", "HOME": str(folder), "NO_PROXY": "127.0.0.1"}


def run_pip(index: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check", "--retries=0"]
    command += ["--index-url", index, "--target", str(folder / "pip-target"), *arguments]
    return subprocess.run(
        command, env=bare_environment(folder), capture_output=True, text=True, timeout=120, check=False
    )


def run_uv(index: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv), "pip", "install", "--no-cache", "-p", sys.executable, "--index-url", index]
    command += ["--target", str(folder / "uv-target"), *arguments]
    return subprocess.run(
        command, env=bare_environment(folder), capture_output=True, text=True, timeout=120, check=False
    )
