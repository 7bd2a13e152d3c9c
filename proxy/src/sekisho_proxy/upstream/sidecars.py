"""METADATA of wheels that are not here, kept once it was learned: beside the wheel, in it, or from all of it."""

import asyncio

from sekisho.errors import NotFoundError
from sekisho.policy import Snapshot
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.flights import Flights
from sekisho_proxy.holdings import Holdings
from sekisho_proxy.inspect.metadata import extract_metadata
from sekisho_proxy.upstream.listing import Listing, UpstreamFile
from sekisho_proxy.upstream.remote_metadata import WholeFileNeededError, fetch_metadata
from sekisho_proxy.upstream.sources import Upstreams


class Sidecars:
    """METADATA by wheel, on the disk."""

    def __init__(self, upstreams: Upstreams, holdings: Holdings, disk: DiskCache) -> None:
        self._upstreams = upstreams
        self._holdings = holdings
        self._disk = disk
        self._flights = Flights()

    async def close(self) -> None:
        """Stop what is being fetched."""
        await self._flights.cancel()

    async def get(self, snapshot: Snapshot, listing: Listing, file: UpstreamFile) -> bytes:
        """Return the METADATA of a listed wheel; raise what fetching it raises."""
        key = f"wheel {file.sha256} {file.filename} {file.core_metadata or ''}"
        data = self._disk.get(key)
        if data is None:
            data = await self._flights.once(key, lambda: self._learn(snapshot, listing, file, key))
        return data

    async def _learn(self, snapshot: Snapshot, listing: Listing, file: UpstreamFile, key: str) -> bytes:
        fetcher = self._upstreams.fetcher(snapshot, listing.source, listing.project)
        try:
            data = await fetch_metadata(fetcher, file)
        except WholeFileNeededError:
            artifact = listing.artifact(file)
            if artifact is None:
                raise NotFoundError("the file's name states no release of its project", where=file.path) from None
            path = await self._holdings.isolate(artifact)
            with path.open("rb") as wheel:
                data = await asyncio.to_thread(extract_metadata, wheel, file.filename)
        self._disk.put(key, data)
        return data
