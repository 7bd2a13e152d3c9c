"""Demand on its way: into a small file every few seconds, and from there to the portal.

A batch is on the disk before it is sent and leaves it after the portal has taken it. It has an id by which the portal
knows it again, so a crash in between counts nothing twice.
"""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import httpx2

from sekisho.disk import DISK, Disk
from sekisho.errors import BadInputError, SekishoError, UpstreamError
from sekisho.model import DemandBatch, DemandRow, Record
from sekisho.model.demand import MOST_ROWS, Identifier
from sekisho.store import write_atomically
from sekisho_proxy.demand.tally import Row, Tally, record

_LOG = logging.getLogger("sekisho.proxy")
_EVERY = 3.0
_UNREADABLE = frozenset({400, 413, 422})

Send = Callable[[bytes], Awaitable[int]]
"""Sends a batch and returns the status of the answer."""


class State(Record):
    """``demand.json``: who counts, the batch under way, and what came after it."""

    proxy: Identifier
    pending: DemandBatch | None = None
    rows: tuple[DemandRow, ...] = ()


class Keeper:
    """Saves a tally and sends it on. Without ``send``, on a replica, everything stays in the file."""

    def __init__(
        self, tally: Tally, file: Path, send: Send | None, *, every: float = _EVERY, disk: Disk = DISK
    ) -> None:
        self._tally = tally
        self._disk = disk
        self._file = file
        self._send = send
        self._every = every
        self._proxy = uuid.uuid4().hex
        self._pending: DemandBatch | None = None
        self._saved: tuple[int, str] = (tally.turn, "")
        self._complaint = ""
        self._load()

    def _load(self) -> None:
        try:
            state = State.parse_json(self._file.read_bytes(), where=str(self._file))
        except FileNotFoundError:
            return
        except BadInputError as error:
            _LOG.warning("the counts of demand cannot be read and begin anew: %s", error)
            return
        self._proxy, self._pending = state.proxy, state.pending
        self._tally.restore(state.rows)
        self._saved = self._mark()

    def _mark(self) -> tuple[int, str]:
        return self._tally.turn, self._pending.id if self._pending else ""

    async def run(self) -> None:
        """Save and send until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            try:
                await self.step()
            except Exception:  # noqa: BLE001 (whatever it is, the next round may succeed)
                _LOG.exception("counts of demand were lost; counting goes on")

    async def step(self) -> None:
        """Save what changed; then send a batch. What cannot be saved is not sent either, lest it count twice."""
        try:
            if self._send and self._pending is None and (rows := self._tally.take(MOST_ROWS)):
                self._pending = DemandBatch(
                    proxy=self._proxy, id=uuid.uuid4().hex, rows=tuple(record(row) for row in rows)
                )
            await self._save()
            if self._send and self._pending:
                await self._deliver(self._send, self._pending)
            self._complaint = ""
        except (SekishoError, OSError, httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL) as error:
            self._complain(str(error) or type(error).__name__)

    async def _deliver(self, send: Send, batch: DemandBatch) -> None:
        status = await send(batch.canonical())
        if status in _UNREADABLE:
            _LOG.error("the portal cannot read a batch of demand (%s), which is dropped", status)
        elif not 200 <= status < 300:
            message = f"the portal answers {status}"
            raise UpstreamError(message)
        self._pending = None

    def _complain(self, why: str) -> None:
        if why != self._complaint:
            _LOG.warning("counts of demand are kept until they can be saved and sent: %s", why)
            self._complaint = why

    async def _save(self) -> None:
        mark = self._mark()
        if mark != self._saved:
            await asyncio.to_thread(self._write, self._pending, self._tally.rows())
            self._saved = mark

    def _write(self, pending: DemandBatch | None, rows: list[Row]) -> None:
        state = State(proxy=self._proxy, pending=pending, rows=tuple(record(row) for row in rows))
        write_atomically(self._file, state.canonical(), disk=self._disk)

    def rows(self) -> list[DemandRow]:
        """Return what the portal does not have yet, the batch under way included."""
        under_way = self._pending.rows if self._pending else ()
        return [*under_way, *(record(row) for row in self._tally.rows())]

    async def close(self) -> None:
        """Save a last time."""
        with suppress(SekishoError, OSError):
            await self._save()


def to_portal(client: httpx2.AsyncClient, portal: str, token: str) -> Send:
    """Return what sends batches to the portal at that URL."""
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    async def send(body: bytes) -> int:
        answer = await client.post(f"{portal}/api/demand", content=body, headers=headers, timeout=10.0)
        return answer.status_code

    return send
