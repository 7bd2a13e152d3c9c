"""The whole proxy as one expression: every part, built once from the settings."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import httpx2

from sekisho import service_token
from sekisho.ports import Clock
from sekisho.settings import Settings
from sekisho.store import sweep_halves
from sekisho_proxy.asgi import App, Handler
from sekisho_proxy.attesting import Attesting
from sekisho_proxy.conda.book import ChannelBook
from sekisho_proxy.conda.channels import Channels
from sekisho_proxy.conda.relaxed import RelaxedChannels
from sekisho_proxy.demand.keeper import Keeper, to_portal
from sekisho_proxy.demand.tally import Tally
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.doors.candidate_channels import ChannelCandidates
from sekisho_proxy.doors.candidates import CandidateMount
from sekisho_proxy.doors.conda import CondaDoor
from sekisho_proxy.doors.counted import Counted
from sekisho_proxy.doors.demand import DemandDoor
from sekisho_proxy.doors.described import Described
from sekisho_proxy.doors.pip import PipDoor
from sekisho_proxy.doors.status import Status
from sekisho_proxy.doors.workspace import Part, WorkspaceDoor
from sekisho_proxy.follow import DiskFollower, Held, PortalFollower, make_portal_client
from sekisho_proxy.gate import Gate
from sekisho_proxy.holdings import METADATA_IN_MEMORY, Holdings
from sekisho_proxy.inspect.pool import Inspectors
from sekisho_proxy.observe import Observer
from sekisho_proxy.origin import Origins
from sekisho_proxy.pages.book import Book
from sekisho_proxy.quarantine import Quarantine
from sekisho_proxy.routes import Routes
from sekisho_proxy.scanning import Scanning
from sekisho_proxy.unapproved import Unapproved
from sekisho_proxy.upstream.fetcher import make_client
from sekisho_proxy.upstream.logins import read_logins
from sekisho_proxy.upstream.reach import Reach
from sekisho_proxy.upstream.releases import Releases, releases_folder
from sekisho_proxy.upstream.sidecars import Sidecars
from sekisho_proxy.upstream.sources import Upstreams


def utc_now() -> datetime:
    """Return the present."""
    return datetime.now(UTC)


def data_folder(settings: Settings) -> Path:
    """Return the folder of the proxy's state."""
    return settings.data / "proxy"


def snapshot_file(settings: Settings) -> Path:
    """Return the file of the sealed snapshot in force."""
    return data_folder(settings) / "snapshot.json"


class Store(NamedTuple):
    """The policy in force and the bytes under it, without any door; a replica has nobody to ask."""

    held: Held
    holdings: Holdings
    upstreams: Upstreams | None
    channels: Channels | None


def open_releases(settings: Settings, store: Store, clock: Clock = utc_now) -> Releases:
    """Open what is known of releases; a replica knows what bundles brought, and asks nobody."""
    disk = DiskCache(releases_folder(data_folder(settings)))
    strangers = settings.unapproved_names if store.upstreams else 0
    return Releases(store.held, store.upstreams, disk, lambda: clock().timestamp(), strangers=strangers)


@asynccontextmanager
async def open_store(
    settings: Settings, clock: Clock = utc_now, *, transport: httpx2.AsyncBaseTransport | None = None
) -> AsyncIterator[Store]:
    """Open policy and bytes; on a replica there is no upstream at all."""
    folder = data_folder(settings)
    held = Held(snapshot_file(settings), settings.trust_file, clock)
    async with AsyncExitStack() as stack:
        upstreams = channels = None
        if not settings.replica:
            client = await stack.enter_async_context(make_client(settings.upstream_timeout, transport))
            upstreams = Upstreams(
                client,
                DiskCache(folder / "pages"),
                timeout=settings.upstream_timeout,
                clock=lambda: clock().timestamp(),
                logins=read_logins(settings.source_logins, settings.data / "sources.netrc"),
            )
            channels = Channels(upstreams, folder, lambda: clock().timestamp())
            stack.push_async_callback(channels.close)
        holdings = Holdings(folder, held.present, upstreams, channels)
        stack.push_async_callback(holdings.close)
        await held.load()
        yield Store(held, holdings, upstreams, channels)


