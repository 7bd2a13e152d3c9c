"""zstd, msgpack and JSON from outside, with bounds: a few bytes may stand for gigabytes."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from sekisho.errors import CorruptError
from sekisho.zstd import ZstdDecompressor, ZstdError
from sekisho_proxy.upstream.advice import TAMPERED

_STEP = 1 << 20
_MOST_FRAMES = 100
"""Frames of one file. Each may hold nothing, and costs a copy of all that follows it."""

Value = TypeVar("Value")


def unpack(data: bytes, *, limit: int, where: str) -> bytes:
    """Return what zstd frames hold; raise ``CorruptError`` for more than ``limit`` bytes, and for what is no zstd."""
    whole, frames = bytearray(), 0
    try:
        while data:
            frames += 1
            if frames > _MOST_FRAMES:
                raise CorruptError(f"it has more than {_MOST_FRAMES} frames", where=where, todo=TAMPERED)
            frame, piece = ZstdDecompressor(), b""
            while not frame.eof:
                piece, data = frame.decompress(data, max_length=_STEP), b""
                whole += piece
                if len(whole) > limit:
                    raise CorruptError(f"it unpacks to more than {limit} bytes", where=where, todo=TAMPERED)
                if not (piece or frame.eof):
                    raise CorruptError("it ends in the middle", where=where, todo=TAMPERED)
            data = frame.unused_data
    except ZstdError as error:
        raise CorruptError(f"it cannot be unpacked: {error}", where=where, todo=TAMPERED) from error
    return bytes(whole)


def read_msgpack(data: bytes | msgspec.Raw, kind: type[Value], *, where: str) -> Value:
    """Read msgpack as ``kind``; raise ``CorruptError`` for anything else."""
    return _read(msgspec.msgpack.decode, data, kind, where)


def read_map(data: bytes | msgspec.Raw, kind: type[Value], *, most: int, where: str) -> dict[str, Value]:
    """Read a map of msgpack, whose entries are counted before any is made: each takes fifty times its bytes."""
    if _entries(bytes(memoryview(data)[:5])) > most:
        raise CorruptError(f"it has more than {most} entries", where=where, todo=TAMPERED)
    return read_msgpack(data, dict[str, kind], where=where)  # type: ignore[valid-type]  # kind is a value here


def _entries(head: bytes) -> int:
    """Return how many entries a map says it has; 0 for what is no map, which its reader refuses."""
    if head[:1] == b"\xdf":
        return int.from_bytes(head[1:5])
    if head[:1] == b"\xde":
        return int.from_bytes(head[1:3])
    return 0


def read_json(data: bytes | bytearray | msgspec.Raw, kind: type[Value], *, where: str) -> Value:
    """Read JSON as ``kind``; raise ``CorruptError`` for anything else."""
    return _read(msgspec.json.decode, data, kind, where)


def _read(decode: Callable[..., Any], data: bytes | bytearray | msgspec.Raw, kind: type[Value], where: str) -> Value:
    try:
        value: Value = decode(data, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise CorruptError(f"it cannot be read: {error}", where=where, todo=TAMPERED) from error
    return value
