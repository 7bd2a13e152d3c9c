"""The policy that our proxy serves by: signed approvals of exact files, handed out by a stand-in for the portal."""

import asyncio
import hashlib
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs

import uvicorn
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from bench.pypi import Taken, artifact_of
from sekisho.allowlist import Allowlist, SignedApproval, sign_approval
from sekisho.model import Approval, Artifact
from sekisho.policy import Snapshot, compile_snapshot, parse_policy
from sekisho.policy.frozen import succeed
from sekisho.policy.sealing import SealedSnapshot, Sealer, collector_at_rest
from sekisho.policy.snapshot import Denial
from sekisho.signing import Signer, Trust
from sekisho.sources import Source

SOURCE = "upstream"
RULES = """
version: 1
ask: {ask}
rules:
  - {{id: no-evil, check: denied, projects: [evil, "left-pad<2", typo-squat]}}
  - {{id: young, check: release_age, days: 7, then: review}}
  - {{id: yanked, check: yanked, then: review}}
"""


class Ready(NamedTuple):
    """A sealed snapshot as it is sent: all of it, or to whoever has snapshot ``after`` what changed since."""

    whole: bytes
    changes: bytes
    after: int
    sequence: int
    parts: frozenset[str]
    snapshot: Snapshot | None = None


class Portal:
    """Seals approvals into snapshots and hands the newest out, as the portal does: a long poll on loopback.

    Like the portal it says since when each file was admitted, and sends only the parts that changed to a proxy that
    has the snapshot before.
    """

    def __init__(self, upstream: str, *more: Source, source: Source | None = None, rules: str = RULES) -> None:
        self._signer = Signer.generate()
        self._sources = (source or Source(id=SOURCE, url=f"{upstream}/simple/"), *more)
        self._rules = rules
        self._sealer = Sealer()
        self._ready = Ready(b"", b"", 0, 0, frozenset())
        self._newer = asyncio.Event()
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(self, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, args=(listener,), daemon=True)
        self._thread.start()

    def trust(self) -> str:
        """Return the file of trusted keys that a proxy of this portal needs."""
        return Trust(self._signer.trusted("portal", "approval", "snapshot")).dump()

    def approve(self, artifacts: Iterable[Artifact], *scope: str) -> SignedApproval:
        """Sign an approval of files of one project."""
        files = tuple(artifacts)
        approval = Approval(
            id=f"{files[0].project}-{scope[0]}",
            request="bench",
            closure="0" * 64,
            policy="0" * 64,
            requested_by="rita",
            approved_by="anna",
            scope=scope,
            at=datetime.now(UTC),
            artifacts=files,
        )
        return sign_approval(approval, self._signer)

    def publish(self, approvals: Iterable[SignedApproval]) -> None:
        """Put approvals in force."""
        self.hand_out(self.seal(approvals))

    def hand_out(self, ready: Ready) -> None:
        """Put in force what was sealed."""
        self._ready = ready
        if self._loop:
            self._loop.call_soon_threadsafe(self._newer.set)

    def seal(self, approvals: Iterable[SignedApproval], rules: str = "", denied: Iterable[Denial] = ()) -> Ready:
        """Return approvals under rules as a signed snapshot, of which some files are denied."""
        before = self._ready
        fresh = compile_snapshot(
            Allowlist(approvals=tuple(approvals)),
            parse_policy((rules or self._rules).format(ask=self.url)),
            self._sources,
            revision=f"{before.sequence + 1:040x}",
            sequence=before.sequence,
            now=datetime.now(UTC),
            denied=tuple(denied),
        )
        with collector_at_rest():  # as the portal does
            snapshot = succeed(before.snapshot, fresh)
            sealed: SealedSnapshot = self._sealer.seal(snapshot, self._signer)
        changes = sealed.without(before.parts).canonical()
        return Ready(
            sealed.canonical(), changes, before.sequence, snapshot.sequence, frozenset(sealed.by_hash), snapshot
        )

    def stop(self) -> None:
        """Stop handing out."""
        self._server.should_exit = True
        if self._loop:
            self._loop.call_soon_threadsafe(self._newer.set)
        self._thread.join(10)

    def _run(self, listener: socket.socket) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            await self._server.serve(sockets=[listener])

        with listener:
            asyncio.run(serve())

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001, ARG002
        """Answer a long poll for a snapshot after the one that a proxy has."""
        query = parse_qs(scope["query_string"].decode())
        status, body = 204, b""
        if scope["path"] == "/api/policy/snapshot":
            after, wait = int(query["after"][0]), float(query["wait"][0])
            if after >= self._ready.sequence and not self._server.should_exit:
                self._newer.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._newer.wait(), wait)
            ready = self._ready
            if after < ready.sequence:
                status, body = 200, ready.changes if "changes" in query and after == ready.after else ready.whole
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})


def resolved(portal: Portal, taken: Taken) -> list[SignedApproval]:
    """Approve exactly the files that the set resolves to."""
    return [portal.approve([wheel.artifact(SOURCE)], "everyone") for wheel in taken.wheels]


def whole_page(portal: Portal, taken: Taken, project: str, *scope: str) -> SignedApproval:
    """Approve every file of a project's page, with the hash of some METADATA for each wheel."""
    files = []
    versions = [str(version) for version in taken.pages[project]["versions"]]
    known = {wheel.row["filename"]: wheel.metadata for wheel in taken.wheels}
    for row in taken.pages[project]["files"]:
        name, index = row["filename"], {}
        if name.endswith(".whl"):
            index["core-metadata"] = hashlib.sha256(known.get(name, name.encode())).hexdigest()
        files.append(artifact_of(SOURCE, project, _release(name, project, versions), row, index))
    return portal.approve(files, *scope)


def _release(filename: str, project: str, versions: list[str]) -> str:
    """Return which of a page's versions a file is of: installers of long ago have names that no rule reads."""
    with suppress(InvalidWheelFilename):
        return str(parse_wheel_filename(filename)[1])
    begun = [version for version in versions if filename.startswith(f"{project}-{version}")]
    return max(begun, key=len, default="0")


def write_trust(portal: Portal, data: Path) -> None:
    """Lay the trusted keys where a proxy looks for them."""
    data.mkdir(parents=True, exist_ok=True)
    (data / "trust.json").write_text(portal.trust())
