"""Which sources this process can reach, so that a start without them lists nothing that it cannot serve.

Asked once at the start, and then only while one is away. A source that fails later changes no page: a file that
cannot be had is then a loud error, while a page that shrinks would quietly resolve to something older.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress

from sekisho.errors import NotFoundError, SekishoError
from sekisho.model import Artifact, Kind
from sekisho.policy import Snapshot
from sekisho.sources import Ownership
from sekisho_proxy.follow import Held
from sekisho_proxy.holdings import Holdings
from sekisho_proxy.upstream.fetcher import Fetcher
from sekisho_proxy.upstream.sources import Upstreams

_LOG = logging.getLogger("sekisho.proxy")
_PATIENCE = 2.0
_AGAIN = 10.0
_PAGE_LIMIT = 64 << 20
_FIRST_BYTE = 1 << 10


class Reach:
    """The sources that are away."""

    def __init__(self, held: Held, holdings: Holdings, upstreams: Upstreams) -> None:
        self._held = held
        self._holdings = holdings
        self._upstreams = upstreams
        self._known = asyncio.Event()
        self.away: frozenset[str] = frozenset()
        self._changes = 0

    @property
    def turn(self) -> tuple[int, int]:
        """Return what changes when other files are offered, so that pages know when to forget.

        A source may give a file before it is asked again whether it is there.
        """
        return self._changes, self._holdings.arrived if self.away else 0

    def offers(self, artifact: Artifact) -> bool:
        """Tell whether a file is here or can be fetched."""
        if artifact.built:
            return self._holdings.is_near(artifact.sha256)
        return artifact.source not in self.away or self._holdings.has(artifact.sha256)

    async def known(self) -> None:
        """Wait until the sources were asked once; without a policy there is nothing to wait for."""
        if not self._known.is_set() and self._held.begun.is_set():
            await self._known.wait()

    async def run(self) -> None:
        """Ask until every source was reached once."""
        await self._held.begun.wait()
        while True:
            away = await self._ask(self._held.present())
            if away != self.away:
                self.away = away
                self._changes += 1
                _LOG.warning(
                    "sources that cannot be reached, only what is here is listed: %s", ", ".join(away) or "none"
                )
            self._known.set()
            if not away:
                return
            await asyncio.sleep(_AGAIN)

    async def _ask(self, snapshot: Snapshot) -> frozenset[str]:
        wanted = dict(self._wanted(snapshot))
        found = await asyncio.gather(*(self._answers(snapshot, source, *row) for source, row in wanted.items()))
        return frozenset(source for source, answers in zip(wanted, found, strict=True) if not answers)

    def _wanted(self, snapshot: Snapshot) -> Iterator[tuple[str, tuple[Kind, str]]]:
        """Yield (source, kind and project of a file of it that is missing here): nothing else would be fetched."""
        ownership = Ownership(snapshot.sources)
        for signed in snapshot.approvals:
            for artifact in signed.approval.artifacts:
                missing = not artifact.built and not self._holdings.has(artifact.sha256)
                if missing and ownership.objection(artifact) is None:
                    yield artifact.source, (artifact.kind, artifact.project)

    async def _answers(self, snapshot: Snapshot, source: str, kind: Kind, project: str) -> bool:
        """Ask for a project's page: an address that every index has, and never its list of all projects.

        Of a channel it is the first byte of the one file that each should have (CEP 36).
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                fetcher = self._upstreams.fetcher(snapshot, source, project, kind)
                if kind == "conda":
                    await _greet(fetcher)
                else:
                    await fetcher.get(f"{fetcher.place.index}{project}/", limit=_PAGE_LIMIT)
        except TimeoutError:
            return False
        except SekishoError as error:  # a source that is not listed any more, or not asked for this, gives nothing
            _LOG.debug("source %s: %s", source, error)
            return False
        return True


async def _greet(channel: Fetcher) -> None:
    with suppress(NotFoundError):  # it may have shards alone
        await channel.range(f"{channel.place.index}noarch/repodata.json", "bytes=0-0", limit=_FIRST_BYTE)
