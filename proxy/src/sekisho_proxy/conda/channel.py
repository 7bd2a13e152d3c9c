"""One subdir of one channel: which names it lists, and the records of a name, read when they are wanted.

Shards come first: of a channel that has them no large file is ever fetched. What cannot be read changes nothing: what
was there goes on being served, and says why it is stale.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple, Protocol

from sekisho.errors import CorruptError, NotFoundError, SekishoError, UpstreamError
from sekisho.sources import Source
from sekisho_proxy.conda.seen import FirstSeen
from sekisho_proxy.conda.shards import INDEX, INDEX_LIMIT, SHARD_LIMIT, ShardIndex, read_index, read_shard
from sekisho_proxy.conda.value import Listed, Refused, Row, cleaned
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.flights import Flights
from sekisho_proxy.upstream.fetcher import Fetcher
from sekisho_proxy.upstream.source import Kept

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


class Reading(Protocol):
    """A form in which a subdir is had: shards, or one file. ``checked`` is since when it is known to be true."""

    names: Mapping[str, bytes]
    refused: tuple[Refused, ...]

    @property
    def etag(self) -> str:
        """Return the ETag under which it was had."""
        ...

    @property
    def checked(self) -> float:
        """Return since when (seconds of the epoch) it is known to be true."""
        ...

    async def records(self, name: str) -> tuple[list[tuple[str, object]], list[Refused]]:
        """Return what is listed of a name, and what of it is dropped."""
        ...


class _Sharded:
    def __init__(self, index: ShardIndex, fetcher: Fetcher, disk: DiskCache, kept: Kept) -> None:
        self.names, self.refused, self.kept = index.names, index.refused, kept
        self._base, self._fetcher, self._disk = index.base, fetcher, disk

    @property
    def etag(self) -> str:
        return self.kept.etag

    @property
    def checked(self) -> float:
        return self.kept.checked

    async def records(self, name: str) -> tuple[list[tuple[str, object]], list[Refused]]:
        sha256 = self.names[name]
        key, url = f"shard {sha256.hex()}", f"{self._base}{sha256.hex()}.msgpack.zst"
        data = await asyncio.to_thread(self._disk.get, key)
        if data is not None:
            return await asyncio.to_thread(read_shard, data, sha256, where=url)
        answer = await self._fetcher.get(url, limit=SHARD_LIMIT, raw=True)
        self._fetcher.require(answer, url, 200)
        read = await asyncio.to_thread(read_shard, answer.content, sha256, where=url)  # before it is kept
        await asyncio.to_thread(self._disk.put, key, answer.content)
        return read


class Subdir:
    """What a channel lists in one subdir. It is asked again after ten minutes, in-house after five seconds."""

    def __init__(
        self,
        source: Source,
        subdir: str,
        fetcher: Fetcher,
        disk: DiskCache,
        seen: FirstSeen,
        clock: Callable[[], float],
    ) -> None:
        self._source = source
        self._subdir = subdir
        self._fetcher = fetcher
        self._where = f"{fetcher.place.index}{subdir}/"
        self._disk = disk
        self._seen = seen
        self._clock = clock
        self._fresh = _FRESH_INSIDE if source.owns else _FRESH
        self._flights = Flights()
        self._key = f"index {fetcher.place.index}{subdir}"
        self._reading: Reading | None = None
        self._names: Names | None = None
        self._listed: dict[str, tuple[bytes, Listed]] = {}

    async def names(self) -> Names:
        """Return what is listed; raise ``NotFoundError`` for a subdir that is not there."""
        if self._names and self._clock() - self._names.checked < self._fresh:
            return self._names
        return await self._flights.once("names", self._refresh)

    async def listed(self, name: str) -> Listed:
        """Return what is listed of a name; raise ``NotFoundError`` for one that is not."""
        names = await self.names()
        digest = names.digests.get(name)
        if digest is None or self._reading is None:
            raise NotFoundError(f"source {self._source.id!r} has no {name[:80]} in {self._subdir}", where=self._where)
        known = self._listed.get(name)
        if known and known[0] == digest:
            return known[1]
        reading = self._reading
        return await self._flights.once((name, digest), lambda: self._read(reading, name, digest))

    async def close(self) -> None:
        """Stop what is being asked."""
        await self._flights.cancel()

    async def _read(self, reading: Reading, name: str, digest: bytes) -> Listed:
        records, dropped = await reading.records(name)
        listed = await asyncio.to_thread(self._stamp, name, digest, records, dropped)
        self._listed.pop(name, None)
        self._listed[name] = digest, listed
        while sum(len(held.rows) for _, held in self._listed.values()) > _MOST_ROWS and len(self._listed) > 1:
            self._listed.pop(next(iter(self._listed)))
        return listed

    def _stamp(self, name: str, digest: bytes, records: list[tuple[str, object]], dropped: list[Refused]) -> Listed:
        kept, refused = cleaned(name, self._subdir, records)
        hashes = [record["sha256"] for _, record in kept]
        stamps = self._seen.of(self._source.id, self._subdir, name, digest, hashes, int(self._clock()))
        rows = tuple(Row(filename, record, stamps.at[record["sha256"]]) for filename, record in kept)
        return Listed(self._source.id, self._subdir, name, rows, (*dropped, *refused))

    async def _refresh(self) -> Names:
        if self._names is None and (reading := await asyncio.to_thread(self._load)):
            names = await self._take(reading, reading.checked)
            if self._clock() - names.checked < self._fresh:
                return names
        try:
            return await self._take(await self._ask(), self._clock())
        except (UpstreamError, CorruptError) as error:
            if self._names is None:
                raise
            _LOG.warning("source %s, subdir %s: %s", self._source.id, self._subdir, error)
            again = self._clock() - self._fresh + min(self._fresh, _AGAIN)
            self._names = self._names._replace(stale=error.what, checked=again)
            return self._names

    async def _take(self, reading: Reading, checked: float) -> Names:
        """Let a reading be what is shown from now on, after its digests were noted."""
        if reading is not self._reading:
            note = self._seen.note
            await asyncio.to_thread(note, self._source.id, self._subdir, reading.names, int(self._clock()))
            self._reading = reading
        self._names = Names(reading.names, reading.refused, checked)
        return self._names

    def _load(self) -> Reading | None:
        """Return what was known when the proxy ended, if it can be read."""
        data = self._disk.get(self._key)
        if data is None:
            return None
        kept = Kept.load(data)
        with suppress(CorruptError):
            return _Sharded(read_index(kept.body, url=kept.url, subdir=self._subdir), self._fetcher, self._disk, kept)
        return None

    async def _ask(self) -> Reading:
        """Ask for the index of shards, and where there is none for the file of all records."""
        url, known = f"{self._where}{INDEX}", self._reading
        headers = {"if-none-match": known.etag} if known and known.etag else {}
        answer = await self._fetcher.get(url, limit=INDEX_LIMIT, headers=headers, raw=True)
        if answer.status_code == 304 and isinstance(known, _Sharded):
            kept = replace(known.kept, checked=self._clock())
            await asyncio.to_thread(self._disk.put, self._key, kept.dump())
            known.kept = kept
            return known
        self._fetcher.require(answer, url, 200)
        kept = Kept(answer.url, answer.headers.get("etag", ""), "", self._clock(), answer.content)
        index = await asyncio.to_thread(read_index, kept.body, url=kept.url, subdir=self._subdir)
        self._admit(index)
        await asyncio.to_thread(self._disk.put, self._key, kept.dump())
        return _Sharded(index, self._fetcher, self._disk, kept)

    def _admit(self, index: ShardIndex) -> None:
        try:
            self._fetcher.place.admit(index.base)
        except SekishoError as error:
            raise UpstreamError(
                f"its shards are not asked for: {error.what}", where=self._where, todo=error.todo
            ) from error
