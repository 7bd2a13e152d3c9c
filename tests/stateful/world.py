"""One installation in a box: a real proxy, an injected clock, a portal, and everything outside, in one thread."""

import asyncio
import hashlib
import json
import os
import re
import shutil
import tempfile
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch
from urllib.parse import unquote

import httptools

from sekisho import service_token
from sekisho.allowlist import Allowlist, SignedApproval, sign_approval
from sekisho.model import Approval
from sekisho.policy import Snapshot, compile_snapshot
from sekisho.policy.document import WorkspacePolicy
from sekisho.policy.frozen import succeed
from sekisho.policy.sealing import seal_snapshot
from sekisho.settings import Settings
from sekisho.signing import Signer, Trust
from sekisho.sources import Source
from sekisho_proxy.compose import open_app
from sekisho_proxy.inspect.wheel import inspect_file
from tests.fakes import FakeClock
from tests.records import NO_RULE_APPLIES, SIGNER, policy, sha
from tests.stateful.loop import SkippingLoop
from tests.stateful.messages import Answer, Asked
from tests.stateful.model import HOSTS, INDEX, OWNERS, Grant, Model, Tree, Turn
from tests.stateful.outside import Outside
from tests.stateful.pool import INSIDE, OUTSIDE, POOL

STRANGER = Signer.generate()
_ROOM = Path("/dev/shm")


class InPlace:
    """Inspects in this process: one beside it would take time of its own."""

    async def inspect(self, job, _owner=None):
        return inspect_file(job)

    async def close(self):
        pass


