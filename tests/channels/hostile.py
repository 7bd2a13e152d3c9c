"""Channels that try to lead a client past whoever filters them: each is a channel with one good package and a trick."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from tests.channels.channel import Channel, zst
from tests.channels.packages import make_package

GOOD = make_package("good", files={"share/good.txt": b"what was approved"})
EVIL = make_package("evil", "6.6", files={"share/evil.txt": b"what nobody approved"})
BETTER = make_package("good", "9.9", files={"share/good.txt": b"what somebody else offers"})
FOREIGN = Channel((EVIL, BETTER))
"""The channel ``evil`` at the other host, and beside the hostile ones: nothing of it may ever reach a client."""

FALSE_SHARD = Channel((BETTER, GOOD)).shards_of("noarch")["good"]
TRUE_SHARD = f"noarch/{hashlib.sha256(Channel((GOOD,)).shards_of('noarch')['good']).hexdigest()}.msgpack.zst"
"""Where an honest channel has the shard of its package."""

AT_FOREIGN = {f"/evil/{TRUE_SHARD}": FALSE_SHARD}
"""What the other host has in its place."""

SHA256S = frozenset({EVIL.sha256, BETTER.sha256})
PATH = GOOD.path


@dataclass(frozen=True)
class Attack:
    """A hostile channel: what it says, what it sends at some paths below it in place of that, and how else it fails."""

    channel: Channel
    lies: Mapping[str, bytes] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)


def _says(**more: Any) -> Attack:
    return Attack(Channel((GOOD,), **more))


def _records(**changes: Any) -> Attack:
    return _says(records={PATH: {**GOOD.record, **changes}})


def _more(path: str, record: dict[str, Any]) -> Attack:
    return _says(records={path: record})


def _twice() -> Attack:
    """Return one file name in both sections, with other bytes each."""
    both = {"info": {"subdir": "noarch"}, "packages": {GOOD.filename: {**BETTER.record, "version": "1.0"}}}
    shown = json.dumps({**both, "packages.conda": {GOOD.filename: GOOD.record}, "removed": [], "repodata_version": 1})
    honest = Channel((GOOD,))
    shard = zst(msgspec.msgpack.encode({"packages": both["packages"], "packages.conda": {GOOD.filename: GOOD.record}}))
    index = honest.shard_index("noarch", {"good": shard})
    return Attack(
        honest,
        lies={
            "noarch/repodata.json": shown.encode(),
            "noarch/repodata.json.zst": zst(shown.encode()),
            "noarch/repodata_shards.msgpack.zst": index,
            f"noarch/{hashlib.sha256(shard).hexdigest()}.msgpack.zst": shard,
        },
    )


def attacks(elsewhere: str) -> dict[str, Attack]:
    """Return every attack by name; ``elsewhere`` is another host, which logs who comes."""
    evil = f"{elsewhere}/evil/noarch"
    v3 = {"v3": {"conda": {BETTER.filename: {**BETTER.record, "url": f"{evil}/{BETTER.filename}"}}}}
    wheel = {
        "v3": {"whl": {"good-9.9-py3-none-any.whl": {**BETTER.record, "url": f"{evil}/good-9.9-py3-none-any.whl"}}}
    }
    honest = Channel((GOOD,))
    return {
        "base-url-absolute": _says(info={"base_url": f"{evil}/"}, shard_info={"base_url": f"{evil}/"}),
        "base-url-beside": _says(
            info={"base_url": "../../evil/noarch/"}, shard_info={"base_url": "../../evil/noarch/"}
        ),
        "shards-base-url": _says(shard_info={"shards_base_url": f"{evil}/"}),
        "shards-base-url-beside": _says(shard_info={"shards_base_url": "../../evil/noarch/"}),
        "url-of-a-record": _records(url=f"{evil}/{BETTER.filename}"),
        "url-with-a-place-for-a-token": _records(url=f"{elsewhere}/t/<TOKEN>/evil/noarch/{BETTER.filename}"),
        "v3-conda": _says(top=v3),
        "v3-wheel": _says(top=wheel),
        "relations-base": _says(info={"channel_relations": {"base": "../evil"}}),
        "relations-overrides": _says(info={"channel_relations": {"overrides": "../evil"}}),
        "lying-shard": Attack(honest, lies={TRUE_SHARD: FALSE_SHARD}),
        "unknown-keys": _says(top={"packages.whl": {BETTER.filename: BETTER.record}, "mirrors": [evil]}),
        "signatures": _says(top={"signatures": {GOOD.filename: {"key": {"signature": "00", "url": evil}}}}),
        "name-of-another": _more(f"noarch/{GOOD.filename}", {**GOOD.record, "name": "evil"}),
        "file-of-another": _more(f"noarch/{EVIL.filename}", {**EVIL.record, "name": "good", "version": "9.9"}),
        "twice": _twice(),
        "removed": replace(_says(), channel=Channel((GOOD,), removed={"noarch": (GOOD.filename,)})),
        "traversal": _more("noarch/..%2f..%2fevil%2fnoarch%2fgood-9.9-0.conda", BETTER.record),
        "traversal-plain": Attack(honest, lies=_in_index("../../evil/noarch/good-9.9-0.conda", BETTER.record)),
        "subdir-of-another": _records(subdir="../evil/noarch"),
        "no-sha256": _more(f"noarch/{BETTER.filename}", {k: v for k, v in BETTER.record.items() if k != "sha256"}),
        "channel-in-depends": _records(depends=[f"{elsewhere}/evil::evil"]),
        "bytes-of-another": Attack(honest, lies={PATH: EVIL.data}),
        "bytes-redirected": Attack(honest, faults={PATH: "redirect"}),
        "index-redirected": Attack(honest, faults={"noarch/repodata": "redirect"}),
    }


def _in_index(filename: str, record: dict[str, Any]) -> dict[str, bytes]:
    """Return an index in every form that has a file of a name that leads away."""
    said = Channel((GOOD,)).repodata("noarch")
    said["packages.conda"][filename] = record
    body = json.dumps(said).encode()
    return {
        "noarch/repodata.json": body,
        "noarch/repodata.json.zst": zst(body),
        "noarch/repodata_shards.msgpack.zst": b"",
    }
