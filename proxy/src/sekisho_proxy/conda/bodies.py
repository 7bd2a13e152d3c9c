"""The bytes of a channel's representations: each is written once, when first asked for, and then only sent.

A large one is not held in memory as it is: it consists of the bytes of pieces, which are there anyway.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from hashlib import sha256
from typing import NamedTuple

from sekisho.zstd import ZstdCompressor
from sekisho_proxy.exchange import Headers, Reply, Request
from sekisho_proxy.flights import Flights
from sekisho_proxy.negotiate import coding, matches

KEEP: Headers = ((b"cache-control", b"private, max-age=31536000, immutable"),)
"""For what is named by its own hash."""

ASK_AGAIN: Headers = ((b"cache-control", b"no-cache"),)
JSON: Headers = ((b"content-type", b"application/json"),)
ZSTD: Headers = ((b"content-type", b"application/zstd"),)
_MUCH = 2000
"""Rows from which on a body is made in a thread: some 2 ms of work."""


_LARGE = 1 << 20
"""Bytes from which on a body is sent in pieces of a fourth of that."""


class _Coded(NamedTuple):
    etag: str
    size: int
    chunks: tuple[bytes, ...]

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes in pieces that are worth being sent."""
        some, size = list[bytes](), 0
        for chunk in self.chunks:
            some.append(chunk)
            size += len(chunk)
            if size >= _LARGE // 4:
                yield b"".join(some)
                some, size = [], 0
        yield b"".join(some)

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield the same as they are sent."""
        for piece in self.pieces():
            yield piece


def _coded(how: str, chunks: Iterable[bytes]) -> _Coded:
    kept, digest, size = tuple(chunks), sha256(how.encode()), 0
    for chunk in kept:
        digest.update(chunk)
        size += len(chunk)
    return _Coded(f'"{digest.hexdigest()[:40]}"', size, kept if size >= _LARGE else (b"".join(kept),))


class Body:
    """What ``make`` writes, as it is and packed. ``rows`` is how much there is to write."""

    def __init__(self, make: Callable[[], Iterable[bytes]], rows: int) -> None:
        self._make = make
        self._rows = rows
        self._coded: dict[str, _Coded] = {}
        self._flights = Flights()

    @property
    def is_made(self) -> bool:
        """Tell whether somebody asked for it."""
        return bool(self._coded)

    def make(self) -> None:
        """Write it before somebody asks."""
        self._build("")

    async def coded(self, how: str) -> _Coded:
        """Return the bytes in a content coding; ``""`` is as they are."""
        found = self._coded.get(how)
        if found is not None:
            return found
        if self._rows < _MUCH:
            return self._build(how)
        return await self._flights.once(how, lambda: self._build_aside(how))

    async def _build_aside(self, how: str) -> _Coded:
        if how:  # what is packed is written once, for all codings
            await self.coded("")
        return await asyncio.to_thread(self._build, how)

    def _build(self, how: str) -> _Coded:
        if "" not in self._coded:
            self._coded[""] = _coded("", self._make())
        if how and how not in self._coded:
            self._coded[how] = _coded(how, [b"".join(_packed(how, self._coded[""]))])
        return self._coded[how]


def _packed(how: str, whole: _Coded) -> Iterator[bytes]:
    """Pack a body step by step."""
    if how == "gzip":
        gzip = zlib.compressobj(1, wbits=31)
        yield from map(gzip.compress, whole.pieces())
        yield gzip.flush()
    else:
        zstd = ZstdCompressor(3 if whole.size < _LARGE else 1)
        zstd.set_pledged_input_size(whole.size)
        yield from map(zstd.compress, whole.pieces())
        yield zstd.flush(ZstdCompressor.FLUSH_FRAME)


async def negotiated(request: Request, body: Body) -> Reply:
    """Answer with JSON in the coding that the client likes best: 200, 304 or 406."""
    vary: Headers = ((b"vary", b"Accept-Encoding"),)
    how = coding(request.header(b"accept-encoding"))
    if how is None:
        text = b"this comes as it is, or packed by gzip or zstd\n"
        return Reply(406, ((b"content-type", b"text/plain"), *vary), text)
    packed: Headers = ((b"content-encoding", how.encode()),) if how else ()
    return whole(request, await body.coded(how), (*JSON, *ASK_AGAIN, *vary, *packed))


async def as_zstd(request: Request, body: Body) -> Reply:
    """Answer with the packed file as a file: there is nothing to negotiate."""
    return whole(request, await body.coded("zstd"), (*ZSTD, *ASK_AGAIN))


async def as_it_is(request: Request, body: Body) -> Reply:
    """Answer with what is packed already."""
    return whole(request, await body.coded(""), (*ZSTD, *ASK_AGAIN))


def whole(request: Request, coded: _Coded, headers: Headers) -> Reply:
    """Answer with the bytes, or with 304 to whoever has them."""
    headers = (*headers, (b"etag", coded.etag.encode()))
    if matches(request.header(b"if-none-match"), coded.etag):
        kept = tuple(pair for pair in headers if pair[0] not in {b"content-type", b"content-encoding"})
        return Reply(304, kept)
    if len(coded.chunks) == 1:
        return Reply(200, headers, coded.chunks[0])
    return Reply(200, (*headers, (b"content-length", b"%d" % coded.size)), coded.stream())


def shard_reply(request: Request, digest: bytes, data: bytes) -> Reply:
    """Answer with a shard, whose name is its hash."""
    return whole(request, _Coded(f'"{digest.hex()}"', len(data), (data,)), (*ZSTD, *KEEP))
