"""Start the portal: open its state, finish what a crash cut short, serve, and watch the tree for commits."""

import asyncio
import logging
from datetime import UTC, datetime
from functools import partial

import uvicorn

from sekisho.database import open_database
from sekisho.keys import TrustFile, key_path, load_signer, open_signer
from sekisho.ledger import CHECKPOINT, Ledger
from sekisho.listening import listen
from sekisho.policy import Snapshot
from sekisho.ports import Clock
from sekisho.service_token import read_or_create
from sekisho.settings import Settings
from sekisho.tls import open_tls
from sekisho.tokens import Tokens
from sekisho.turn import portal_turn
from sekisho_portal.app import make_app
from sekisho_portal.demand import Demand
from sekisho_portal.desk import Desk
from sekisho_portal.feeds import Feeds
from sekisho_portal.forward import Forward
from sekisho_portal.history import History
from sekisho_portal.lock_index import LockIndex
from sekisho_portal.means import Means
from sekisho_portal.mentions import Mentions
from sekisho_portal.rejudging import Rejudging
from sekisho_portal.sightings import Sightings
from sekisho_portal.snapshots import Snapshots
from sekisho_portal.tree import GitTree

_LOG = logging.getLogger("sekisho.portal")
_WATCH = 0.5
"""Seconds between two looks at the tree: a merged pull request is in force within one second."""


def now() -> datetime:
    """Return the present."""
    return datetime.now(UTC)


def open_desk(settings: Settings, clock: Clock = now) -> tuple[Desk, Snapshots, Tokens]:
    """Open the portal's state and reconcile it."""
    engine = open_database(settings.database_url)
    clock = forward = Forward(clock)
    open_signer(settings, "portal")
    signer = partial(load_signer, key_path(settings, "portal"))
    tree = GitTree(settings.allowlists)
    trust = TrustFile(settings.trust_file)
    tokens = Tokens(engine, clock=clock)
    tokens.accept_service(read_or_create(settings.service_token_file))
    ledger = Ledger(engine, clock=clock)
    forward.follow(ledger)
    feeds = Feeds(settings.data / "portal" / "advisories", ledger, clock)
    sightings = Sightings(engine, ledger)
    again = Rejudging(feeds, sightings, ledger, clock)
    snapshots = Snapshots(
        tree,
        signer,
        trust,
        path=settings.data / "portal" / "snapshot.json",
        clock=clock,
        ask=settings.portal,
        again=again,
    )
    desk = Desk(
        Means(
            ledger=ledger,
            tree=tree,
            snapshots=snapshots,
            sign_with=signer,
            clock=clock,
            url=settings.portal,
            checkpoint=settings.data / CHECKPOINT,
            trust=trust,
            deciding=portal_turn(settings),
            door=settings.proxy,
        ),
        feeds=feeds,
        sightings=sightings,
        again=again,
        demand=Demand(engine, clock),
        mentions=Mentions(engine, ledger),
        locks=LockIndex(engine, ledger),
        history=History(tree),
    )
    snapshots.refresh()
    desk.reconcile()
    desk.keep_checkpoint()
    desk.mentions.follow()
    return desk, snapshots, tokens


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serve the portal until ``stop`` is set."""
    tls = await asyncio.to_thread(open_tls, settings)
    desk, snapshots, tokens = await asyncio.to_thread(open_desk, settings)
    listener = listen(settings.portal_host, settings.portal_port, service="portal")
    config = uvicorn.Config(
        make_app(desk, snapshots, tokens, stop.is_set),
        log_config=None,
        access_log=False,
        lifespan="off",
        http="h11",
        h11_max_incomplete_event_size=32_000,
        limit_concurrency=256,
        timeout_graceful_shutdown=2,
        ssl_context_factory=(lambda *_: tls.context) if tls else None,
    )
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server._serve([listener]))  # noqa: SLF001 (serve() would install signal handlers)
    watching = [asyncio.ensure_future(_watch(desk, snapshots)), *([asyncio.ensure_future(tls.keep())] if tls else [])]
    waiting = asyncio.ensure_future(stop.wait())
    await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    for task in (*watching, waiting):
        task.cancel()
    await serving


async def _watch(desk: Desk, snapshots: Snapshots) -> None:
    looked = ""
    seen: Snapshot | None = None
    while True:
        await asyncio.sleep(_WATCH)
        try:
            if await asyncio.to_thread(snapshots.refresh) and desk.unfinished:
                await asyncio.to_thread(desk.reconcile)
            if looked != (stamp := f"{snapshots.current().policy.digest()} {desk.again.stamp()}"):
                await asyncio.to_thread(desk.look_again)
                looked = stamp
            if seen is not (now_in_force := snapshots.current()):
                await asyncio.to_thread(desk.bear_witness)
                seen = now_in_force
            await asyncio.to_thread(desk.mentions.follow)
            await asyncio.to_thread(desk.locks.follow)
        except Exception as error:  # noqa: BLE001 (whatever it is, the next look may succeed)
            await asyncio.sleep(_WATCH)  # Ctrl-C ends git, too, and then this
            _LOG.error("the allowlists tree could not be read; the policy in force stays", exc_info=error)
