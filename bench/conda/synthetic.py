"""A channel at the scale of conda-forge, made here: as many records and names, as large, and fanning out as wide.

Its names are numbers but for a few that a data scientist would ask for. The first ``_CORE`` names need each other, so
that ``everything`` needs 678 names, as one package of conda-forge does; they have most builds. All others need some of
them. Every release of a name fits every one of another, so that solvers find an answer. The bytes are always the same.
"""

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from sekisho.zstd import compress

_CORE = 677
_NAMES, _RECORDS = 32_000, 678_000
TOP = "everything"
"""Needs all of the core, by way of each other: 678 names with itself."""

ASKED = ("pandas", "scikit-learn", "matplotlib", "jupyterlab")
"""What a data scientist asks for: some 150 names together."""


class Change(NamedTuple):
    """Builds that were added since: ``records`` more, each of another name."""

    records: int = 0


class Builds(NamedTuple):
    """The records of one name as JSON, by section, and as a shard."""

    name: str
    old: list[tuple[str, bytes]]
    new: list[tuple[str, bytes]]

    @property
    def sections(self) -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]]:
        """Return the records of ``packages`` and of ``packages.conda``."""
        return self.old, self.new

    def shard(self) -> bytes:
        """Return the packed shard (CEP 16)."""
        sections = {"packages": self.old, "packages.conda": self.new}
        value = {key: {name: _binary(msgspec.json.decode(row)) for name, row in rows} for key, rows in sections.items()}
        return compress(msgspec.msgpack.encode({**value, "removed": []}), 3)


def _binary(record: dict[str, object]) -> dict[str, object]:
    return record | {key: bytes.fromhex(str(record[key])) for key in ("sha256", "md5")}


def names_of(scale: float = 1.0) -> list[str]:
    """Return all names: the core first, in the order in which they may need each other."""
    core = [f"lib{number:03}" for number in range(_CORE)]
    for place, name in zip((120, 140, 150, 160), ASKED, strict=True):
        core[place] = name
    others = [f"pkg-{number:05}" for number in range(max(0, int(_NAMES * scale) - _CORE - 1))]
    return [*core, TOP, *others]


def needs_of(scale: float = 1.0) -> dict[str, list[str]]:
    """Return what each name needs: of the core only names before it, of the others some of the core."""
    chance = random.Random(7)  # noqa: S311 (the same every time)
    names = names_of(scale)
    needs: dict[str, list[str]] = {}
    for place, name in enumerate(names):
        if place < _CORE:
            near = names[max(0, place - 40) : place]
            needs[name] = sorted(set(chance.sample(near, min(len(near), chance.randint(1, 4))) + names[:place][-1:]))
        elif name == TOP:
            needs[name] = names[_CORE - 12 : _CORE]
        else:
            needs[name] = sorted({names[int(_CORE * chance.random() ** 3)] for _ in range(chance.randint(2, 8))})
    return needs


def builds(scale: float = 1.0, change: Change = Change()) -> Iterator[Builds]:  # noqa: B008 (frozen)
    """Yield every name of the channel, sorted, with its records."""
    needs = needs_of(scale)
    many, core = int(_RECORDS * scale), set(list(needs)[: _CORE + 1])
    few = max(1, (many - len(core) * 120) // max(1, len(needs) - len(core)))
    spread = max(1, len(needs) // change.records) if change.records else 0
    left = change.records
    for place, name in enumerate(sorted(needs)):
        chance = random.Random(name)  # noqa: S311 (the same every time)
        count = max(1, int((120 if name in core else few) * (0.5 + chance.random())))
        more = min(left, 2) if spread and place % spread == 0 else 0
        left -= more
        yield _builds(name, needs[name], count, more, chance)


def _builds(name: str, needs: list[str], count: int, more: int, chance: random.Random) -> Builds:
    old: list[tuple[str, bytes]] = []
    new: list[tuple[str, bytes]] = []
    for number in range(count + more):
        version = f"1.{number // 4}.0"
        build = f"py3{9 + number % 4}h{chance.getrandbits(28):07x}_{number % 4}"
        ending = ".tar.bz2" if number < count // 3 else ".conda"
        stem = f"{name}-{version}-{build}"
        sha256 = hashlib.sha256(stem.encode()).hexdigest()
        depends = ",".join(f'"{other} >=1.0.0,<2.0a0"' for other in needs)
        row = (
            f'{{"arch":"x86_64","build":"{build}","build_number":{number % 4},"depends":["__glibc >=2.17,<3.0.a0"'
            f'{"," if depends else ""}{depends}],"license":"BSD-3-Clause","license_family":"BSD","md5":"{sha256[:32]}",'
            f'"name":"{name}","platform":"linux","sha256":"{sha256}","size":{chance.randrange(10_000, 40_000_000)},'
            f'"subdir":"linux-64","timestamp":{1_500_000_000_000 + number * 3_600_000_000},"version":"{version}"}}'
        )
        (old if ending == ".tar.bz2" else new).append((stem + ending, row.encode()))
    return Builds(name, old, new)


def write_repodata(folder: Path, all_builds: list[Builds]) -> int:
    """Write ``repodata.json`` and ``.json.zst`` of a subdir; return how many records they have."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with (folder / "repodata.json").open("wb") as file:
        file.write(b'{"info":{"subdir":"linux-64"},"packages":{')
        for section, head in enumerate((b"", b'},"packages.conda":{')):
            file.write(head)
            first = True
            for one in all_builds:
                for name, row in one.sections[section]:
                    file.write((b"" if first else b",") + b'"%s":%s' % (name.encode(), row))
                    first = False
                    count += 1
        file.write(b'},"removed":[],"repodata_version":1}')
    (folder / "repodata.json.zst").write_bytes(compress((folder / "repodata.json").read_bytes(), 3))
    return count


def write_shards(folder: Path, all_builds: list[Builds]) -> None:
    """Write the index of shards, and each shard."""
    folder.mkdir(parents=True, exist_ok=True)
    index = {}
    for one in all_builds:
        data = one.shard()
        digest = hashlib.sha256(data)
        index[one.name] = digest.digest()
        (folder / f"{digest.hexdigest()}.msgpack.zst").write_bytes(data)
    info = {"base_url": "", "shards_base_url": "./", "subdir": "linux-64"}
    packed = compress(msgspec.msgpack.encode({"version": 1, "info": info, "shards": index}), 3)
    (folder / "repodata_shards.msgpack.zst").write_bytes(packed)