class World:
    """``replica`` is one without an upstream and without a portal."""

    def __init__(self, *, replica: bool = False, patience: float = 0.0) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=_ROOM if _ROOM.is_dir() else None))
        self.loop = SkippingLoop(patience)
        self.clock = FakeClock()
        self.model = Model()
        self.coming = Tree()
        self.told_away: set[str] = set()
        self.outside = Outside(self.owned, self.asked)
        self.settings = Settings(
            data=self.folder / "data", proxy_port=0, portal_url="http://portal.test", replica=replica
        )
        self._proxy = f"{self.settings.data}/proxy"
        self.settings.data.mkdir()
        self.settings.trust_file.write_text(Trust(SIGNER.trusted("all", "approval", "snapshot", "bundle")).dump())
        self.token = service_token.read_or_create(self.settings.service_token_file)
        self._last: Snapshot | None = None
        self._signed: dict[Grant, SignedApproval] = {}
        self._sealed: list[bytes] = []
        self._stack = AsyncExitStack()

    def run(self, work):
        return self.loop.run_until_complete(work)

    # The installation

    def start(self) -> None:
        self.outside.faulty_since_start = {name for name, fault in self.outside.faults.items() if fault}
        self.run(self._start())

    async def _start(self) -> None:
        with patch("sekisho_proxy.compose.Inspectors", InPlace):
            opening = open_app(self.settings, self.clock, transport=self.outside)
            self.app = await self._stack.enter_async_context(opening)
        self._background = asyncio.all_tasks() - {asyncio.current_task()}
        if not self.settings.replica and not self.outside.portal.away:
            await self._followed()
        await asyncio.sleep(0.1)
        await self.drain()

    def stop(self) -> None:
        self.run(self._stack.aclose())

    def close(self) -> None:
        self.stop()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()
        shutil.rmtree(self.folder)

    def owned(self, source: str) -> set[str]:
        """Return the hosts of a source by the policy in force, or about to be."""
        return self.model.tree.owned(source) | self.coming.owned(source)

    def asked(self, path: str) -> set[str]:
        """Return the sources that may be asked for a path: a page, a file, or what belongs to a file."""
        trees = (self.model.tree, self.coming)
        if match := re.fullmatch(r"/simple/([^/]+)/", path):
            return {source for tree in trees for source in tree.asked(match[1])}
        bare = path.removesuffix(".metadata").lstrip("/")
        items = [item for item in POOL.values() if bare in {item.path, item.provenance_path}]
        return {item.source for item in items for tree in trees if item.source in tree.asked(item.project)}

    def here(self, sha256: str, store: str = "blobs") -> bool:
        return os.path.isfile(f"{self._proxy}/{store}/sha256/{sha256[:2]}/{sha256}")  # noqa: PTH113 (a hundred a step)

    # The portal

    def publish(self, tree: Tree) -> None:
        """Commit a tree; the proxy follows unless the portal is away."""
        self.run(self.publish_soon(tree))

    async def publish_soon(self, tree: Tree) -> None:
        sealed = self.seal(tree)
        self._sealed.append(sealed)
        self.outside.portal.offer(sealed, self._last.sequence)
        self.coming = tree
        if not self.outside.portal.away:
            await self._followed()

    def seal(self, tree: Tree) -> bytes:
        """Return the sealed snapshot that comes next."""
        revision = hashlib.sha256(b"%d" % len(self.model.line)).hexdigest()[:40]
        new = self._compile(tree, revision)
        self._last = succeed(self._last, new)
        self.model.line.append(Turn(self._last.sequence, revision, self._last.made, tree))
        return seal_snapshot(self._last, SIGNER).model_dump_json().encode()

    def _compile(self, tree: Tree, revision: str, signer: Signer = SIGNER) -> Snapshot:
        rules = [{"id": "no", "check": "denied", "projects": list(tree.denied)}] if tree.denied else [NO_RULE_APPLIES]

        def owns(source: str) -> tuple[str, ...]:
            return tuple(name for name, owner in OWNERS[tree.owners].items() if owner == source)

        sources = (
            Source(
                id=OUTSIDE, url=f"http://{INDEX[OUTSIDE]}/simple/", file_hosts=HOSTS[tree.hosts], owns=owns(OUTSIDE)
            ),
            Source(id=INSIDE, url=f"http://{INDEX[INSIDE]}/simple/", owns=owns(INSIDE)),
        )
        approvals = tuple(self._sign(grant, signer) for grant in tree.grants)
        modes = {workspace: WorkspacePolicy(mode=mode) for workspace, mode in tree.modes}
        said = policy(*rules).model_copy(update={"workspaces": modes})
        return compile_snapshot(
            Allowlist(approvals=approvals), said, sources, revision=revision, sequence=0, now=self.clock()
        )

    def _sign(self, grant: Grant, signer: Signer) -> SignedApproval:
        known = self._signed.get(grant)
        if known is None or signer is not SIGNER:
            approval = Approval(
                id=grant.id, request="1", closure=sha("c"), policy=sha("p"), requested_by="ann", approved_by="bob",
                scope=grant.scope, at=self.clock.now, expires=grant.expires,
                artifacts=tuple(POOL[key].artifact for key in grant.items),
            )  # fmt: skip
            known = sign_approval(approval, signer)
            if signer is SIGNER:
                self._signed[grant] = known
        return known

    async def _followed(self) -> None:
        """Wait until the proxy asks for what comes after the newest snapshot, which it says it has."""
        newest = len(self.model.line)
        for wait in (*[0.0] * 20, *[1.0] * 100):
            if self.outside.portal.after == newest:
                break
            await asyncio.sleep(wait)
        assert self.outside.portal.after == newest, f"the proxy did not follow to policy {newest}"
        self.model.reached = newest
        self.coming = self.model.tree

    def notice(self) -> None:
        """Let the proxy look again for sources that were away, so that none comes back while an answer is judged."""
        self.run(asyncio.sleep(25))

    def portal_back(self) -> None:
        self.outside.portal.away = False
        self.outside.portal.wake()
        self.run(self._followed())

    def deceive(self, how: str) -> None:
        """Have the portal hand out something that must not come into force, and then the truth again."""
        portal, every = self.outside.portal, Grant("forged", tuple(POOL), ("everyone", "team-a"), None)
        tree = replace(self.model.tree, grants=(*self.model.tree.grants, every), denied=())
        lie = {
            "stranger": lambda: self._forge(tree, STRANGER, SIGNER, 1),
            "forged": lambda: self._forge(tree, SIGNER, STRANGER, 1),
            "same-number": lambda: self._forge(tree, SIGNER, SIGNER, 0),
            "replay": lambda: self._sealed[0],
            "garbage": lambda: b'{"payload": 1}',
            "empty": lambda: b"",
        }[how]()
        polls = portal.polls
        portal.offer(lie, 1_000_000)
        self.run(self._refused(polls))
        portal.offer(self._sealed[-1], len(self.model.line))

    def newest(self) -> bytes:
        return self._sealed[-1]

    def oldest(self) -> bytes:
        return self._sealed[0]

    def forge(self, *, ahead: int = 0) -> bytes:
        """Return a validly sealed snapshot that admits everything, of a number that is taken or of the next one."""
        every = Grant("forged", tuple(POOL), ("everyone", "team-a"), None)
        return self._forge(replace(self.model.tree, grants=(every,), denied=()), SIGNER, SIGNER, ahead)

    def _forge(self, tree: Tree, sealer: Signer, approver: Signer, ahead: int) -> bytes:
        compiled = self._compile(tree, "f" * 40, approver)
        number = self.model.reached + ahead
        made = self._last.made + timedelta(microseconds=ahead)
        made_up = compiled.model_copy(update={"sequence": number, "made": made})
        return seal_snapshot(made_up, sealer).model_dump_json().encode()

    async def _refused(self, polls: int) -> None:
        for _ in range(100):
            await asyncio.sleep(0.5)
            if self.outside.portal.polls >= polls + 2:
                return
        message = "the proxy did not ask again"
        raise AssertionError(message)

    # Clients

    def ask(self, asked: Asked) -> Answer:
        return self.run(self._ask(asked))

    async def _ask(self, asked: Asked) -> Answer:
        answer = await self._answered(asked)
        await self.drain()
        return answer

    async def _answered(self, asked: Asked) -> Answer:
        """Ask, and hear which sources are away in the same moment: the proxy looks again while time passes."""
        answer = await self.send(asked)
        if self.outside.faulty_since_start:
            self.told_away = set(json.loads((await self.send(Asked("GET", "/api/policy"))).body)["sources_away"])
        return answer

    def race(self, asked: Asked, between) -> Answer:
        """Ask for a file and do something while its source, or whoever else is asked for it, holds it back."""

        async def both() -> Answer:
            self.outside.hold = asyncio.Event()
            request = asyncio.create_task(self._answered(asked))
            for _ in range(50):
                await asyncio.sleep(0.01)
            if between:
                await between
            self.outside.hold.set()
            self.outside.hold = None
            answer = await request
            await self.drain()
            return answer

        return self.run(both())

    async def drain(self) -> None:
        """Wait for what requests left under way."""
        for _ in range(50):
            rest = asyncio.all_tasks() - self._background - {asyncio.current_task()}
            if not rest:
                return
            await asyncio.wait(rest, timeout=30)
        message = f"still under way: {rest}"
        raise AssertionError(message)

    async def send(self, asked: Asked) -> Answer:
        """Hand a request to the application as the server's parser does."""
        try:
            url = httptools.parse_url(asked.target.encode("latin-1"))
        except httptools.HttpParserInvalidURLError:
            return Answer(400, (), b"", whole=True)
        if url.path is None:
            return Answer(400, (), b"", whole=True)
        parts: list[dict] = []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            parts.append(message)

        headers = [(key.encode(), value.encode("latin-1")) for key, value in asked.headers]
        path = unquote(url.path.decode("ascii"))
        scope = {"type": "http", "method": asked.method, "path": path, "raw_path": url.path, "headers": headers}
        await self.app(scope | {"query_string": url.query or b""}, receive, send)
        found = tuple((key.decode(), value.decode("latin-1")) for key, value in parts[0]["headers"])
        body = b"".join(bytes(part.get("body", b"")) for part in parts[1:])
        whole = not parts[-1].get("more_body", False) and len(parts) > 1
        return Answer(parts[0]["status"], found, body, whole=whole)
