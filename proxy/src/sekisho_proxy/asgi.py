"""The ASGI shell: a scope becomes a request, a reply becomes messages, an error becomes a problem."""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

from sekisho.errors import SekishoError, UpstreamError
from sekisho_proxy.exchange import Reply, Request, Slice, crash_reply, problem_reply
from sekisho_proxy.observe import Observer
from sekisho_proxy.path_token import without_token

Handler = Callable[[Request], Awaitable[Reply]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
_LOG = logging.getLogger("sekisho.proxy")
_CHUNK = 256 << 10
_LENGTHS = frozenset({b"content-length", b"transfer-encoding"})

_TEXT_AND_END = ((b"content-type", b"text/plain"), (b"connection", b"close"))
_TWO_LENGTHS = Reply(400, _TEXT_AND_END, b"a request with two lengths may be two requests (RFC 9112 section 6.1)\n")
_TWO_HOSTS = Reply(400, _TEXT_AND_END, b"a request has one host (RFC 9112 section 3.2)\n")


class App:
    """An ASGI application around one handler."""

    def __init__(self, handle: Handler, observer: Observer) -> None:
        self._handle = handle
        self._observer = observer

    async def __call__(self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        began = time.perf_counter()
        query = scope.get("query_string", b"").decode("latin-1")
        path, headers = without_token(scope["path"], dict(scope["headers"]))
        request = Request(scope["method"], path, headers, receive, query, scope.get("scheme", "http"))
        name = self._observer.name(request)
        try:
            reply = _ambiguous(request, scope["headers"]) or await self._handle(request)
        except SekishoError as error:
            reply = problem_reply(error)
        except Exception as error:  # noqa: BLE001 (the last line of defence: logged, answered without internals)
            reply = crash_reply(error)
        except asyncio.CancelledError:  # only the end of the service cancels
            reply = problem_reply(UpstreamError("the proxy is being stopped", todo="try again in a moment"))
        with suppress(asyncio.CancelledError):
            await _answer(request, reply, (b"x-request-id", name), send)
        self._observer.saw(request, reply, began)


def _ambiguous(request: Request, sent: Sequence[tuple[bytes, bytes]]) -> Reply | None:
    """Return the answer to a request that two readers could understand in two ways."""
    if request.headers.keys() >= _LENGTHS:
        return _TWO_LENGTHS
    if sum(name == b"host" for name, _ in sent) > 1:
        return _TWO_HOSTS
    return None


async def _answer(request: Request, reply: Reply, name: tuple[bytes, bytes], send: Send) -> None:
    body = reply.body
    if isinstance(body, bytes):
        await _start(reply, len(body), name, send)
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else body})
    elif isinstance(body, Slice):
        if request.method == "HEAD":
            await _start(reply, body.length, name, send)
            await send({"type": "http.response.body", "body": b""})
            return
        with body.path.open("rb") as file:
            await _start(reply, body.length, name, send)
            await _send_slice(file, body, send)
    else:
        await send({"type": "http.response.start", "status": reply.status, "headers": [*reply.headers, name]})
        if request.method != "HEAD":
            try:
                async for chunk in body:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            except SekishoError as error:
                _LOG.warning("%s was cut short: %s", request.path, error)
                return  # a response that does not come to its end is how the server is told to cut the connection
        await send({"type": "http.response.body", "body": b""})


async def _start(reply: Reply, length: int, name: tuple[bytes, bytes], send: Send) -> None:
    headers = [*reply.headers, name]
    if reply.status != 304:
        headers.append((b"content-length", b"%d" % length))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})


async def _send_slice(file: BinaryIO, part: Slice, send: Send) -> None:
    at, end, handle = part.start, part.start + part.length, file.fileno()
    while at < end:
        length = min(end - at, _CHUNK)
        chunk: bytes | memoryview | None = _read_cached(handle, length, at)
        if not chunk:
            chunk = await asyncio.to_thread(os.pread, handle, length, at)
        if not chunk:
            message = f"{part.path.name} is shorter than it was"
            raise OSError(message)
        at += len(chunk)
        await send({"type": "http.response.body", "body": chunk, "more_body": at < end})
    if not part.length:
        await send({"type": "http.response.body", "body": b""})


def _read_cached(handle: int, length: int, start: int) -> memoryview | None:
    """Return bytes that the system holds in memory, or ``None`` where a disk would be waited for."""
    buffer = bytearray(length)
    try:
        return memoryview(buffer)[: os.preadv(handle, [buffer], start, os.RWF_NOWAIT)]
    except OSError:  # BlockingIOError, or a file system that knows no such thing
        return None
