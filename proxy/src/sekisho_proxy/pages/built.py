"""A page as bytes: each form and coding is built once, when first asked for, and then only sent.

A page that holds whole URLs comes out per origin, and origins are whatever clients say. So it is rendered once for all
of them, and each costs no more than putting its origin in and packing lightly.
"""

import asyncio
import gzip
import json
import secrets
from collections.abc import Callable
from hashlib import sha256
from html import escape
from typing import NamedTuple, Protocol

from sekisho.zstd import compress
from sekisho_proxy.exchange import Headers, Reply, Request
from sekisho_proxy.flights import Flights
from sekisho_proxy.negotiate import JSON, asked_type, coding, matches, page_type
from sekisho_proxy.refusal import Refusal

PLAIN_JSON = "application/json"
_MANY_ROWS = 100
"""Rows from which on a page is built in a thread: some 2 ms of work."""

_LARGE = 256 << 10
"""Bytes from which on the best zstd would take longer than a client waits: 20 ms instead of a second for 2 MB."""

_MOST_ORIGINS = 4
_GAP = f"origin-{secrets.token_hex(16)}"
"""Stands where an origin goes: nobody outside knows it, so nothing else on a page can be taken for it."""

_HTML_CHARSET = "; charset=utf-8"


class Renders(Protocol):
    """A page's value. ``rows`` is how much there is to render; ``names_origin`` whether it comes out per origin."""

    @property
    def rows(self) -> int:
        """Return about how many rows there are."""
        ...

    @property
    def names_origin(self) -> bool:
        """Tell whether the page holds whole URLs of ours."""
        ...

    def to_json(self, origin: str = "", /) -> bytes:
        """Render the JSON form."""
        ...

    def to_html(self, origin: str = "", /) -> bytes:
        """Render the HTML form."""
        ...


class _Form(NamedTuple):
    kind: str
    coding: str
    origin: str


class _Built(NamedTuple):
    etag: str
    whole: Reply
    unchanged: Reply


class BuiltPage:
    """The replies that one page gives.

    ``quick`` packs lightly what will hardly be asked for twice; ``refusal`` is what a page of tombstones refuses;
    ``only_json`` is a page of one form, which comes as ``application/json`` whatever the client accepts.
    """

    def __init__(
        self,
        value: Renders,
        *,
        quick: bool = False,
        headers: Headers = (),
        refusal: Refusal | None = None,
        only_json: bool = False,
    ) -> None:
        self.value = value
        self._quick = quick
        self._headers = headers
        self.refusal = refusal
        self._only_json = only_json
        self._vary = (b"vary", b"Accept-Encoding" if only_json else b"Accept, Accept-Encoding")
        self._built: dict[_Form, _Built] = {}
        self._parts: dict[bool, list[bytes]] = {}
        self._flights = Flights()

    async def answer(self, request: Request, origin: Callable[[Request], str] = lambda _: "") -> Reply:
        """Choose form and coding for a request: 200, 304 or 406. ``origin`` says by what address we were reached."""
        kind = PLAIN_JSON if self._only_json else asked_type(request.query) or page_type(request.header(b"accept"))
        packed = coding(request.header(b"accept-encoding"))
        if kind is None or packed is None:
            return self._not_acceptable()
        form = _Form(kind, packed, origin(request) if self.value.names_origin else "")
        built = self._built.get(form) or await self._prepare(form)
        return built.unchanged if matches(request.header(b"if-none-match"), built.etag) else built.whole

    async def _prepare(self, form: _Form) -> _Built:
        if self.value.rows < _MANY_ROWS:
            return self._keep(form, self._build(form))
        return await self._flights.once(form, lambda: self._build_aside(form))

    async def _build_aside(self, form: _Form) -> _Built:
        return self._keep(form, await asyncio.to_thread(self._build, form))

    def _keep(self, form: _Form, built: _Built) -> _Built:
        """Keep a form. Origins come from clients, so only the newest few stay."""
        origins = dict.fromkeys(kept.origin for kept in self._built)
        if form.origin not in origins and len(origins) >= _MOST_ORIGINS:
            oldest = next(iter(origins))
            self._built = {kept: reply for kept, reply in self._built.items() if kept.origin != oldest}
        self._built[form] = built
        return built

    def _build(self, form: _Form) -> _Built:
        is_json = form.kind in {JSON, PLAIN_JSON}
        body = _pack(self._rendered(form.origin, is_json=is_json), form.coding, quick=self._quick or bool(form.origin))
        etag = f'"{sha256(form.kind.encode() + body).hexdigest()[:40]}"'
        shared: Headers = (
            (b"etag", etag.encode()),
            self._vary,
            (b"cache-control", b"no-cache"),
            *self._headers,
        )
        content: Headers = ((b"content-type", (form.kind if is_json else form.kind + _HTML_CHARSET).encode()),)
        if form.coding:
            content = (*content, (b"content-encoding", form.coding.encode()))
        whole = Reply(200, (*shared, *content), body, self.refusal)
        return _Built(etag, whole, Reply(304, shared, refusal=self.refusal))

    def _rendered(self, origin: str, *, is_json: bool) -> bytes:
        render = self.value.to_json if is_json else self.value.to_html
        if not origin:
            return render("")
        parts = self._parts.get(is_json)
        if parts is None:
            parts = self._parts[is_json] = render(_GAP).split(_GAP.encode())
        return (json.dumps(origin)[1:-1] if is_json else escape(origin)).encode().join(parts)

    def _not_acceptable(self) -> Reply:
        forms = PLAIN_JSON if self._only_json else f"{JSON}, application/vnd.pypi.simple.v1+html or text/html"
        text = f"this page comes as {forms}; as it is, or packed by gzip or zstd\n"
        return Reply(406, ((b"content-type", b"text/plain"), self._vary), text.encode())


def _pack(body: bytes, how: str, *, quick: bool) -> bytes:
    """Pack a body; the same bytes come out each time."""
    if how == "gzip":
        return gzip.compress(body, 1 if quick else 9, mtime=0)
    if how == "zstd":
        return compress(body, 3 if quick else 9 if len(body) > _LARGE else 19)
    return body
