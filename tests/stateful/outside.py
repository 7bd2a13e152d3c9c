"""Everything that the proxy can reach, as one transport: it records each host, and does what a hostile source would."""

import asyncio
import hashlib
import json
import re
from contextlib import suppress

import httpx2

from tests.stateful.model import FILES, INDEX, MIRROR
from tests.stateful.pool import INSIDE, OUTSIDE, POOL, other_bytes

PORTAL = "portal.test"
FOREIGN = "foreign.test"
PRIVATE = "169.254.169.254"
JSON = "application/vnd.pypi.simple.v1+json"
FAULTS = (
    "down", "500", "404", "slow", "cut", "wrong", "endless", "foreign", "private", "own", "circle", "garbage", "attack",
)  # fmt: skip
"""``own`` redirects to another host of the source, ``attack`` lists every file at a foreign host."""

_PAGES_ONLY = {"garbage", "attack"}
HARMLESS_TO_FILES = {"", *_PAGES_ONLY}


class _Body(httpx2.AsyncByteStream):
    def __init__(self, *parts, error=None):
        self._parts = parts
        self._error = error

    async def __aiter__(self):
        for part in self._parts:
            yield part
        if self._error:
            raise self._error


def _answer(status, body=b"", headers=None, *, error=None, length=None):
    headers = {"content-length": str(len(body) if length is None else length)} | (headers or {})
    half = len(body) // 2
    return httpx2.Response(status, headers=headers, stream=_Body(body[:half], body[half:], error=error))


class Outside(httpx2.AsyncBaseTransport):
    """Two sources and a portal. ``owned`` says which hosts a source owns now, ``asked`` who may be asked for a path."""

    def __init__(self, owned, asked) -> None:
        self._owned = owned
        self._asked = asked
        self.portal = Portal()
        self.faults = {OUTSIDE: "", INSIDE: ""}
        self.faulty_since_start: set[str] = set()
        self.changed: set[str] = set()
        self.strays: list[str] = []
        self.hold: asyncio.Event | None = None
        self.waiting = 0

    async def handle_async_request(self, request):
        host, path = request.url.netloc.decode(), request.url.raw_path.decode()
        if host == PORTAL:
            return await self.portal.answer(request)
        sources = self._asked(path)
        if not any(host in self._owned(source) for source in sources):
            self.strays.append(
                f"{request.method} {request.url} was asked, which is up to {sorted(sources) or 'nobody'}"
            )
        source = next((name for name in (OUTSIDE, INSIDE) if host in self._owned(name)), OUTSIDE)
        if self.hold and "/simple/" not in path:
            self.waiting += 1
            await self.hold.wait()
        return self._spoil(request, source, path, *self._plain(request, host, path))

    def _plain(self, request, host, path):
        if match := re.fullmatch(r"/simple/([a-z0-9-]+)/", path):
            return self._page(request, next(name for name, index in INDEX.items() if index == host), match[1])
        for item in POOL.values():
            if path == f"/{item.path}" and host in _hosts_with_files(item.source):
                return self._file(request, item)
            if path == f"/{item.path}.metadata" and item.metadata and host in _hosts_with_files(item.source):
                return 200, item.metadata, {}
            if path == f"/{item.provenance_path}" and item.attested and host == INDEX[item.source]:
                return 200, item.provenance, {"content-type": "application/vnd.pypi.integrity.v1+json"}
        return 404, b"no", {}

    def _page(self, request, source, project):
        base = f"http://{FILES}/" if source == OUTSIDE else "/"
        if self.faults[source] == "attack":
            base = f"http://{FOREIGN}/"
        rows = [_row(item, base) for item in POOL.values() if (item.source, item.project) == (source, project)]
        if not rows:
            return 404, b"no", {}
        page = {"meta": {"api-version": "1.1"}, "name": project, "files": rows}
        body = b"{" if self.faults[source] == "garbage" else json.dumps(page).encode()
        etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
        if request.headers.get("if-none-match") == etag:
            return 304, b"", {"etag": etag}
        return 200, body, {"content-type": JSON, "etag": etag}

    def _file(self, request, item):
        data = other_bytes(item) if item.key in self.changed else item.data
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
        if not match or not item.ranges:
            return 200, data, {}
        first, last = match.groups()
        start = int(first) if first else max(0, len(data) - int(last))
        end = min(int(last), len(data) - 1) if first and last else len(data) - 1
        return 206, data[start : end + 1], {"content-range": f"bytes {start}-{end}/{len(data)}"}

    def _spoil(self, request, source, path, status, body, headers):
        fault = self.faults[source]
        errors = {
            "down": httpx2.ConnectError("All connection attempts failed"),
            "slow": httpx2.ReadTimeout("", request=request),
        }
        if fault in errors:
            raise errors[fault]
        if fault in {"500", "404"}:
            return _answer(int(fault), b"no")
        if fault == "cut":
            error = httpx2.RemoteProtocolError("peer closed connection", request=request)
            return _answer(status, body[: len(body) // 2], headers, error=error, length=len(body))
        if fault == "wrong":
            return _answer(status, b"?" + body[1:], headers)
        if fault == "endless" and "/simple/" not in path:
            return httpx2.Response(status, headers=headers, stream=_Body(body, *[b"x" * 65536] * 40))
        return _redirect(fault, request.url.netloc.decode(), path) or _answer(status, body, headers)


def _redirect(fault, host, path):
    places = {"foreign": FOREIGN, "private": PRIVATE, "circle": host}
    if fault == "own" and host == FILES:
        places["own"] = MIRROR
    return _answer(302, headers={"location": f"http://{places[fault]}{path}"}) if fault in places else None


def _hosts_with_files(source):
    return {FILES, MIRROR} if source == OUTSIDE else {INDEX[INSIDE]}


def _row(item, base):
    row = {"filename": item.filename, "url": f"{base}{item.path}", "hashes": {"sha256": item.sha256}}
    row["upload-time"] = "2026-01-01T00:00:00Z"
    return row | ({"size": item.size} if item.size else {}) | (
        {"core-metadata": {"sha256": item.stated}} if item.stated else {}
    )  # fmt: skip


class Portal:
    """Hands out the newest sealed snapshot by long poll, or whatever an attacker puts in its place."""

    def __init__(self) -> None:
        self.sealed = b""
        self.sequence = 0
        self.away = False
        self.polls = 0
        self._handed = 0
        self.after = 0
        self._moved = asyncio.Event()

    def offer(self, sealed: bytes, sequence: int) -> None:
        self.sealed, self.sequence, self._handed = sealed, sequence, 0
        self.wake()

    def wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    async def answer(self, request):
        if request.url.path != "/api/policy/snapshot":
            return _answer(200, b"{}")
        self.polls += 1
        if self.away:
            raise httpx2.ConnectError("All connection attempts failed", request=request)
        after = self.after = int(request.url.params["after"])
        if self.sequence <= after:
            with suppress(TimeoutError):
                async with asyncio.timeout(25):
                    await self._moved.wait()
            if self.away:
                raise httpx2.ReadError("the connection was reset", request=request)
        if self.sequence <= after:
            return _answer(204)
        self._handed += 1
        assert self._handed < 1000, "the proxy asks without a pause for what it was given"  # or no time would ever pass
        return _answer(200, self.sealed)
