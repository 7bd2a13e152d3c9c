"""Following the policy: the snapshot in force, from the portal by long poll or from the disk alone.

A snapshot comes into force only if a trusted key signed it and its sequence is newer. A bad one is refused loudly
(log and ``/api/policy``) and the old one stays. What is in force is on the disk, so no portal is needed to start; one
that a full disk does not take is in force all the same, because it may revoke something, and is kept later.
"""

import asyncio
import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx2

from sekisho.disk import DISK, Disk
from sekisho.errors import ConflictError, SekishoError, UpstreamError
from sekisho.keys import load_trust
from sekisho.model import sha256_hex
from sekisho.policy import SealedSnapshot, Snapshot
from sekisho.policy.sealing import Opened, Opener, collector_at_rest
from sekisho.ports import Clock
from sekisho.succession import KeyStatement, follow
from sekisho.tls import verify_for
from sekisho_proxy.horizon import Horizon, certain, extend_horizon, read_horizon
from sekisho_proxy.index import Index
from sekisho_proxy.kept import Kept

_LOG = logging.getLogger("sekisho.proxy")
_WAIT = 25
_WAIT_LESS = 2
_LARGEST = 512 << 20
_MANY = 2000
"""Approvals from which on the collector of cycles leaves a policy alone; nothing of it is in one."""

_SETTLES = timedelta(minutes=1)
"""For the clocks of two machines, and for the time that a portal takes to seal what it has dated."""


class NoPolicyError(UpstreamError):
    """No snapshot was ever loaded, so nothing may be served."""

    http_status = 503


@dataclass(frozen=True, slots=True)
class Stale:
    """Why the snapshot in force may not be the newest, and since when."""

    since: datetime
    why: str


class Held:
    """The snapshot in force, opened and as it was sealed.

    ``turn`` counts the swaps, so that caches know when to forget; ``begun`` is set by the first.
    """

    def __init__(self, file: Path, trust: Path, clock: Clock, *, disk: Disk = DISK) -> None:
        self._file = file
        self._disk = disk
        self._on_disk = Kept(file, disk)
        self._trust = trust
        self._clock = clock
        self._opener = Opener()
        self.snapshot: Snapshot | None = None
        self._index: Index | None = None
        self._opened: Opened | None = None
        self.turn = 0
        self.begun = asyncio.Event()
        self.unreachable: Stale | None = None
        self.refused: Stale | None = None
        self.unkept: Stale | None = None
        self.keys: tuple[KeyStatement, ...] = ()
        self.preparing: list[Callable[[Index], None]] = []
        """What is done by a snapshot that is about to come into force, beside the event loop; it decides nothing."""
        self._horizon: Horizon | None = None
        self._kept: Horizon | None = None

    def known(self) -> datetime:
        """Return the moment up to which it is certain what was in force, and will stay so whatever arrives."""
        return certain(self.present(), self._horizon)

    async def confirm(self, at: datetime) -> None:
        """Note that the snapshot in force was the portal's newest ``at`` that moment; keep that once a minute."""
        self._horizon = Horizon(sequence=self.present().sequence, until=at - _SETTLES)
        if self._kept is None or self._kept.until + _SETTLES <= self._horizon.until:
            self._kept = self._horizon
            try:
                await asyncio.to_thread(extend_horizon, self._file, self._horizon, disk=self._disk)
            except (OSError, SekishoError) as error:
                _LOG.warning("how far the policy is certain could not be kept: %s", error)

    def now(self) -> datetime:
        """Return the present, never before the policy in force was made: a clock that lags prolongs nothing."""
        now = self._clock()
        return max(now, self.snapshot.made) if self.snapshot else now

    def present(self) -> Snapshot:
        """Return the snapshot in force; raise ``NoPolicyError`` if there is none."""
        if self.snapshot is None:
            raise NoPolicyError(
                "no policy snapshot has been loaded yet",
                todo=self.refused.why if self.refused else "start the portal, or import a bundle",
            )
        return self.snapshot

    def index(self) -> Index:
        """Return the index of the snapshot in force; raise ``NoPolicyError`` if there is none."""
        return self._index or Index(self.present())

    def whole(self) -> bytes:
        """Return the snapshot in force as it was sealed, with all its parts."""
        self.present()
        return self._opened.sealed.canonical() if self._opened else b""

    async def load(self) -> bool:
        """Take up what is on the disk; tell whether something came into force."""
        found = False
        for read in self._on_disk.read():
            self._horizon = await asyncio.to_thread(read_horizon, self._file)
            if await self._offer(read, store=False):
                found = True
            else:
                self._on_disk.forget()
        return found

    async def offer(self, data: bytes | bytearray, *, store: bool) -> bool:
        """Verify a sealed snapshot and swap to it; a bad one is noted and the old one stays.

        Parts that the snapshot in force has may be missing from it.
        """
        return await self._offer(lambda: SealedSnapshot.take(data), store=store)

    async def _offer(self, read: Callable[[], SealedSnapshot], *, store: bool) -> bool:
        try:
            index, opened = await asyncio.to_thread(self._verify, read, store=store)
        except Exception as error:  # noqa: BLE001 (whatever is wrong with a snapshot, the old one stays)
            if self.refused is None or self.refused.why != str(error):
                _LOG.error("a policy snapshot was refused, the old one stays: %s", error)
                self.refused = Stale(self._clock(), str(error))
            return False
        if store:
            await self.keep(opened)
        snapshot = index.snapshot
        self.snapshot, self._index, self._opened, self.keys = snapshot, index, opened, opened.keys
        self.turn += 1
        if len(snapshot.approvals) >= _MANY:
            gc.freeze()  # or the collector walks all of it now and then, for up to a second, while requests wait
        self.begun.set()
        self.refused = None
        _LOG.info("policy snapshot %s (%s) is in force", snapshot.sequence, snapshot.revision)
        return True

    def _verify(self, read: Callable[[], SealedSnapshot], *, store: bool) -> tuple[Index, Opened]:
        """Return the snapshot, indexed, and as it was sealed, with all its parts.

        What was said beside the snapshot in force goes on counting: nobody can take it back by leaving it out.
        """
        opened, old = self._opener.open(read(), follow(load_trust(self._trust), self.keys)), self.snapshot
        snapshot = opened.snapshot
        replayed = old is not None and snapshot.sequence < old.sequence + store
        if replayed and old is not None:
            raise ConflictError(
                f"policy snapshot {snapshot.sequence} is not newer than {old.sequence}, which is in force",
                where=snapshot.revision,
                todo="check that nobody plays back an old policy, and that the portal's clock of revisions went on",
            )
        with collector_at_rest():
            index = Index(snapshot, self._index)
            for prepare in self.preparing:
                _try(prepare, index)
            return index, opened

    async def keep(self, opened: Opened | None = None) -> None:
        """Write a snapshot as it was sealed, or the one in force, to the disk; where that fails, say so and go on."""
        try:
            if present := opened or self._opened:
                await asyncio.to_thread(self._on_disk.write, present)
        except (OSError, SekishoError) as error:
            if self.unkept is None:
                _LOG.error("a policy snapshot comes into force but cannot be kept: %s", error)
                self.unkept = Stale(self._clock(), str(error))
        else:
            self.unkept = None


