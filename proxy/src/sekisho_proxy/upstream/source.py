"""The pages of a source: asked for, cached on disk and in memory, filtered."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sekisho.errors import NotFoundError, UpstreamError
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.flights import Flights
from sekisho_proxy.negotiate import HTML, JSON
from sekisho_proxy.upstream.advice import GONE, LATER
from sekisho_proxy.upstream.fetcher import Fetcher
from sekisho_proxy.upstream.listing import Listing, UpstreamFile, is_json, parse_listing

_PAGE_LIMIT = 64 << 20
_HTML_LIMIT = 8 << 20
_ACCEPT = f"{JSON}, {HTML};q=0.2, text/html;q=0.1"
_FRESH, _FRESH_INSIDE = 600.0, 5.0
_MOST_FILES = 300_000
"""Files of pages in memory, about 220 MB. A workbench of 245 packages has 157,500, and is read twice a request."""


@dataclass(frozen=True, slots=True)
class Page:
    """A listing and since when (seconds of the epoch) it is known to be true. ``stale``: the upstream is down."""

    listing: Listing
    checked: float
    stale: bool = False


class Pages(Protocol):
    """Something that knows the files of a project."""

    async def page(self, project: str) -> Page:
        """Return the page; raise ``NotFoundError`` or ``UpstreamError``."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it is kept: where it came from, its ETag and type, and since when it is known to be true."""

    url: str
    etag: str
    content_type: str
    checked: float
    body: bytes

    def dump(self) -> bytes:
        """Return the form that is kept on the disk."""
        head = [self.url, self.etag, self.content_type, self.checked]
        return json.dumps(head).encode() + b"\n" + self.body

    @classmethod
    def load(cls, data: bytes) -> "Kept":
        """Read that form."""
        head, _, body = data.partition(b"\n")
        url, etag, content_type, checked = json.loads(head)
        return cls(url, etag, content_type, checked, body)


class CachedPages:
    """Pages of one source, asked for again when older than ten minutes, and stale ones while it is down.

    Of a source that is ``near``, an in-house index, they are asked for again after five seconds: whoever has just
    published a release there asks for it next.
    """

    def __init__(
        self, fetcher: Fetcher, disk: DiskCache, *, clock: Callable[[], float] = time.time, near: bool = False
    ) -> None:
        self._fetcher = fetcher
        self._disk = disk
        self._clock = clock
        self._fresh = _FRESH_INSIDE if near else _FRESH
        self._flights = Flights()
        self._known: dict[str, Page] = {}

    async def page(self, project: str) -> Page:
        """Return the page, from memory while it is fresh."""
        page = self._known.get(project)
        if page and self._clock() - page.checked < self._fresh:
            self._known[project] = self._known.pop(project)  # what was asked for last is dropped last
            return page
        return await self._flights.once(project, lambda: self._refresh(project))

    async def _refresh(self, project: str) -> Page:
        data = await asyncio.to_thread(self._disk.get, self._key(project))
        known = Kept.load(data) if data else None
        try:
            if known and self._clock() - known.checked < self._fresh:
                return self._remember(project, await self._parse(project, known))
            fresh = await self._ask(project, known)
        except UpstreamError:
            if known is None:
                raise
            return await self._parse(project, known, stale=True)
        page = await self._parse(project, fresh)  # before it is kept: what cannot be read is asked for again
        self._disk.put(self._key(project), fresh.dump())
        return self._remember(project, page)

    async def _ask(self, project: str, known: Kept | None) -> Kept:
        url = f"{self._fetcher.place.index}{project}/"
        headers = {"accept": _ACCEPT}
        if known and known.etag:
            headers["if-none-match"] = known.etag
        response = await self._fetcher.get(url, limit=_PAGE_LIMIT, headers=headers)
        if response.status_code == 304 and known:
            return Kept(known.url, known.etag, known.content_type, self._clock(), known.body)
        self._fetcher.require(response, url, 200)
        kind = response.headers.get("content-type", "")
        if not is_json(kind) and len(response.content) > _HTML_LIMIT:
            raise UpstreamError(
                f"source {self._fetcher.place.id!r} sent HTML of more than {_HTML_LIMIT} bytes", where=url, todo=LATER
            )
        return Kept(response.url, response.headers.get("etag", ""), kind, self._clock(), response.content)

    async def _parse(self, project: str, raw: Kept, *, stale: bool = False) -> Page:
        place = self._fetcher.place.id
        listing = await asyncio.to_thread(parse_listing, place, project, raw.url, raw.content_type, raw.body)
        return Page(listing, raw.checked, stale)

    def _remember(self, project: str, page: Page) -> Page:
        self._known.pop(project, None)
        self._known[project] = page
        while sum(len(held.listing.files) for held in self._known.values()) > _MOST_FILES and len(self._known) > 1:
            self._known.pop(next(iter(self._known)))
        return page

    def _key(self, project: str) -> str:
        return f"page {self._fetcher.place.index} {project}"


async def find_file(pages: Pages, project: str, path: str) -> tuple[Listing, UpstreamFile]:
    """Look up one file by its (percent-decoded) path; raise ``NotFoundError`` if the page does not list it."""
    page = await pages.page(project)
    file = page.listing.by_path.get(path)
    if file is None:
        raise NotFoundError(f"source {page.listing.source!r} lists no such file of {project}", where=path, todo=GONE)
    return page.listing, file
