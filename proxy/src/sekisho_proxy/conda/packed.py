"""zstd, msgpack and JSON from outside, with bounds: a few bytes may stand for gigabytes."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from sekisho.errors import CorruptError
from sekisho.zstd import ZstdDecompressor, ZstdError
from sekisho_proxy.upstream.advice import TAMPERED

_STEP = 1 << 20
Value = TypeVar("Value")


def unpack(data: bytes, *, limit: int, where: str) -> bytes:
    """Return what zstd frames hold; raise ``CorruptError`` for more than ``limit`` bytes, and for what is no zstd."""
    whole = bytearray()
    try:
        while data:
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


def read_msgpack(data: bytes, kind: type[Value], *, where: str) -> Value:
    """Read msgpack as ``kind``; raise ``CorruptError`` for anything else."""
    return _read(msgspec.msgpack.decode, data, kind, where)


def read_json(data: bytes | bytearray | msgspec.Raw, kind: type[Value], *, where: str) -> Value:
    """Read JSON as ``kind``; raise ``CorruptError`` for anything else."""
    return _read(msgspec.json.decode, data, kind, where)


def _read(decode: Callable[..., Any], data: bytes | bytearray | msgspec.Raw, kind: type[Value], where: str) -> Value:
    try:
        value: Value = decode(data, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise CorruptError(f"it cannot be read: {error}", where=where, todo=TAMPERED) from error
    return value