def _try(prepare: Callable[[Index], None], index: Index) -> None:
    """Prepare for a snapshot; where that fails, it comes into force all the same, and requests do the work."""
    try:
        prepare(index)
    except Exception:  # noqa: BLE001 (what only saves time must not keep a policy away)
        _LOG.exception("what a new policy changes could not be prepared")


def make_portal_client(
    portal: str, transport: httpx2.AsyncBaseTransport | None = None, *, ca: Path | None = None
) -> httpx2.AsyncClient:
    """Return the client for the portal at that URL; ``transport`` is what carries requests, if not the network.

    Rooms talk directly, whatever ``HTTPS_PROXY`` says; ``SSL_CERT_FILE`` counts as it does everywhere, and the
    authorities in the file ``ca`` beside it.
    """
    verify = verify_for(portal, ca) if transport is None else True
    return httpx2.AsyncClient(headers={"user-agent": "sekisho"}, trust_env=False, transport=transport, verify=verify)


class PortalFollower:
    """Asks the portal for the next snapshot, for ever."""

    def __init__(self, held: Held, client: httpx2.AsyncClient, portal: str, token: str, clock: Clock) -> None:
        self._held = held
        self._client = client
        self._url = f"{portal}/api/policy/snapshot"
        self._headers = {"authorization": f"Bearer {token}"}
        self._clock = clock
        self._whole = False

    async def run(self) -> None:
        """Poll until cancelled; wait longer and longer, up to 15 s, while the portal is away or sends bad ones."""
        pause = 0.2
        while True:
            good = await self._poll()
            pause = 0.2 if good else min(pause * 2, 15.0)
            if not good:
                await asyncio.sleep(pause)

    async def _poll(self) -> bool:
        held = self._held
        after = held.snapshot.sequence if held.snapshot else 0
        asked = self._clock()
        try:
            data = await self._ask(after)
        except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, UpstreamError, OSError) as error:
            why = str(error) or type(error).__name__
            if held.unreachable is None:
                _LOG.warning("the portal cannot be reached, the policy in force stays: %s", why)
                held.unreachable = Stale(self._clock(), why)
            return False
        held.unreachable = None
        good = data is None or await held.offer(data, store=True)
        self._whole = not good  # a part may be missing that this portal thought was here
        if held.unkept and data is None:
            await held.keep()
        if good:
            await held.confirm(asked)
        return good

    async def _ask(self, after: int) -> bytearray | None:
        timeout = httpx2.Timeout(10.0, read=_WAIT + 15.0)
        parameters = {"after": str(after), "wait": str(_WAIT_LESS if self._held.unkept else _WAIT)}
        if not self._whole:
            parameters["changes"] = "true"
        request = self._client.stream("GET", self._url, params=parameters, headers=self._headers, timeout=timeout)
        async with request as response:
            if response.status_code == 204:
                return None
            if response.status_code != 200:
                message = f"the portal answers {response.status_code}"
                raise UpstreamError(message)
            whole = bytearray()
            async for chunk in response.aiter_bytes():
                whole += chunk
                if len(whole) > _LARGEST:
                    raise UpstreamError("the portal sends a snapshot without end")
            return whole


class DiskFollower:
    """Takes up what `sekisho import` writes, looking once a second: the replica's only way to a policy."""

    def __init__(self, held: Held, file: Path) -> None:
        self._held = held
        self._file = file

    async def run(self) -> None:
        """Look until cancelled."""
        seen = ""
        while True:
            mark = await asyncio.to_thread(_mark, self._file)
            if mark and mark != seen:
                await self._held.load()
                seen = mark
            await asyncio.sleep(1.0)


def _mark(file: Path) -> str:
    try:
        status = file.stat()
    except FileNotFoundError:
        return ""
    return sha256_hex(f"{status.st_mtime_ns} {status.st_ino} {status.st_size}".encode())
