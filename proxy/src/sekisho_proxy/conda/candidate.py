"""What the candidate mount gives of a channel: an index of names that are not denied, and a shard for each.

The names of shards in it are keys and no hashes of bytes: a shard is made when it is asked for, and nobody could hash
thirty thousand of them before. A key changes with whatever would change its shard.
"""

import hashlib
from collections.abc import Iterable, Mapping, Set
from datetime import datetime
from typing import Any

import msgspec

from sekisho.model import Artifact, sha256_hex
from sekisho.policy import Policy
from sekisho.policy.rules import Denied
from sekisho.zstd import compress
from sekisho_proxy.conda.value import Listed, Row
from sekisho_proxy.exchange import Headers, Reply, Request
from sekisho_proxy.negotiate import matches

_KEY = 12
"""Bytes of a key that say something: two of thirty thousand names never share one, and the rest packs to nothing."""

_FULL = 32


class Denials:
    """What a policy denies outright of channels, by name."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        named: dict[str, list[str]] = {}
        for rule in policy.rules:
            if isinstance(rule, Denied) and rule.kind == "conda":
                for name, entries in rule.entries.items():
                    named.setdefault(name, []).append(f"{rule.id} {rule.when} {[entry.text for entry in entries]}")
        self._named = {name: repr(sorted(texts)).encode() for name, texts in named.items()}

    @property
    def names(self) -> Set[str]:
        """Return the names that a rule names."""
        return self._named.keys()

    def mark(self, name: str) -> bytes:
        """Return what changes when other files of a name are denied, and nothing for a name that no rule names."""
        return self._named.get(name, b"")

    def whole(self) -> frozenset[str]:
        """Return the names of which everything is denied."""
        return frozenset(name for name in self._named if self.policy.denial("conda", name))

    def left(self, listed: Listed, now: datetime) -> Iterable[tuple[Row, Artifact | None]]:
        """Yield the rows that no rule denies; with its artifact where it had to be made."""
        for row in listed.rows:
            if listed.name not in self._named:
                yield row, None
            elif self.policy.hard_denial(artifact := listed.artifact(row), now) is None:
                yield row, artifact


def key_of(salt: bytes, *marks: bytes) -> bytes:
    """Return the key of a shard that is made from what ``marks`` stand for."""
    return hashlib.sha256(salt + b"\0".join(marks)).digest()[:_KEY].ljust(_FULL, b"\0")


def packed_index(subdir: str, keys: Mapping[str, bytes]) -> bytes:
    """Return ``repodata_shards.msgpack.zst`` (CEP 16); shards are where it is."""
    info = {"base_url": "./", "shards_base_url": "./", "subdir": subdir}
    return compress(msgspec.msgpack.encode({"version": 1, "info": info, "shards": keys}), -1)


def reply_with(request: Request, data: bytes, headers: Headers, etag: str = "") -> Reply:
    """Answer with bytes, or with 304 to whoever has them."""
    etag = etag or f'"{sha256_hex(data)}"'
    headers = (*headers, (b"etag", etag.encode()))
    return Reply(304, headers) if matches(request.header(b"if-none-match"), etag) else Reply(200, headers, data)


class Keys:
    """The keys of all names of one state of a channel, as far as no rule names them."""

    def __init__(self, digests: Mapping[str, bytes], salt: bytes) -> None:
        self.digests = digests
        self.salt = salt
        self.by_name = {name: key_of(salt, digest, b"") for name, digest in digests.items()}
        self.names = {key.hex(): name for name, key in self.by_name.items()}


class Index:
    """The index of one subdir, under one policy. It costs what the policy names, and packing."""

    def __init__(self, subdir: str, keys: Keys, denials: Denials) -> None:
        self.keys = keys
        self._by_name = dict(keys.by_name)
        self._others: dict[str, str] = {}
        whole = denials.whole()
        for name in denials.names & keys.digests.keys():
            if name in whole:
                del self._by_name[name]
            else:
                key = self._by_name[name] = key_of(keys.salt, keys.digests[name], denials.mark(name))
                self._others[key.hex()] = name
        self.data = packed_index(subdir, self._by_name)
        self.etag = f'"{sha256_hex(self.data)}"'

    def name_of(self, key: str) -> str | None:
        """Return the name whose shard has a key here."""
        name = self._others.get(key) or self.keys.names.get(key)
        found = self._by_name.get(name) if name else None
        return name if found and found.hex() == key else None


_Sections = dict[str, dict[str, dict[str, Any]]]


def _sections(listed: Iterable[Listed], denials: Denials, now: datetime) -> _Sections:
    """Return the records of what is not denied, each with when it was first seen (CEP 47)."""
    found: _Sections = {"packages": {}, "packages.conda": {}}
    for one in listed:
        for row, _ in denials.left(one, now):
            section = "packages.conda" if row.filename.endswith(".conda") else "packages"
            found[section][row.filename] = {**row.record, "indexed_timestamp": row.seen * 1000}
    return found


def shard(listed: Listed, denials: Denials, now: datetime) -> bytes:
    """Return the shard of a name (CEP 16); hashes in it are bytes."""
    sections = _sections([listed], denials, now)
    for records in sections.values():
        for record in records.values():
            for key in ("sha256", "md5"):
                if key in record:
                    record[key] = bytes.fromhex(record[key])
    return compress(msgspec.msgpack.encode({**sections, "removed": []}), 3)


def repodata(subdir: str, listed: Iterable[Listed], denials: Denials, now: datetime) -> bytes:
    """Return ``repodata.json`` (CEP 36) of some names."""
    whole = {"info": {"subdir": subdir}, **_sections(listed, denials, now), "removed": [], "repodata_version": 1}
    return msgspec.json.encode(whole)
