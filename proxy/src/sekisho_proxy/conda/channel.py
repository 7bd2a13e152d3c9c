"""One subdir of one channel: which names it lists, and the records of a name, read when they are wanted.

Shards come first: of a channel that has them no large file is ever fetched. What cannot be read changes nothing: what
was there goes on being served, and says why it is stale.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

from sekisho.errors import CorruptError, NotFoundError, UpstreamError
from sekisho.sources import Source
from sekisho_proxy.conda.asking import Asking
from sekisho_proxy.conda.elsewhere import Elsewhere
from sekisho_proxy.conda.reading import LostError, Reading, Records
from sekisho_proxy.conda.seen import FirstSeen, age
from sekisho_proxy.conda.stated import Refused
from sekisho_proxy.conda.value import Listed, Row, cleaned
from sekisho_proxy.flights import Flights

_LOG = logging.getLogger("sekisho.proxy")
_FRESH, _FRESH_INSIDE, _AGAIN = 600.0, 5.0, 10.0
_MOST_ROWS = 60_000
"""Rows of names in memory, of one subdir: some 60 MB."""


class Names(NamedTuple):
    """A digest of what is listed of each name. ``stale`` says why it may not be the present state."""

    digests: Mapping[str, bytes]
    refused: tuple[Refused, ...]
    checked: float
    stale: str = ""


class Subdir:
    """What a channel lists in one subdir. It is asked again after ten minutes, in-house after five seconds."""

    def __init__(
        self, source: Source, subdir: str, asking: Asking, seen: FirstSeen, clock: Callable[[], float]
    ) -> None:
        self._source = source
        self._subdir = subdir
        self._asking = asking
        self._seen = seen
        self._clock = clock
        self._fresh = _FRESH_INSIDE if source.owns else _FRESH
        self._flights = Flights()
        self._reading: Reading | None = None
        self._names: Names | None = None
        self._listed: dict[str, tuple[bytes, Listed]] = {}
        self._rows = 0

    @property
    def is_known(self) -> bool:
        """Tell whether it was ever there."""
        return self._names is not None

    async def close(self) -> None:
        """Stop what is being asked."""
        await self._flights.cancel()

    async def names(self) -> Names:
        """Return what is listed; raise ``NotFoundError`` for a subdir that is not there."""
        if self._names and self._clock() - self._names.checked < self._fresh:
            return self._names
        return await self._flights.once("names", self._refresh)

    async def listed(self, name: str) -> Listed:
        """Return what is listed of a name; raise ``NotFoundError`` for one that is not."""
        digest = (await self.names()).digests.get(name)
        known = self._listed.get(name)
        if known and known[0] == digest:
            self._listed[name] = self._listed.pop(name)  # what was asked for last is dropped last
            return known[1]
        if digest is None or self._reading is None:
            raise NotFoundError(
                f"source {self._source.id!r} has no {name[:80]} in {self._subdir}", where=self._asking.where
            )
        reading = self._reading
        return await self._flights.once((name, digest), lambda: self._read(reading, name, digest))

    async def _read(self, reading: Reading, name: str, digest: bytes) -> Listed:
        try:
            records = await reading.records(name)
        except LostError:
            await asyncio.to_thread(self._asking.forget)
            self._reading = self._names = None
            raise
        except NotFoundError as error:  # a new index names other shards, and the old ones end some day
            if self._names:
                self._names = self._names._replace(checked=0.0)
            raise UpstreamError(error.what, where=error.where, todo="try again: the index is read anew") from error
        listed = await asyncio.to_thread(self._stamp, name, digest, records)
        self._remember(name, digest, listed)
        return listed

    def _remember(self, name: str, digest: bytes, listed: Listed) -> None:
        self._forget(name)
        while self._listed and self._rows + len(listed.rows) > _MOST_ROWS:
            self._forget(next(iter(self._listed)))
        self._listed[name] = digest, listed
        self._rows += len(listed.rows)

    def _forget(self, name: str) -> None:
        _, old = self._listed.pop(name, (b"", None))
        self._rows -= len(old.rows) if old else 0

    def _stamp(self, name: str, digest: bytes, records: Records) -> Listed:
        kept, refused = cleaned(name, self._subdir, records[0])
        hashes = [record["sha256"] for _, record in kept]
        stamps = self._seen.of(self._source.id, self._subdir, name, digest, hashes, int(self._clock()))
        stated = dict(records[0]) if self._source.ages == "stated" else {}
        rows = tuple(
            Row(filename, record, age(stamps, record["sha256"], stated[filename].read() if stated else None))
            for filename, record in kept
        )
        return Listed(self._source.id, self._subdir, name, rows, (*records[1], *refused))

    async def packages(self, *, ask: bool) -> Elsewhere:
        """Return where the channel says that its packages are; without ``ask`` by what is known or kept alone.

        Raises what asking raises.
        """
        if ask:
            await self.names()
        elif self._names is None:
            await self._flights.once("kept", self._load)
        return self._reading.packages if self._reading else Elsewhere()

    async def _load(self) -> None:
        """Take up what was kept of it before, if nothing is known yet."""
        if self._names is None and (reading := await asyncio.to_thread(self._asking.load)):
            await self._take(reading)

    async def _refresh(self) -> Names:
        await self._load()
        if self._names and self._clock() - self._names.checked < self._fresh:
            return self._names
        try:
            return await self._take(await self._asking.ask(self._reading))
        except (UpstreamError, CorruptError) as error:
            if self._names is None:
                raise
            _LOG.warning("source %s, subdir %s: %s", self._source.id, self._subdir, error)
            again = self._clock() - self._fresh + min(self._fresh, _AGAIN)
            self._names = self._names._replace(stale=error.what, checked=again)
            return self._names

    async def _take(self, reading: Reading) -> Names:
        """Let a reading be what is shown from now on, after its digests were noted."""
        if reading is not self._reading:
            if not reading.noted:
                note = self._seen.note
                await asyncio.to_thread(note, self._source.id, self._subdir, reading.names, int(self._clock()))
            self._reading = reading
        self._names = Names(reading.names, reading.refused, reading.kept.checked)
        return self._names
