"""How much anybody may send, decided before a byte of it is read."""

import asyncio
import re
from collections.abc import Callable

from fastapi import Request
from fastapi.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sekisho.errors import SekishoError, TooLargeError, UnauthenticatedError
from sekisho.tokens import Role, Tokens
from sekisho_portal.access import identify

_SMALL = 64_000
"""Bytes of a form, a decision, and everything that is not known."""

_REQUEST = 2_000_000
_REPORT = 64_000_000
_PATIENCE = 60.0
"""Seconds in which a body has to arrive."""

_FEED = 512_000_000
"""Bytes of a file of advisories; OSV's for PyPI has 40 million."""

_REPORTS = re.compile(r"/api/requests/[^/]+/(report|foresee)")
_FEEDS = re.compile(r"/api/advisories/[^/]+")


class Limits:
    """Reads a body whole, up to what its route and its sender may have, and only then hands it on."""

    def __init__(self, app: ASGIApp, tokens: Tokens, answer: Callable[[Request, SekishoError], Response]) -> None:
        self._app = app
        self._tokens = tokens
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413 to a body that is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            body = await self._read(request, receive)
        except SekishoError as error:
            response = await asyncio.to_thread(self._answer, request, error)
            response.headers["Connection"] = "close"  # what is still coming is not read
            await response(scope, receive, send)
            return
        if body is None:
            return
        left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return left.pop() if left else await receive()

        await self._app(scope, replay, send)

    async def _limit(self, request: Request) -> int:
        path = request.url.path
        if request.method != "POST":
            return _SMALL
        if path in {"/api/requests", "/api/locks"}:
            return _REQUEST
        if _FEEDS.fullmatch(path):
            return _FEED if await self._is(request, "admin") else _SMALL
        larger = _REQUEST if path == "/api/demand" else _REPORT if _REPORTS.fullmatch(path) else _SMALL
        return larger if larger == _SMALL or await self._is(request, "service") else _SMALL

    async def _is(self, request: Request, role: Role) -> bool:
        try:
            return (await asyncio.to_thread(identify, request, self._tokens)).has(role)
        except UnauthenticatedError:
            return False

    async def _read(self, request: Request, receive: Receive) -> bytes | None:
        """Return the body, or nothing if the sender is gone; raise ``TooLargeError``."""
        limit = await self._limit(request)
        stated = request.headers.get("content-length", "0")
        if not stated.isdecimal() or int(stated[:20]) > limit:
            raise _too_large(limit)
        parts: list[bytes] = []
        size, more = 0, True
        try:
            async with asyncio.timeout(_PATIENCE):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    more = message.get("more_body", False)
                    if size > limit:
                        raise _too_large(limit)
        except TimeoutError as error:
            raise TooLargeError("the body did not arrive in time", todo="send it again") from error
        return b"".join(parts)


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"this takes at most {limit} bytes", todo="send less")