@asynccontextmanager
async def open_app(
    settings: Settings, clock: Clock = utc_now, *, transport: httpx2.AsyncBaseTransport | None = None
) -> AsyncIterator[App]:
    """Open the proxy and follow the policy until the context is left.

    ``transport`` carries every request to an upstream or the portal, if not the network.
    """
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings, clock, transport=transport))
        store.holdings.sweep()
        sweep_halves(data_folder(settings))
        gate = Gate(store.held, settings.portal, strict=store.upstreams is None)
        reach = Reach(store.held, store.holdings, store.upstreams) if store.upstreams else None
        releases = open_releases(settings, store, clock)
        stack.push_async_callback(releases.close)
        book = Book(store.held, gate, store.holdings, reach, releases)
        status = Status(store.held, reach, gate)
        observer = Observer(store.held)
        handlers: dict[str, Handler] = dict.fromkeys(("/healthz", "/readyz", "/api/policy"), status)
        handlers |= {"/metrics": observer, "/openapi.json": Described()}
        tally = Tally(clock)
        sidecars = unapproved = None
        channels = store.channels
        if store.upstreams is not None:
            sidecars = _open_sidecars(settings, store, store.upstreams, stack)
            unapproved = Unapproved(store.held, gate, store.upstreams, store.holdings, sidecars)
        door = PipDoor(gate, book, store.holdings, reach, store.held.now, Origins(settings.proxy), unapproved)
        stack.push_async_callback(door.close)
        channel_book = ChannelBook(store.held, gate, store.holdings, reach)
        store.held.preparing.append(channel_book.prepare)
        token = service_token.read_or_create(settings.service_token_file)
        relaxed = RelaxedChannels(store.held, gate, channels, token.encode()) if channels else None
        of_channels = CondaDoor(store.held, gate, channel_book, store.holdings, reach, store.held.now, relaxed)
        parts: dict[str, Part] = {"pypi": door, "denied": door, "conda": of_channels}
        handlers["/w/"] = Counted(WorkspaceDoor(gate, parts), tally)
        send = None
        if store.upstreams is None or sidecars is None or channels is None:
            follower: DiskFollower | PortalFollower = DiskFollower(store.held, snapshot_file(settings))
        else:
            handlers |= _open_side_doors(settings, store, store.upstreams, sidecars, channels, token, stack)
            portal = make_portal_client(settings.portal, transport, ca=settings.trusted_ca)
            client = await stack.enter_async_context(portal)
            follower = PortalFollower(store.held, client, settings.portal, token, clock)
            send = to_portal(client, settings.portal, token)
        keeper = Keeper(tally, data_folder(settings) / "demand.json", send)
        handlers["/api/demand"] = DemandDoor(keeper, token)
        stack.push_async_callback(keeper.close)
        for runs in (follower.run(), keeper.run(), *([reach.run()] if reach else [])):
            stack.push_async_callback(_end, asyncio.create_task(runs))
        yield App(Routes(handlers), observer)


def _open_sidecars(settings: Settings, store: Store, upstreams: Upstreams, stack: AsyncExitStack) -> Sidecars:
    disk = DiskCache(data_folder(settings) / "candidates", memory=METADATA_IN_MEMORY)
    sidecars = Sidecars(upstreams, store.holdings, disk)
    stack.push_async_callback(sidecars.close)
    return sidecars


def _open_side_doors(
    settings: Settings,
    store: Store,
    upstreams: Upstreams,
    sidecars: Sidecars,
    channels: Channels,
    token: str,
    stack: AsyncExitStack,
) -> dict[str, Handler]:
    """Build what only the builder may enter; a replica has neither."""
    folder = data_folder(settings)
    inspectors = Inspectors()
    known_publishers = DiskCache(folder / "attestations")
    attesting = Attesting(store.holdings.provenances, inspectors, known_publishers, settings.sigstore_root)
    scanning = Scanning(settings.scanner, DiskCache(folder / "scans"), wait=settings.scanner_wait)
    facts = DiskCache(folder / "facts")
    quarantine = Quarantine(store.holdings, inspectors, facts, token, attesting=attesting, scanning=scanning)
    stack.push_async_callback(quarantine.close)
    now, salt = store.held.now, token.encode()
    of_channels = ChannelCandidates(store.held, channels, now, salt)
    candidates = CandidateMount(store.held, upstreams, sidecars, token, now, quarantine.learn, of_channels)
    return {"/candidates/": candidates, "/quarantine": quarantine, "/quarantine/": quarantine}


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
