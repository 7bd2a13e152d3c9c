"""The bytes that are here: served blobs, the quarantine, and the way from an upstream into either.

No route reads from the quarantine. Its files become blobs only by ``ensure``, which routes call behind the gate.
"""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from sekisho.errors import CorruptError, StorageFullError, UpstreamError
from sekisho.model import Artifact
from sekisho.policy import Snapshot
from sekisho.store import BlobStore
from sekisho_proxy.arrival import Arrival
from sekisho_proxy.conda.channels import Channels
from sekisho_proxy.conda.fetching import fetch_package
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.flights import Flights
from sekisho_proxy.inspect.metadata import extract_metadata
from sekisho_proxy.provenance import Provenances
from sekisho_proxy.upstream.sources import Upstreams, fetch_artifact

_WORTH_STREAMING = 1 << 20
"""Bytes under which a client gets a clear status after the whole file has come, rather than its first bytes sooner."""

METADATA_IN_MEMORY = 8 << 20
"""Bytes of METADATA that need no disk: some thousand files, which resolvers ask for one by one."""

Present = Callable[[], Snapshot]
"""Returns the snapshot in force, or raises."""


class NotHereError(UpstreamError):
    """The bytes are not on this side of the gap, and a replica asks nobody for them."""

    http_status = 503


