"""Sharded repodata of a channel (CEP 16): the index of names, and one shard for each name."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from sekisho.conda_name import is_name
from sekisho.errors import CorruptError
from sekisho_proxy.conda.packed import read_map, read_msgpack, unpack
from sekisho_proxy.conda.stated import MOST_NAMES, Refused, Stated
from sekisho_proxy.upstream.advice import TAMPERED

INDEX = "repodata_shards.msgpack.zst"
INDEX_LIMIT, SHARD_LIMIT = 16 << 20, 16 << 20
"""Bytes as they come; what is unpacked may be four times that."""

_TIMES = 4
_MOST_KEYS = 1000
_LARGEST_INFO = 1 << 16
_MOST_RECORDS = 100_000
_KEYS = frozenset({"info", "shards"})
_KNOWN = _KEYS | {"version"}
_SECTIONS = ("packages", "packages.conda")
_SHARD_KEYS = frozenset({*_SECTIONS, "removed"})


class ShardIndex(NamedTuple):
    """The sha256 of each name's shard; ``shards`` and ``packages`` are where it says that those are."""

    names: Mapping[str, bytes]
    refused: tuple[Refused, ...]
    shards: object
    packages: object


def read_index(data: bytes, *, url: str, subdir: str) -> ShardIndex:
    """Read the index of shards that came from ``url``; raise ``CorruptError`` for what is none."""
    top = read_map(unpack(data, limit=_TIMES * INDEX_LIMIT, where=url), msgspec.Raw, most=_MOST_KEYS, where=url)
    if not top.keys() >= _KEYS or len(top["info"]) > _LARGEST_INFO:
        raise CorruptError("it is no index of shards (CEP 16)", where=url, todo=TAMPERED)
    info = read_msgpack(top["info"], dict[str, Any], where=url)
    shards = read_map(top["shards"], bytes, most=MOST_NAMES, where=url)
    if info.get("subdir", subdir) != subdir:
        raise CorruptError(f"it is of subdir {str(info['subdir'])[:40]!r}, not {subdir}", where=url, todo=TAMPERED)
    refused = [Refused(key[:80], "Sekisho does not know this key") for key in sorted(top.keys() - _KNOWN)]
    names = {name: sha256 for name, sha256 in shards.items() if len(sha256) == hashlib.sha256().digest_size}
    refused += [Refused(name[:80], "its shard has no sha256") for name in shards.keys() - names.keys()]
    odd = [name for name in names if not is_name(name)]
    refused += [Refused(name[:80], "it is no name of a conda package") for name in odd]
    for name in odd:
        del names[name]
    refused += foreign(info)
    return ShardIndex(names, tuple(refused), info.get("shards_base_url"), info.get("base_url"))


def foreign(info: Mapping[str, Any]) -> Iterator[Refused]:
    """Yield what of an index' ``info`` would lead a client elsewhere; none of it is passed on."""
    for key in ("channel_relations", "signatures"):
        if value := info.get(key):
            yield Refused(f"info.{key}", f"{str(value)[:200]} is not passed on")


def read_shard(data: bytes, sha256: bytes, *, where: str) -> tuple[list[tuple[str, Stated]], list[Refused]]:
    """Return the records of a shard, which are read with hashes as text, and what of the shard is dropped.

    Raises ``CorruptError`` for bytes of another sha256, and for what is no shard.
    """
    if hashlib.sha256(data).digest() != sha256:
        raise CorruptError(
            f"the shard hashes to sha256:{hashlib.sha256(data).hexdigest()}, not to what the index says",
            where=where,
            todo=TAMPERED,
        )
    top = read_map(unpack(data, limit=_TIMES * SHARD_LIMIT, where=where), msgspec.Raw, most=_MOST_KEYS, where=where)
    refused = [Refused(key[:80], "Sekisho does not know this key") for key in sorted(top.keys() - _SHARD_KEYS)]
    records: list[tuple[str, Stated]] = []
    for section in _SECTIONS:
        if section in top:
            rows = read_map(top[section], msgspec.Raw, most=_MOST_RECORDS, where=where)
            records += [(filename, Stated(raw, _as_text)) for filename, raw in rows.items()]
    return records, refused


def _as_text(raw: msgspec.Raw) -> object:
    """Read a record, and write its hashes as JSON has them: in a shard they are bytes."""
    record: object = msgspec.msgpack.decode(raw)
    if isinstance(record, dict):
        for key in ("sha256", "md5"):
            if isinstance(value := record.get(key), bytes):
                record[key] = value.hex()
    return record
