"""The upstreams of the snapshot in force, each built once."""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import datetime

import httpx2

from sekisho.errors import CorruptError, NotFoundError, RefusedError, UpstreamError
from sekisho.model import Artifact, Kind
from sekisho.policy import Snapshot
from sekisho.sources import Ownership, Source
from sekisho.store import BlobStore, Incoming
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.upstream.advice import TAMPERED
from sekisho_proxy.upstream.denied import UndeniedPages
from sekisho_proxy.upstream.fetcher import Fetcher
from sekisho_proxy.upstream.logins import Logins
from sekisho_proxy.upstream.ordered import OrderedPages
from sekisho_proxy.upstream.place import locate
from sekisho_proxy.upstream.source import CachedPages, Pages

_LARGEST_FILE = 20 << 30

Moved = Callable[[], None]
"""Called when more of a file has been written."""


class Upstreams:
    """Fetchers and pages by source. Pages are remembered as long as the source's entry stays as it is.

    Whoever wants to ask says for which project, so that a name that one source owns is asked nowhere else.
    """

    def __init__(
        self,
        client: httpx2.AsyncClient,
        disk: DiskCache,
        *,
        timeout: float,
        clock: Callable[[], float] = time.time,
        logins: Logins | None = None,
    ) -> None:
        self._client = client
        self._logins = logins
        self._disk = disk
        self._timeout = timeout
        self._clock = clock
        self._built: dict[Source, tuple[Fetcher, CachedPages]] = {}
        self._ownership = Ownership(())

    def _build(self, source: Source) -> tuple[Fetcher, CachedPages]:
        if source not in self._built:
            fetcher = Fetcher(self._client, locate(source), timeout=self._timeout, logins=self._logins)
            self._built[source] = fetcher, CachedPages(fetcher, self._disk, clock=self._clock, near=bool(source.owns))
        return self._built[source]

    def owners(self, snapshot: Snapshot) -> Ownership:
        """Return who may be asked for a name: the same object as long as the sources are the same."""
        if self._ownership.sources != snapshot.sources:
            self._ownership = Ownership(snapshot.sources)
        return self._ownership

    def fetcher(self, snapshot: Snapshot, source: str, project: str, kind: Kind = "pypi") -> Fetcher:
        """Return what fetches files of ``project`` from a source.

        Raises ``NotFoundError`` for a source that the snapshot does not know, and ``RefusedError`` for one that may not
        be asked for this project, because it does not own it.
        """
        if not any(row.id == source for row in snapshot.sources):
            raise NotFoundError(f"{source[:80]!r} is not one of the sources", todo="sources.yaml lists them")
        for row in self.owners(snapshot).asked(kind, project):
            if row.id == source:
                return self._build(row)[0]
        raise RefusedError(
            f"source {source!r} is not asked for {project}, which it does not own",
            where=f"{kind}/{project}",
            todo="see `owns` and `serves` in sources.yaml",
        )

    def channel(self, snapshot: Snapshot, source: str) -> tuple[Source, Fetcher]:
        """Return a channel and what fetches its index; raise ``NotFoundError`` for a source that is none."""
        for row in snapshot.sources:
            if row.id == source and row.kind == "conda":
                return row, self._build(row)[0]
        raise NotFoundError(f"{source[:80]!r} is not one of the channels", todo="sources.yaml lists them")

    def pages(self, snapshot: Snapshot, kind: Kind = "pypi") -> Pages:
        """Return the pages of all sources as they are: of each project those of the one source that provides it."""
        owners = self.owners(snapshot)
        return OrderedPages(lambda project: [self._build(source)[1] for source in owners.asked(kind, project)])

    def undenied(self, snapshot: Snapshot, now: Callable[[], datetime]) -> Pages:
        """Return the pages of all sources without what the policy denies."""
        return UndeniedPages(self.pages(snapshot), snapshot.policy, now)


def usual_places(fetcher: Fetcher, artifact: Artifact) -> tuple[str, ...]:
    """Return where a file of a source is unless the source says otherwise."""
    return tuple(base + artifact.path for base in fetcher.place.files)


async def fetch_artifact(
    fetcher: Fetcher,
    artifact: Artifact,
    store: BlobStore,
    begun: Callable[[Incoming], Moved] = lambda _: _nothing,
    places: Iterable[str] | None = None,
) -> None:
    """Bring one file into ``store`` from the first of ``places`` that has it, by default from the usual ones.

    Nothing is visible there before size and sha256 are right. Each try hands what it writes to ``begun``, whose answer
    is called after every chunk.
    """
    missing: NotFoundError | None = None
    for url in usual_places(fetcher, artifact) if places is None else places:
        try:
            await _receive(fetcher, url, artifact, store, begun)
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
                f"source {artifact.source!r} sent {incoming.size} bytes of {artifact.size}",
                where=artifact.path,
                todo=TAMPERED,
            )
        try:
            await asyncio.to_thread(incoming.keep, artifact.sha256)
        except CorruptError as error:
            raise CorruptError(
                f"source {artifact.source!r} sent other bytes than were asked for: {error.what}",
                where=artifact.path,
                todo=TAMPERED,
            ) from error