class Holdings:
    """Blob store and quarantine. ``upstreams`` is ``None`` on a replica; ``arrived`` counts the files that came."""

    def __init__(
        self, data: Path, present: Present, upstreams: Upstreams | None, channels: Channels | None = None
    ) -> None:
        self.blobs = BlobStore(data / "blobs")
        self.quarantine = BlobStore(data / "quarantine")
        self._metadata = DiskCache(data / "metadata", memory=METADATA_IN_MEMORY)
        self.provenances = Provenances(data / "provenance", present, upstreams)
        self._present = present
        self._upstreams = upstreams
        self._channels = channels
        self._flights = Flights()
        self.arrived = 0
        self._arriving: dict[str, tuple[asyncio.Task[None], Arrival]] = {}

    def sweep(self) -> None:
        """Remove what an interrupted run left half-written."""
        self.blobs.sweep()
        self.quarantine.sweep()

    async def close(self) -> None:
        """Stop what is being fetched."""
        await self._flights.cancel()
        await self.provenances.close()

    def has(self, sha256: str) -> bool:
        """Tell whether the blob can be served at once."""
        return self.blobs.has(sha256)

    def is_near(self, sha256: str) -> bool:
        """Tell whether the bytes are here, if only in quarantine: what is approved is taken out when asked for."""
        return self.blobs.has(sha256) or self.quarantine.has(sha256)

    def size(self, sha256: str) -> int | None:
        """Return the size in bytes of a blob that is here."""
        path = self.blobs.path(sha256)
        return path.stat().st_size if path.is_file() else None

    def known_metadata(self, artifact: Artifact) -> str:
        """Return the sha256 of a wheel's METADATA if that was extracted before, else nothing. Reads the disk."""
        data = self._metadata.get(_metadata_key(artifact)) if self.has(artifact.sha256) else None
        return hashlib.sha256(data).hexdigest() if data is not None else ""

    async def ensure(self, artifact: Artifact) -> Path:
        """Return the path of an approved file's blob, taking it from quarantine or upstream if need be.

        Call it only with what the gate admitted.
        """
        path = self.blobs.path(artifact.sha256)
        if not path.is_file():
            await asyncio.shield(self._bring(artifact)[0])
        return path

    async def open(self, artifact: Artifact) -> Path | AsyncIterator[bytes]:
        """Return an approved file's blob, or its bytes as they come if it is large and still has to be fetched.

        Call it only with what the gate admitted. The bytes never come to their end unless they are the right ones.
        """
        path = self.blobs.path(artifact.sha256)
        if path.is_file() or artifact.size < _WORTH_STREAMING:
            return await self.ensure(artifact)
        flight, arrival = self._bring(artifact)
        await arrival.begun(flight)
        return path if flight.done() else arrival.chunks(flight, path)

    def _bring(self, artifact: Artifact) -> tuple[asyncio.Task[None], Arrival]:
        """Return the flight that brings a file, under way by now, and what it has brought so far."""
        key = artifact.sha256
        found = self._arriving.get(key)
        if found is None:
            arrival = Arrival(artifact)
            flight = self._flights.start(("blob", key), lambda: self._take_or_fetch(artifact, arrival))
            found = self._arriving[key] = flight, arrival
            flight.add_done_callback(lambda _: self._arriving.pop(key))
        return found

    async def _take_or_fetch(self, artifact: Artifact, arrival: Arrival) -> None:
        if not self._adopt(artifact.sha256):
            await self._fetch(artifact, self.blobs, arrival)
        self.arrived += 1

    def _adopt(self, sha256: str) -> bool:
        try:
            self.blobs.adopt(self.quarantine.path(sha256), sha256)
        except FileNotFoundError:
            return self.blobs.has(sha256)
        return True

    async def take_in(self, sha256: str, pieces: AsyncIterator[bytes]) -> None:
        """Put a file that was made here into quarantine; raise ``CorruptError`` unless its bytes hash to ``sha256``."""
        if self.blobs.has(sha256):
            return
        with self.quarantine.receive() as incoming:
            async for piece in pieces:
                await asyncio.to_thread(incoming.write, piece)
            await asyncio.to_thread(incoming.keep, sha256)

    async def isolate(self, artifact: Artifact) -> Path:
        """Return where a candidate lies after it was fetched into quarantine, or where it already lay."""
        for store in (self.blobs, self.quarantine):
            if store.has(artifact.sha256):
                return store.path(artifact.sha256)
        await self._flights.once(
            ("quarantine", artifact.sha256), lambda: self._fetch(artifact, self.quarantine, Arrival(artifact))
        )
        return self.quarantine.path(artifact.sha256)

    async def _fetch(self, artifact: Artifact, store: BlobStore, arrival: Arrival) -> None:
        if self._upstreams is None:
            raise NotHereError(
                f"{artifact.filename} is not in any imported bundle",
                where=artifact.path,
                todo="export a bundle in the open zone and bring it over with `sekisho import`",
            )
        if artifact.built:
            raise NotHereError(
                f"{artifact.filename} was built from source, by a runner that brought it to another proxy",
                where=artifact.path,
                todo="bring that proxy's bytes over with `sekisho export`, or ask for the project again",
            )
        await asyncio.to_thread(_require_space, store, artifact)
        snapshot = self._present()
        fetcher = self._upstreams.fetcher(snapshot, artifact.source, artifact.project, artifact.kind)
        if artifact.kind == "conda" and self._channels:
            await fetch_package(self._channels, snapshot, fetcher, artifact, store, arrival.begin)
        else:
            await fetch_artifact(fetcher, artifact, store, arrival.begin)

    async def metadata(self, artifact: Artifact) -> bytes:
        """Return the METADATA of an approved wheel, extracted from its verified blob.

        Raises ``CorruptError`` if it is not the METADATA that the index stated when the file was approved.
        """
        data = self._metadata.known(_metadata_key(artifact))
        if data is None:
            await self.ensure(artifact)
            data = await asyncio.to_thread(self.read_metadata, artifact)
        stated = artifact.index.get("core-metadata")
        if stated and hashlib.sha256(data).hexdigest() != stated:
            raise CorruptError(
                "the wheel's METADATA is not what the index stated",
                where=artifact.path,
                todo="ask for the project again: the inspection will show the difference",
            )
        return data

    def read_metadata(self, artifact: Artifact) -> bytes:
        """Return the METADATA of a wheel that is here; raise ``CorruptError`` if none can be read. Reads the disk."""
        key = _metadata_key(artifact)
        data = self._metadata.get(key)
        if data is None:
            data = _read_metadata(self.blobs.path(artifact.sha256), artifact.filename)
            self._metadata.put(key, data)
        return data


def _require_space(store: BlobStore, artifact: Artifact) -> None:
    """Raise ``StorageFullError`` before a byte is fetched, while a client can still be told in a status."""
    free = shutil.disk_usage(store.root).free
    if free < artifact.size:
        raise StorageFullError(
            "the disk is full",
            where=str(store.root),
            todo=f"free some space: {artifact.filename} needs {artifact.size} bytes and {free} are left",
        )


def _metadata_key(artifact: Artifact) -> str:
    return f"blob {artifact.sha256} {artifact.filename}"


def _read_metadata(path: Path, filename: str) -> bytes:
    with path.open("rb") as file:
        return extract_metadata(file, filename)
