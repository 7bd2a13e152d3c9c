"""The only code that speaks to an upstream: allowed hosts, redirects by hand, bounds on time and size, retries.

Foreign exceptions end here: what leaves is ``UpstreamError`` naming source and URL path.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import httpx2

from sekisho.errors import CorruptError, NotFoundError, UpstreamError
from sekisho_proxy.upstream.address import watch_address
from sekisho_proxy.upstream.advice import GONE, LATER, TAMPERED
from sekisho_proxy.upstream.logins import Logins
from sekisho_proxy.upstream.place import Place

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_PAUSES = (0.2, 0.8)
_CHUNK = 1 << 18
_CODINGS = frozenset({"", "identity", "gzip"})
_SLOWEST = 32 << 10  # bytes per second, over a whole file
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; header names in any case. ``url`` is where it came from in the end."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes
    url: str


def make_client(timeout: float, transport: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
    """Return the pooled client that all sources share; ``transport`` is what carries requests, if not the network."""
    return httpx2.AsyncClient(
        transport=transport,
        timeout=httpx2.Timeout(timeout),
        limits=httpx2.Limits(max_connections=24, max_keepalive_connections=24, keepalive_expiry=30.0),
        headers={"user-agent": "sekisho"},
        follow_redirects=False,
    )


class _TransientError(Exception):
    """A failure that may pass: no connection, 5xx, a body cut short."""


class Fetcher:
    """Requests to one source."""

    def __init__(
        self, client: httpx2.AsyncClient, place: Place, *, timeout: float, logins: Logins | None = None
    ) -> None:
        self._client = client
        self._logins = logins or Logins()
        self.place = place
        self._timeout = timeout

    async def get(self, url: str, *, limit: int, headers: dict[str, str] | None = None, raw: bool = False) -> Answer:
        """Return a whole answer of at most ``limit`` bytes, packed or not; ``raw`` asks for the identity encoding.

        Any status under 500 is an answer. The body has been unpacked unless ``raw``.
        """

        async def attempt() -> Answer:
            async with asyncio.timeout(8 * self._timeout), self._open(url, headers or {}, raw=raw) as response:
                return await self._read(response, url, limit=limit, raw=raw)

        return await self._persist(url, attempt)

    async def range(self, url: str, wanted: str, *, limit: int) -> Answer | None:
        """Return part of a file (206), or ``None`` where the source answers with anything else than an error."""

        async def attempt() -> Answer | None:
            async with asyncio.timeout(8 * self._timeout), self._open(url, {"range": wanted}, raw=True) as response:
                if response.status_code == 206:
                    return await self._read(response, url, limit=limit, raw=True)
                if response.status_code in {200, 416}:
                    return None
                raise self._status(response, url)

        return await self._persist(url, attempt)

    async def _read(self, response: httpx2.Response, url: str, *, limit: int, raw: bool) -> Answer:
        whole = bytearray()
        packed = response.headers.get("content-encoding", "identity").strip().lower()
        if not raw and packed not in _CODINGS:  # some cost more to unpack than their length, or their contents', tells
            raise UpstreamError(
                f"source {self.place.id!r} packs its answer in an unwanted way", where=_path(url), todo=LATER
            )
        async for chunk in response.aiter_raw(_CHUNK) if raw else response.aiter_bytes(_CHUNK):
            whole += chunk
            if max(len(whole), response.num_bytes_downloaded) > limit:
                raise UpstreamError(
                    f"source {self.place.id!r} sent more than {limit} bytes", where=_path(url), todo=LATER
                )
        return Answer(response.status_code, response.headers, bytes(whole), str(response.url))

    async def download(
        self,
        url: str,
        write: Callable[[], Callable[[bytes], None]],
        *,
        limit: int,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Stream a file of at most ``limit`` bytes. ``write()`` begins anew and returns what takes each chunk.

        The answer has no content; it may be a 304 where ``headers`` ask for that. Raises ``NotFoundError`` if the file
        is not there, ``CorruptError`` if it is longer than it should be.
        """

        async def attempt() -> Answer:
            patience = asyncio.timeout(8 * self._timeout + limit / _SLOWEST)
            async with patience, self._open(url, headers or {}, raw=True) as response:
                answer = Answer(response.status_code, response.headers, b"", str(response.url))
                if response.status_code == 304 and headers:
                    return answer
                if response.status_code != 200:
                    raise self._status(response, url)
                take, size = write(), 0
                async for chunk in response.aiter_raw(_CHUNK):
                    size += len(chunk)
                    if size > limit:
                        raise CorruptError(
                            f"source {self.place.id!r} sent more than {limit} bytes",
                            where=_path(url),
                            todo=TAMPERED,
                        )
                    take(chunk)
                return answer

        return await self._persist(url, attempt)

    async def _persist(self, url: str, attempt: Callable[[], Awaitable[Result]]) -> Result:
        why = ""
        for pause in (*_PAUSES, None):
            try:
                return await attempt()
            except (_TransientError, httpx2.TransportError, TimeoutError) as error:
                slow = isinstance(error, (httpx2.TimeoutException, TimeoutError))
                why = "it took too long" if slow else str(error) or type(error).__name__
            except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
                why = str(error) or type(error).__name__
                break
            if pause is None or slow:
                break
            await asyncio.sleep(pause)
        raise UpstreamError(
            f"source {self.place.id!r} does not answer as it should: {why}",
            where=_path(url),
            todo=LATER,
        )

    @asynccontextmanager
    async def _open(self, url: str, headers: dict[str, str], *, raw: bool) -> AsyncIterator[httpx2.Response]:
        sent = {**headers, "accept-encoding": "identity" if raw else "gzip"}
        for _ in range(_MOST_REDIRECTS + 1):
            async with self._ask(self.place.admit(url), sent) as response:
                if response.status_code in _REDIRECTS and "location" in response.headers:
                    url = self._next(url, response.headers["location"])
                    continue
                if response.status_code >= 500:
                    message = f"it answers {response.status_code}"
                    raise _TransientError(message)
                yield response
                return
        raise UpstreamError(f"source {self.place.id!r} redirects in a circle", where=_path(url), todo=LATER)

    def _next(self, url: str, location: str) -> str:
        try:
            return urljoin(url, location)
        except ValueError as error:
            raise UpstreamError(
                f"source {self.place.id!r} redirects to what is no address: {error}", where=_path(url), todo=LATER
            ) from error

    def _ask(self, url: str, headers: dict[str, str]) -> AbstractAsyncContextManager[httpx2.Response]:
        private = self.place.private
        sent = {**headers, **self._logins.header(url, private=private)}
        watch = {"trace": watch_address(url, self.place.id, private=private)}
        return self._client.stream("GET", url, headers=sent, extensions=watch)

    def _status(self, response: httpx2.Response | Answer, url: str) -> NotFoundError | UpstreamError:
        if response.status_code in {404, 410}:
            return NotFoundError(f"source {self.place.id!r} does not have this", where=_path(url), todo=GONE)
        if response.status_code in {401, 403}:
            return UpstreamError(
                f"source {self.place.id!r} answers {response.status_code}",
                where=_path(url),
                todo="see in docs/how-to/sources.md how the proxy is given a login",
            )
        return UpstreamError(f"source {self.place.id!r} answers {response.status_code}", where=_path(url), todo=LATER)

    def require(self, response: Answer, url: str, *statuses: int) -> Answer:
        """Return ``response`` if its status is one of ``statuses``; raise what it means otherwise."""
        if response.status_code in statuses:
            return response
        raise self._status(response, url)


def _path(url: str) -> str:
    return urlsplit(url).path
