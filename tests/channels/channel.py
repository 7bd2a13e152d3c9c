"""What a channel says of its packages, in each representation (CEP 12, 15, 16, 36, 38), as paths and bytes."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
from backports import zstd

from tests.channels.packages import Package

Records = dict[str, dict[str, Any]]


def zst(data: bytes) -> bytes:
    """Pack as ``repodata.json.zst`` and shards are."""
    return zstd.compress(data, 3)


@dataclass(frozen=True)
class Channel:
    """A channel's packages, and what it says beside them.

    ``records`` replace or add to what the packages' own records are, by path; ``None`` leaves a file out of the index.
    ``info`` and ``top`` are added to ``repodata.json``'s ``info`` and to its top level, ``shard_info`` to the shard index's.
    """

    packages: tuple[Package, ...] = ()
    subdirs: tuple[str, ...] = ("noarch", "linux-64")
    removed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    records: Mapping[str, dict[str, Any] | None] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)
    top: Mapping[str, Any] = field(default_factory=dict)
    shard_info: Mapping[str, Any] = field(default_factory=dict)
    shards: bool = True
    plain: bool = True
    """Whether the large files are there, too."""

    def index(self, subdir: str) -> tuple[Records, Records]:
        """Return the records of ``packages`` and of ``packages.conda``."""
        old: Records = {}
        new: Records = {}
        for package in self.packages:
            if package.subdir == subdir:
                (new if package.ending == ".conda" else old)[package.filename] = dict(package.record)
        for path, record in self.records.items():
            folder, _, filename = path.rpartition("/")
            if folder != subdir:
                continue
            rows = old if filename.endswith(".tar.bz2") else new
            if record is None:
                rows.pop(filename, None)
            else:
                rows[filename] = record
        return old, new

    def repodata(self, subdir: str) -> dict[str, Any]:
        old, new = self.index(subdir)
        return {
            "info": {"subdir": subdir, **self.info},
            "packages": old,
            "packages.conda": new,
            "removed": list(self.removed.get(subdir, ())),
            "repodata_version": 2 if "base_url" in self.info else 1,
            **self.top,
        }

    def run_exports(self, subdir: str) -> dict[str, Any]:
        rows: dict[str, Any] = {"info": {"subdir": subdir, "version": 1}, "packages": {}, "packages.conda": {}}
        for package in self.packages:
            if package.subdir == subdir:
                part = "packages.conda" if package.ending == ".conda" else "packages"
                rows[part][package.filename] = {"run_exports": package.run_exports or {}}
        return rows

    def channeldata(self) -> dict[str, Any]:
        rows = {
            package.name: {"version": package.version, "license": package.license, "subdirs": [package.subdir]}
            for package in self.packages
        }
        return {"channeldata_version": 1, "packages": rows, "subdirs": list(self.subdirs)}

    def shards_of(self, subdir: str) -> dict[str, bytes]:
        """Return the packed shard of each name: hashes as bytes, run_exports inside (CEP 16, 21)."""
        old, new = self.index(subdir)
        exports = {package.filename: package.run_exports for package in self.packages if package.run_exports}
        names: dict[str, dict[str, Any]] = {}
        for part, rows in (("packages", old), ("packages.conda", new)):
            for filename, record in rows.items():
                shard = names.setdefault(
                    str(record.get("name", filename)), {"packages": {}, "packages.conda": {}, "removed": []}
                )
                shard[part][filename] = _raw_hashes(record) | (
                    {"run_exports": exports[filename]} if filename in exports else {}
                )
        return {name: zst(msgspec.msgpack.encode(shard)) for name, shard in names.items()}

    def shard_index(self, subdir: str, shards: Mapping[str, bytes]) -> bytes:
        info = {"base_url": "./", "shards_base_url": "./", "subdir": subdir, **self.shard_info}
        rows = {name: hashlib.sha256(data).digest() for name, data in shards.items()}
        return zst(msgspec.msgpack.encode({"version": 1, "info": info, "shards": rows}))

    @cached_property
    def files(self) -> dict[str, bytes]:
        """Everything that the channel has, by its path below the channel."""
        files = {package.path: package.data for package in self.packages}
        files["channeldata.json"] = _json(self.channeldata())
        for subdir in self.subdirs:
            files |= {f"{subdir}/{name}": data for name, data in self._said_of(subdir)}
        return files

    def _said_of(self, subdir: str) -> Iterable[tuple[str, bytes]]:
        if self.plain:
            repodata = _json(self.repodata(subdir))
            yield "repodata.json", repodata
            yield "repodata.json.zst", zst(repodata)
            yield "current_repodata.json", repodata
        exports = _json(self.run_exports(subdir))
        yield "run_exports.json", exports
        yield "run_exports.json.zst", zst(exports)
        if self.shards:
            shards = self.shards_of(subdir)
            yield "repodata_shards.msgpack.zst", self.shard_index(subdir, shards)
            for data in shards.values():
                yield f"{hashlib.sha256(data).hexdigest()}.msgpack.zst", data


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _raw_hashes(record: Mapping[str, Any]) -> dict[str, Any]:
    shown = dict(record)
    for key in ("sha256", "md5"):
        if isinstance(shown.get(key), str):
            shown[key] = bytes.fromhex(shown[key])
    return shown
