"""A page as bytes: each form and encoding is built once, when first asked for, and then only sent."""

import gzip
from hashlib import sha256
from typing import Protocol

from sekisho_proxy.exchange import Headers, Reply, Request
from sekisho_proxy.negotiate import JSON, matches, page_type, takes_gzip
from sekisho_proxy.refusal import Refusal

_NOT_ACCEPTABLE = Reply(
    406,
    ((b"content-type", b"text/plain"), (b"vary", b"Accept, Accept-Encoding")),
    b"this page comes as application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html or text/html\n",
)
_WORTH_PACKING = 600


class Renders(Protocol):
    """A page's value."""

    def to_json(self) -> bytes:
        """Render the JSON form."""
        ...

    def to_html(self) -> bytes:
        """Render the HTML form."""
        ...


class BuiltPage:
    """The replies that one page gives. ``level`` is gzip's; ``refusal`` is what a page of tombstones refuses."""

    def __init__(
        self, value: Renders, *, level: int = 6, headers: Headers = (), refusal: Refusal | None = None
    ) -> None:
        self._value = value
        self._level = level
        self._headers = headers
        self._refusal = refusal
        self._replies: dict[tuple[str, bool], tuple[str, Reply, Reply]] = {}

    def answer(self, request: Request) -> Reply:
        """Choose form and encoding for a request: 200, 304 or 406."""
        kind = page_type(request.header(b"accept"))
        if kind is None:
            return _NOT_ACCEPTABLE
        key = kind, takes_gzip(request.header(b"accept-encoding"))
        etag, whole, unchanged = self._replies.get(key) or self._build(*key)
        return unchanged if matches(request.header(b"if-none-match"), etag) else whole

    def _build(self, kind: str, packed: bool) -> tuple[str, Reply, Reply]:  # noqa: FBT001 (half of the key)
        is_json = kind == JSON
        body = self._value.to_json() if is_json else self._value.to_html()
        packed_now = packed and len(body) > _WORTH_PACKING
        if packed_now:
            body = gzip.compress(body, self._level, mtime=0)
        etag = f'"{sha256(kind.encode() + body).hexdigest()[:40]}"'
        shared: Headers = (
            (b"etag", etag.encode()),
            (b"vary", b"Accept, Accept-Encoding"),
            (b"cache-control", b"no-cache"),
            *self._headers,
        )
        content: Headers = ((b"content-type", kind.encode() if is_json else f"{kind}; charset=utf-8".encode()),)
        if packed_now:
            content = (*content, (b"content-encoding", b"gzip"))
        whole = Reply(200, (*shared, *content), body, self._refusal)
        self._replies[kind, packed] = etag, whole, Reply(304, shared, refusal=self._refusal)
        return self._replies[kind, packed]
