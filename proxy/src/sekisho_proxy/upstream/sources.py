"""The upstreams of the snapshot in force, each built once."""

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime

import httpx2

from sekisho.allowlist import Source
from sekisho.errors import CorruptError, NotFoundError, UpstreamError
from sekisho.model import Artifact
from sekisho.policy import Snapshot
from sekisho.store import BlobStore, Incoming
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.upstream.denied import UndeniedPages
from sekisho_proxy.upstream.fetcher import Fetcher
from sekisho_proxy.upstream.place import locate
from sekisho_proxy.upstream.source import CachedPages, Pages

_LARGEST_FILE = 20 << 30

Moved = Callable[[], None]
"""Called when more of a file has been written."""


class Upstreams:
    """Fetchers and pages by source. Pages are remembered as long as the source's entry stays as it is."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        disk: DiskCache,
        *,
        timeout: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._disk = disk
        self._timeout = timeout
        self._clock = clock
        self._built: dict[Source, tuple[Fetcher, CachedPages]] = {}

    def _build(self, snapshot: Snapshot, source: str) -> tuple[Fetcher, CachedPages]:
        entry = next((row for row in snapshot.sources if row.id == source), None)
        if entry is None:
            raise NotFoundError(f"{source[:80]!r} is not one of the sources", todo="sources.yaml lists them")
        if entry not in self._built:
            fetcher = Fetcher(self._client, locate(entry), timeout=self._timeout)
            self._built[entry] = fetcher, CachedPages(fetcher, self._disk, clock=self._clock)
        return self._built[entry]

    def fetcher(self, snapshot: Snapshot, source: str) -> Fetcher:
        """Return what fetches from a source; raise ``NotFoundError`` for one that the snapshot does not know."""
        return self._build(snapshot, source)[0]

    def pages(self, snapshot: Snapshot, source: str) -> Pages:
        """Return a source's pages as they are."""
        return self._build(snapshot, source)[1]

    def undenied(self, snapshot: Snapshot, source: str, now: Callable[[], datetime]) -> Pages:
        """Return a source's pages without what the policy denies."""
        return UndeniedPages(self.pages(snapshot, source), snapshot.policy, now)


async def fetch_artifact(
    fetcher: Fetcher, artifact: Artifact, store: BlobStore, begun: Callable[[Incoming], Moved] = lambda _: _nothing
) -> None:
    """Bring one file into ``store``. Nothing is visible there before size and sha256 are right.

    Each try hands what it writes to ``begun``, whose answer is called after every chunk.
    """
    missing: NotFoundError | None = None
    for base in fetcher.place.files:
        try:
            await _receive(fetcher, base + artifact.path, artifact, store, begun)
        except NotFoundError as error:
            missing = error
        else:
            return
    raise missing or UpstreamError(f"source {artifact.source!r} has no hosts", where=artifact.path)


def _nothing() -> None:
    return


async def _receive(
    fetcher: Fetcher, url: str, artifact: Artifact, store: BlobStore, begun: Callable[[Incoming], Moved]
) -> None:
    with ExitStack() as stack:
        tries: list[Incoming] = []

        def begin() -> Callable[[bytes], None]:
            incoming = stack.enter_context(store.receive())
            tries.append(incoming)
            moved = begun(incoming)

            def take(chunk: bytes) -> None:
                incoming.write(chunk)
                moved()

            return take

        await fetcher.download(url, begin, limit=artifact.size or _LARGEST_FILE)
        incoming = tries[-1]
        if artifact.size and incoming.size != artifact.size:
            raise CorruptError(
                f"source {artifact.source!r} sent {incoming.size} bytes of {artifact.size}", where=artifact.path
            )
        try:
            await asyncio.to_thread(incoming.keep, artifact.sha256)
        except CorruptError as error:
            raise CorruptError(
                f"source {artifact.source!r} sent other bytes than were asked for: {error.what}",
                where=artifact.path,
                todo="nothing was kept; ask the source's operator, or look for tampering on the way",
            ) from error
