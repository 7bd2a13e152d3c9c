"""What handlers take and give: a request, a reply, and how an error becomes one (RFC 9457)."""

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from sekisho.errors import BadInputError, SekishoError
from sekisho_proxy.refusal import Refusal

_LOG = logging.getLogger("sekisho.proxy")

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``path`` is percent-decoded, ``query`` is not; header names are lower-case."""

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    receive: Callable[[], Awaitable[Any]]
    query: str = ""
    scheme: str = "http"

    def header(self, name: bytes) -> str:
        """Return a header's text, or nothing."""
        return self.headers.get(name, b"").decode("latin-1")

    async def body(self, *, limit: int) -> bytes:
        """Read the body; raise ``BadInputError`` beyond ``limit`` bytes or when the client leaves."""
        return b"".join([piece async for piece in self.pieces(limit=limit)])

    async def pieces(self, *, limit: int) -> AsyncIterator[bytes]:
        """Yield the body as it comes; raise what ``body`` raises."""
        read = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise BadInputError("the client left before its body was complete")
            piece = message.get("body", b"")
            read += len(piece)
            if read > limit:
                raise BadInputError(f"the body is longer than {limit} bytes", todo="send fewer artifacts at once")
            yield piece
            if not message.get("more_body"):
                return


@dataclass(frozen=True, slots=True)
class Slice:
    """``length`` bytes of a file from ``start``."""

    path: Path
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. A stream states its length itself, if known.

    ``refusal`` is what a page of tombstones refuses, or what mode ``enforce`` would have refused.
    """

    status: int
    headers: Headers
    body: bytes | Slice | AsyncIterator[bytes] = b""
    refusal: Refusal | None = None


def json_reply(value: object, *, status: int = 200, kind: bytes = b"application/json", headers: Headers = ()) -> Reply:
    """Answer with JSON that no cache keeps."""
    return Reply(
        status,
        ((b"content-type", kind), (b"cache-control", b"no-store"), *headers),
        json.dumps(value, ensure_ascii=False).encode(),
    )


def problem_reply(error: SekishoError) -> Reply:
    """Answer with what went wrong, where, and what to do now; conda shows ``message`` in place of words of its own."""
    headers: Headers = ((b"www-authenticate", b'Basic realm="sekisho"'),) if error.http_status == 401 else ()
    detail = "; ".join(part for part in (error.where, error.todo) if part)  # uv prints the title and then the detail
    told = {"status": error.http_status, "detail": detail, "message": f"{error.what}\n{detail}".strip()}
    value = {"type": "about:blank", **error.diagnostics(), **told}
    return json_reply(value, status=error.http_status, kind=b"application/problem+json", headers=headers)


def crash_reply(error: Exception) -> Reply:
    """Answer for a fault of our own: the log has it all, the client nothing of it."""
    _LOG.error("a request failed unexpectedly", exc_info=error)
    value = {
        "type": "about:blank",
        "code": "error",
        "title": HTTPStatus.INTERNAL_SERVER_ERROR.phrase,
        "where": "",
        "todo": "look at the proxy's log",
        "status": 500,
    }
    return json_reply(value, status=500, kind=b"application/problem+json")


def not_allowed(allow: bytes) -> Reply:
    """Answer 405 with the methods that would be."""
    return Reply(405, ((b"allow", allow), (b"content-type", b"text/plain")), b"method not allowed\n")
