"""Fill a proxy's cache from a lock, as a client of its door: no secret is needed, and nothing is decided here.

A range of a file that is not here yet is answered once the whole file is here and verified, so asking for its first
byte is enough.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote, urljoin

import httpx2

from sekisho.errors import BadInputError, CorruptError, RefusedError, SekishoError, UpstreamError, from_diagnostics
from sekisho.lock import HashPin
from sekisho.logs import printable
from sekisho.model import Record
from sekisho.settings import Settings
from sekisho.tls import verify_for
from sekisho_proxy.negotiate import JSON

_TIMEOUT = httpx2.Timeout(30.0, read=3600.0)
"""Seconds; a large file takes the proxy a while to fetch before it answers."""


class Problem(Record):
    """A pin that could not be brought here."""

    pin: str
    code: str
    title: str
    where: str = ""
    todo: str = ""


class Prefetched(Record):
    """What is here now: ``files`` of ``bytes`` in all, of which ``here`` were here before."""

    files: int
    bytes: int
    here: int
    problems: tuple[Problem, ...] = ()

    def told(self) -> str:
        """Return it in lines for a person."""
        lines = [
            printable(f"{row.pin}: {row.title}" + (f"; {row.todo}" if row.todo else "")) for row in self.problems
        ]  # fmt: skip
        missing = f", {len(self.problems)} pins missing" if self.problems else ""
        return "\n".join([*lines, f"{self.files} files, {self.bytes} bytes, {self.here} already here{missing}"])


class _Door:
    """One workspace's door, from outside."""

    def __init__(self, client: httpx2.AsyncClient, proxy: str, workspace: str) -> None:
        self._client = client
        self._proxy = proxy
        self._door = f"{proxy}/w/{quote(workspace, safe='')}"

    async def bring(self, pin: HashPin) -> list[tuple[int, bool]]:
        """Have the files of a pin fetched; return (size, was here before) of each, or raise why there are none."""
        page = f"{self._door}/pypi/simple/{pin.project}/"
        answer = await self._ask(page, {"accept": JSON})
        rows = answer.json().get("files", []) if answer.is_success else []
        offered = [row for row in rows if not urljoin(page, row["url"]).startswith(f"{self._door}/denied/")]
        wanted = [row for row in offered if row["hashes"].get("sha256") in pin.hashes]
        if not answer.is_success or not wanted:
            raise await self._why(pin, answer, offered)
        return [await self._file(urljoin(page, row["url"]), row) for row in wanted]

    async def _file(self, url: str, row: dict[str, Any]) -> tuple[int, bool]:
        if not url.startswith(f"{self._door}/"):
            raise CorruptError(f"the page of {row['filename']} leads elsewhere", where=url)
        answer = await self._ask(url, {"range": "bytes=0-0", "accept-encoding": "identity"})
        if answer.status_code not in {200, 206, 416}:
            raise _problem(answer)
        if answer.headers.get("etag") != f'"{row["hashes"]["sha256"]}"':
            raise CorruptError(f"the proxy answers with another file than {row['filename']}", where=url)
        size = answer.headers.get("content-range", "").rpartition("/")[2] or answer.headers.get("content-length", "0")
        return int(size), "; hit" in answer.headers.get("cache-status", "")

    async def _why(self, pin: HashPin, answer: httpx2.Response, offered: list[dict[str, Any]]) -> SekishoError:
        """Return the refusal that the gate gives for a pin."""
        if not answer.is_success:
            return _problem(answer)
        refusal = _problem(await self._ask(f"{self._door}/denied/{pin.project}/{quote(pin.release)}", {}))
        others = sorted({row["filename"] for row in offered})
        if isinstance(refusal, RefusedError) and others:
            refusal.todo += f"; the door offers {', '.join(others[:3])}"
        return refusal

    async def _ask(self, url: str, headers: dict[str, str]) -> httpx2.Response:
        try:
            return await self._client.get(url, headers=headers)
        except (httpx2.TransportError, httpx2.StreamError) as error:
            raise UpstreamError(
                f"the proxy does not answer: {error or type(error).__name__}",
                where=self._proxy,
                todo="start it with `sekisho up`, or set SEKISHO_PROXY_URL",
            ) from error


def _problem(answer: httpx2.Response) -> SekishoError:
    try:
        value = answer.json()
    except ValueError:
        value = None
    if isinstance(value, dict) and "code" in value:
        return from_diagnostics({key: str(text) for key, text in value.items()})
    return UpstreamError(f"the proxy answers {answer.status_code}", where=answer.request.url.path)


async def prefetch_lock(settings: Settings, pins: Sequence[HashPin], jobs: int, step: Callable[[], None]) -> Prefetched:
    """Bring every pin, ``jobs`` at a time, calling ``step`` after each; a pin that fails stops no other."""
    proxy = settings.proxy
    verify = verify_for(proxy, settings.trusted_ca)
    slots = asyncio.Semaphore(jobs)
    problems: dict[str, Problem] = {}

    async def one(door: _Door, pin: HashPin) -> list[tuple[int, bool]]:
        async with slots:
            try:
                return await door.bring(pin)
            except SekishoError as error:
                problems[str(pin)] = Problem.model_validate({"pin": str(pin), **error.diagnostics()})
                return []
            finally:
                step()

    try:
        client = httpx2.AsyncClient(timeout=_TIMEOUT, headers={"user-agent": "sekisho"}, verify=verify)
        async with client:
            door = _Door(client, proxy, settings.workspace)
            found = [row for rows in await asyncio.gather(*(one(door, pin) for pin in pins)) for row in rows]
    except httpx2.InvalidURL as error:
        raise BadInputError(f"{proxy!r} is not an address: {error}", where="SEKISHO_PROXY_URL") from error
    return Prefetched(
        files=len(found),
        bytes=sum(size for size, _ in found),
        here=sum(here for _, here in found),
        problems=tuple(problems[str(pin)] for pin in pins if str(pin) in problems),
    )
