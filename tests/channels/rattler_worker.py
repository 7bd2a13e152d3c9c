"""The process behind ``Rattler``: reads a request per line, answers a line, and ends without an interpreter's end."""

import asyncio
import json
import os
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import rattler


def _gateway(asked):
    folder = Path(asked["folder_of_caches"])
    cache = asked.get("cache")
    kept = folder / cache if cache else Path(tempfile.mkdtemp(dir=folder))
    return rattler.Gateway(
        cache_dir=kept,
        default_config=rattler.SourceConfig(
            sharded_enabled=asked.get("sharded", True),
            zstd_enabled=asked.get("zstd", True),
            bz2_enabled=asked.get("bz2", True),
        ),
        client=rattler.Client.default_client(max_retries=0),
    )


def _virtual(asked):
    if asked.get("virtual") is None:
        return rattler.VirtualPackage.detect()
    return [
        rattler.GenericVirtualPackage(rattler.PackageName(name), rattler.Version(version), rattler.BuildString("0"))
        for name, version in asked["virtual"].items()
    ]


async def _records(asked):
    days = asked.get("exclude_newer")
    return await rattler.solve(
        asked["channels"],
        asked["specs"],
        gateway=_gateway(asked),
        platforms=[asked.get("platform", "linux-64"), "noarch"],
        virtual_packages=_virtual(asked),
        channel_relations=asked.get("relations"),
        exclude_newer=timedelta(days=days) if days is not None else None,
    )


def _row(record):
    return {
        "name": record.name.normalized,
        "version": str(record.version),
        "build": str(record.build),
        "filename": record.file_name,
        "url": record.url,
        "channel": str(record.channel),
        "sha256": record.sha256.hex() if record.sha256 else "",
    }


async def solve(asked):
    return sorted((_row(record) for record in await _records(asked)), key=lambda row: row["name"])


async def install(asked):
    records = await _records(asked)
    folder = Path(asked["folder_of_caches"])
    packages = asked.get("packages")
    await rattler.install(
        records,
        asked["prefix"],
        cache_dir=folder / packages if packages else Path(tempfile.mkdtemp(dir=folder)),
        show_progress=False,
        client=rattler.Client.default_client(max_retries=0),
    )
    return sorted((_row(record) for record in records), key=lambda row: row["name"])


async def names(asked):
    found = await _gateway(asked).names(asked["channels"], platforms=[asked.get("platform", "linux-64"), "noarch"])
    return sorted({name.normalized for name in found})


async def index(asked):
    await rattler.index.index_fs(asked["folder"])


VERBS = {"solve": solve, "install": install, "names": names, "index": index}


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = {"result": asyncio.run(VERBS[asked["verb"]](asked))}
        except Exception as error:  # noqa: BLE001
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
