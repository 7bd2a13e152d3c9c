"""What the candidate mount gives of a channel: an index of names that are not denied, and a shard for each.

The names of shards in it are keys and no hashes of bytes: a shard is made when it is asked for, and nobody could hash
thirty thousand of them before. A key changes with whatever would change its shard.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from sekisho.model import Artifact
from sekisho.policy import Policy
from sekisho.policy.rules import Denied
from sekisho_proxy.conda.value import Listed, Row
from sekisho_proxy.zstd import compress

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
                    named.setdefault(name, []).append(f"{rule.id} {rule.when} {[text for text, _ in entries]}")
        self._named = {name: repr(sorted(texts)).encode() for name, texts in named.items()}

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


class Index:
    """The index of one subdir, for one state of its channel and of the policy."""

    def __init__(self, subdir: str, digests: Mapping[str, bytes], denials: Denials, salt: bytes) -> None:
        denied = denials.whole()
        keys = {
            name: hashlib.sha256(salt + digest + denials.mark(name)).digest()[:_KEY].ljust(_FULL, b"\0")
            for name, digest in digests.items()
            if name not in denied
        }
        self.names = {key.hex(): name for name, key in keys.items()}
        info = {"base_url": "", "shards_base_url": "./", "subdir": subdir}
        self.data = compress(msgspec.msgpack.encode({"info": info, "shards": keys}), 1)


def shard(listed: Listed, denials: Denials, now: datetime) -> bytes:
    """Return the shard of a name (CEP 16): what is not denied, each with when it was first seen (CEP 47)."""
    sections: dict[str, dict[str, Any]] = {"packages": {}, "packages.conda": {}}
    for row, _ in denials.left(listed, now):
        record = {**row.record, "indexed_timestamp": row.seen * 1000}
        for key in ("sha256", "md5"):
            if key in record:
                record[key] = bytes.fromhex(record[key])
        sections["packages.conda" if row.filename.endswith(".conda") else "packages"][row.filename] = record
    return compress(msgspec.msgpack.encode({**sections, "removed": []}), 3)
