"""Which releases of a project exist, as its source says: what a page needs to explain those that it does not offer.

Nothing is decided by it. Only names are kept, a few kilobytes of a page of megabytes. They are asked for when a page is
first wanted, and a page does not wait long: without an answer it is served as it is, and completed later. A replica
has them from bundles.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from packaging.version import Version

from sekisho.errors import NotFoundError, SekishoError, UpstreamError
from sekisho.policy import Snapshot
from sekisho.sources import Ownership
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.flights import Flights
from sekisho_proxy.follow import Held
from sekisho_proxy.negotiate import JSON
from sekisho_proxy.upstream.advice import LATER
from sekisho_proxy.upstream.fetcher import Answer
from sekisho_proxy.upstream.listing import is_json, parse_listing
from sekisho_proxy.upstream.sources import Upstreams

MOST_RELEASES = 1000
"""Of one project; the newest ones are kept."""

_PAGE_LIMIT = 64 << 20
_PATIENCE = 1.5
_IMPATIENCE = 30.0
_FRESH = 600.0
_AGAIN = 60.0
_AT_ONCE = 16
_MOST_NAMES = 4096
_MOST_KEPT = 400_000
"""Releases in memory, of all names together: some 30 MB."""

_HOUR = 3600.0


class Known(NamedTuple):
    """Releases, newest first, with the ETag under which ``source`` gave them; asked for again after ``until``."""

    releases: tuple[str, ...] = ()
    until: float = 0.0
    source: str = ""
    etag: str = ""

    def dump(self) -> bytes:
        """Return the form that is kept on the disk."""
        return json.dumps(self._asdict()).encode()

    @classmethod
    def load(cls, data: bytes) -> "Known":
        """Read that form."""
        value = json.loads(data)
        return cls(**{**value, "releases": tuple(value["releases"])})


_NOTHING = Known()


class Releases:
    """Releases by project. ``clock`` tells seconds of the epoch.

    What is approved is kept on the disk as well. Names of which nothing is approved come from anybody who reaches the
    door, so they are asked for only ``strangers`` times an hour, and kept in memory alone. Without ``upstreams`` nobody
    is asked.
    """

    def __init__(
        self, held: Held, upstreams: Upstreams | None, disk: DiskCache, clock: Callable[[], float], *, strangers: int
    ) -> None:
        self._held = held
        self._upstreams = upstreams
        self._disk = disk
        self._clock = clock
        self._known: dict[str, Known] = {}
        self._kept = 0
        self._flights = Flights()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._turn = -1
        self._ownership = Ownership(())
        self._approved: frozenset[str] = frozenset()
        self._impatient_until = 0.0
        self._most_strangers = strangers
        self._hour, self._strangers = 0.0, 0

    async def close(self) -> None:
        """Stop what is being asked."""
        await self._flights.cancel()

    def of(self, project: str) -> tuple[str, ...]:
        """Return what is known now, newest first: the same object until something else is known."""
        return self._known.get(project, _NOTHING).releases

    async def learn(self, project: str, *, patience: float | None = None) -> None:
        """See to it that the releases are known, waiting only if they never were, and for ``patience`` seconds at most.

        After somebody waited in vain, nobody waits for a while: a source that hangs slows down one page, not each.
        """
        self._follow()
        known, now = self._known.get(project), self._clock()
        if known and now < known.until:
            return
        if project not in self._approved and not self._may_ask_for_a_stranger(now):
            return
        flight = self._flights.start(project, lambda: self._ask(project, known))
        if known is None and now >= self._impatient_until:
            done, _ = await asyncio.wait({flight}, timeout=_PATIENCE if patience is None else patience)
            if not done:
                self._impatient_until = now + _IMPATIENCE

    def _follow(self) -> None:
        """Forget everything when the sources are others, or a bundle came: a name may have another owner now."""
        if self._turn != self._held.turn:
            snapshot, self._turn = self._held.present(), self._held.turn
            self._approved = self._held.index().names("pypi")
            sources = snapshot.sources
            if sources != self._ownership.sources or self._upstreams is None:
                self._ownership = Ownership(sources)
                self._known.clear()
                self._kept = 0

    def _may_ask_for_a_stranger(self, now: float) -> bool:
        if now >= self._hour + _HOUR:
            self._hour, self._strangers = now, 0
        self._strangers += 1
        return self._strangers <= self._most_strangers

    async def _ask(self, project: str, known: Known | None) -> None:
        snapshot, ownership, approved = self._held.present(), self._ownership, project in self._approved
        if known is None and approved:
            data = await asyncio.to_thread(self._disk.get, _key(project))
            known = Known.load(data) if data else None
            if known and self._clock() < known.until:
                self._keep(project, known, ownership)
                return
        async with self._slots:
            try:
                found = await self._asked(snapshot, project, known or _NOTHING)
            except SekishoError:  # the page goes without, or with what was known before
                self._keep(project, (known or _NOTHING)._replace(until=self._clock() + _AGAIN), ownership)
                return
        if known and found.releases == known.releases:
            found = found._replace(releases=known.releases)
        self._keep(project, found, ownership)
        if approved and found != known:
            await asyncio.to_thread(self._disk.put, _key(project), found.dump())

    async def _asked(self, snapshot: Snapshot, project: str, known: Known) -> Known:
        """Ask the sources in their order; one that fails is not passed over."""
        if self._upstreams is None:
            raise NotFoundError("a replica asks nobody", where=project)
        for source in self._ownership.asked("pypi", project):
            fetcher = self._upstreams.fetcher(snapshot, source.id, project)
            url = f"{fetcher.place.index}{project}/"
            headers = {"accept": f"{JSON}, text/html;q=0.1"}
            if known.etag and known.source == source.id:
                headers["if-none-match"] = known.etag
            answer = await fetcher.get(url, limit=_PAGE_LIMIT, headers=headers)
            until = self._clock() + _FRESH
            if answer.status_code == 304 and known.source == source.id:
                return known._replace(until=until)
            try:
                fetcher.require(answer, url, 200)
            except NotFoundError:
                continue
            releases = await asyncio.to_thread(read_releases, source.id, project, url, answer)
            return Known(releases, until, source.id, answer.headers.get("etag", ""))
        return Known(until=self._clock() + _FRESH)

    def _keep(self, project: str, known: Known, ownership: Ownership) -> None:
        if ownership is not self._ownership:
            return
        self._forget(project)
        while self._known and (len(self._known) >= _MOST_NAMES or self._kept + len(known.releases) > _MOST_KEPT):
            self._forget(next(iter(self._known)))
        self._known[project] = known
        self._kept += len(known.releases)

    def _forget(self, project: str) -> None:
        known = self._known.pop(project, _NOTHING)
        self._kept -= len(known.releases)


def read_releases(source: str, project: str, url: str, answer: Answer) -> tuple[str, ...]:
    """Return the releases that a page names (PEP 700), or else those of its files, newest first.

    Raises ``UpstreamError`` for what is no page.
    """
    kind = answer.headers.get("content-type", "")
    try:
        page = json.loads(answer.content) if is_json(kind) else {}
    except (ValueError, RecursionError) as error:
        raise UpstreamError(
            f"source {source!r} sent a page that cannot be read: {error}", where=project, todo=LATER
        ) from error
    stated = page.get("versions") if isinstance(page, Mapping) else None
    if not isinstance(stated, list):
        stated = parse_listing(source, project, url, kind, answer.content).versions
    return newest(stated)


def newest(stated: Iterable[object]) -> tuple[str, ...]:
    """Return releases in their one spelling, newest first, the first ``MOST_RELEASES`` of them."""
    found = set()
    for text in stated:
        try:
            found.add(Version(str(text)))
        except ValueError:  # more digits than Python reads are no ``InvalidVersion``
            continue
    return tuple(str(version) for version in sorted(found, reverse=True)[:MOST_RELEASES])


def releases_folder(data: Path) -> Path:
    """Return where releases are kept, below the proxy's state."""
    return data / "releases"


def keep_releases(disk: DiskCache, project: str, releases: tuple[str, ...]) -> None:
    """Keep what a bundle says of a project; whoever could ask a source would ask again."""
    disk.put(_key(project), Known(releases).dump())


def _key(project: str) -> str:
    return f"releases {project}"
