"""Every way in which a source fails or lies, by name. ``random`` chooses the places, so that a soak tries many."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable
from functools import lru_cache
from random import Random

from tests.integration.faults.source import Fault, Honest, Wire

_ZEROS = 200 << 20
"""Bytes that a bomb unpacks to; packed it is some 200 KB."""

PRIVATE = "http://169.254.169.254/latest/meta-data/"


def _says(make: Callable[[Honest], bytes]) -> Fault:
    async def fault(honest: Honest, wire: Wire) -> None:
        await wire.send(make(honest))

    return fault


def _flip(place: Callable[[int], int]) -> Fault:
    def make(honest: Honest) -> bytes:
        at, body = place(len(honest.body)), bytearray(honest.body)
        body[at] ^= 1
        return honest.head() + bytes(body)

    return _says(make)


def _cut(place: Callable[[int], int]) -> Fault:
    return _says(lambda honest: honest.head() + honest.body[: place(len(honest.body))])


def _redirect(place: Callable[[Honest], str]) -> Fault:
    return _says(lambda honest: honest.other(302, location=place(honest)).whole())


def _chunked(honest: Honest, *parts: bytes) -> bytes:
    return honest.head(length=None, more=(("transfer-encoding", "chunked"),)) + b"".join(parts)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _endless(honest: Honest, wire: Wire) -> None:
    await wire.send(honest.head(length=None) + honest.body)
    for _ in range(4000):
        await wire.send(b"x" * 65536)


async def _endless_chunks(honest: Honest, wire: Wire) -> None:
    await wire.send(_chunked(honest, _chunk(honest.body)))
    for _ in range(4000):
        await wire.send(_chunk(b"x" * 65536))


async def _drip(honest: Honest, wire: Wire) -> None:
    await wire.send(honest.head())
    for at in range(80):
        await wire.send(honest.body[at : at + 1])
        await asyncio.sleep(0.1)


async def _stall(honest: Honest, wire: Wire) -> None:
    await wire.send(honest.head() + honest.body[: len(honest.body) // 2])
    await asyncio.sleep(60)


async def _silent(honest: Honest, wire: Wire) -> None:
    await asyncio.sleep(60)


async def _reset(honest: Honest, wire: Wire) -> None:
    await wire.send(honest.head() + honest.body[: len(honest.body) // 2])
    await asyncio.sleep(0.05)
    wire.reset()


async def _reset_at_once(honest: Honest, wire: Wire) -> None:
    wire.reset()


async def _continue_for_ever(honest: Honest, wire: Wire) -> None:
    for _ in range(140):
        await wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await asyncio.sleep(0.05)


def _status(number: int) -> Fault:
    return _says(lambda honest: honest.other(number).whole())


@lru_cache
def _bomb(kind: str) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, (zlib.MAX_WBITS | 16) if kind == "gzip" else zlib.MAX_WBITS)
    block = b"\0" * (1 << 20)
    return b"".join(packer.compress(block) for _ in range(_ZEROS >> 20)) + packer.flush()


def bodies(random: Random, elsewhere: str) -> dict[str, Fault]:
    """Return what can happen to any answer; ``elsewhere`` is a host that is not the source's."""
    bombs = {kind: _bomb(kind) for kind in ("gzip", "deflate")}  # now: packing them takes a while
    return {
        "flip first": _flip(lambda _: 0),
        "flip middle": _flip(lambda size: size // 2),
        "flip last": _flip(lambda size: size - 1),
        "flip somewhere": _flip(random.randrange),
        "cut at once": _cut(lambda _: 0),
        "cut after one": _cut(lambda _: 1),
        "cut somewhere": _cut(random.randrange),
        "cut before the last": _cut(lambda size: size - 1),
        "one byte more": _says(lambda honest: honest.having(honest.body + b"!").whole()),
        "more than stated": _says(lambda honest: honest.head() + honest.body + b"!" * 1000),
        "one byte less": _says(lambda honest: honest.having(honest.body[:-1]).whole()),
        "empty": _says(lambda honest: honest.having(b"").whole()),
        "another body": _says(lambda honest: honest.having(bytes(random.randbytes(len(honest.body)))).whole()),
        "length too small": _says(lambda honest: honest.head(length=len(honest.body) - 10) + honest.body),
        "length too large": _says(lambda honest: honest.head(length=len(honest.body) + 10) + honest.body),
        "length negative": _says(lambda honest: honest.head(length=-5) + honest.body),
        "length no number": _says(lambda honest: honest.head(length="many") + honest.body),
        "two lengths": _says(lambda honest: honest.head(more=(("content-length", "7"),)) + honest.body),
        "no length, cut": _says(lambda honest: honest.head(length=None) + honest.body[:-1]),
        "chunks without an end": _says(lambda honest: _chunked(honest, _chunk(honest.body))),
        "chunks of no size": _says(lambda honest: _chunked(honest, b"zz\r\n", honest.body)),
        "chunks, one byte less": _says(lambda honest: _chunked(honest, _chunk(honest.body[:-1]), b"0\r\n\r\n")),
        "endless": _endless,
        "endless chunks": _endless_chunks,
        "drip": _drip,
        "stall": _stall,
        "silent": _silent,
        "reset": _reset,
        "reset at once": _reset_at_once,
        "continue for ever": _continue_for_ever,
        "closed": _says(lambda _: b""),
        "500": _status(500),
        "503": _status(503),
        "404": _status(404),
        "401": _status(401),
        "429": _status(429),
        "204": _says(lambda _: b"HTTP/1.1 204 No Content\r\n\r\n"),
        "206 unasked": _says(
            lambda honest: b"HTTP/1.1 206 Partial\r\ncontent-range: bytes 0-%d/%d\r\ncontent-length: %d\r\n\r\n"
            % (len(honest.body) - 1, len(honest.body) * 2, len(honest.body)) + honest.body
        ),
        "304 unasked": _says(lambda _: b'HTTP/1.1 304 Not Modified\r\netag: "x"\r\n\r\n'),
        "redirect to a private address": _redirect(lambda _: PRIVATE),
        "redirect elsewhere": _redirect(lambda honest: elsewhere + honest.path),
        "redirect without a scheme": _redirect(lambda honest: elsewhere.removeprefix("http:") + honest.path),
        "redirect to a file": _redirect(lambda _: "file:///etc/passwd"),
        "redirect with a login": _redirect(lambda honest: f"http://a:b@{elsewhere.removeprefix('http://')}{honest.path}"),
        "redirect in a circle": _redirect(lambda honest: honest.path),
        "redirect to nonsense": _redirect(lambda _: "http://[::1/"),
        "packed though identity was asked": _says(
            lambda honest: honest.having(gzip.compress(honest.body), ("content-encoding", "gzip")).whole()
        ),
        "gzip bomb": _says(lambda honest: honest.having(bombs["gzip"], ("content-encoding", "gzip")).whole()),
        "deflate bomb": _says(lambda honest: honest.having(bombs["deflate"], ("content-encoding", "deflate")).whole()),
        "bomb in a bomb": _says(
            lambda honest: honest.having(gzip.compress(bombs["gzip"]), ("content-encoding", "gzip, gzip")).whole()
        ),
        "no gzip at all": _says(lambda honest: honest.having(honest.body, ("content-encoding", "gzip")).whole()),
        "another protocol": _says(lambda _: b"SSH-2.0-OpenSSH_9.2\r\n"),
        "no head": _says(lambda honest: honest.body),
        "status of no sense": _says(lambda honest: b"HTTP/1.1 abc OK\r\n\r\n" + honest.body),
        "head without end": _says(lambda _: b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 40_000),
        "nul in the head": _says(lambda honest: b"HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n" + honest.body),
    }  # fmt: skip


def pages(elsewhere: str) -> dict[str, Fault]:
    """Return what can be wrong with a page that arrives in good order."""

    def page(change: Callable[[dict], object]) -> Fault:
        def make(honest: Honest) -> bytes:
            value = json.loads(honest.body)
            return honest.having(json.dumps(change(value) or value).encode()).whole()

        return _says(make)

    def each(**more: object) -> Fault:
        return page(lambda value: [row.update(more) for row in value["files"]] and None)

    return {
        "a list": page(lambda value: [value]),
        "no files": page(lambda value: {"meta": value["meta"], "name": value["name"]}),
        "files that are none": page(lambda value: value | {"files": [7]}),
        "another version": page(lambda value: value | {"meta": {"api-version": "2.0"}}),
        "no hashes": each(hashes={}),
        "hashes that are none": each(hashes={"sha256": "x" * 64}),
        "another hash": each(hashes={"sha256": "0" * 64}),
        "another host": page(lambda value: [row.update(url=elsewhere + row["url"]) for row in value["files"]] and None),
        "a private host": page(lambda value: [row.update(url=PRIVATE + row["filename"]) for row in value["files"]] and None),
        "a size of no sense": each(size="large"),
        "nested without end": _says(lambda honest: honest.having(b"[" * 500_000).whole()),
        "JSON as HTML": _says(lambda honest: honest.whole().replace(b"application/vnd.pypi.simple.v1+json", b"text/html")),
        "no text": _says(lambda honest: honest.having(b"\xff\xfe\x00" * 100).whole()),
        "a hundred thousand others": page(
            lambda value: value | {"files": [row | {"filename": f"x{n}"} for n in range(100_000) for row in value["files"]]}
        ),
    }  # fmt: skip
