"""One measurement in a process of its own: what it takes is then of nothing else.

python -m bench.conda.once WHAT OPTIONS     OPTIONS are JSON; prints figures as JSON. MiB are of this process at its
                                            peak (``peak``) and of its largest child (``child``).
Each measurement loads only what it needs: what others load would count as its memory.
"""

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from bench.processes import status_of

Figures = dict[str, float]


def importing(url: str, folder: str, kind: str, later: float) -> Figures:
    """Read what a channel lists in one subdir, as the proxy does."""
    from bench.conda.site import SOURCE, SUBDIR  # noqa: PLC0415
    from sekisho.allowlist import Allowlist  # noqa: PLC0415
    from sekisho.policy import compile_snapshot, parse_policy  # noqa: PLC0415
    from sekisho.sources import Source  # noqa: PLC0415
    from sekisho_proxy.conda.channels import Channels  # noqa: PLC0415
    from sekisho_proxy.disk_cache import DiskCache  # noqa: PLC0415
    from sekisho_proxy.upstream.fetcher import make_client  # noqa: PLC0415
    from sekisho_proxy.upstream.sources import Upstreams  # noqa: PLC0415

    source = Source(id=SOURCE, kind="conda", url=f"{url}/{kind}")
    now = datetime.now(UTC)
    policy = compile_snapshot(
        Allowlist(),
        parse_policy("version: 1\nrules:\n  - {id: no-evil, check: denied, projects: [evil]}\n"),
        (source,),
        revision="0" * 40,
        sequence=1,
        now=now,
    )

    async def read() -> Figures:
        async with make_client(60) as client:
            upstreams = Upstreams(client, DiskCache(Path(folder) / "pages"), timeout=60)
            channels = Channels(upstreams, Path(folder), lambda: time.time() + later)
            began = time.perf_counter()
            names = await channels.names(policy, SOURCE, SUBDIR)
            seconds = time.perf_counter() - began
            if names.stale:
                raise SystemExit(names.stale)
            await channels.close()
            return {"seconds": seconds, "names": len(names.digests)}

    return asyncio.run(read())


def filtering(file: str, names: int) -> Figures:
    """Do with ``json`` what a filter of the whole file does: read it, keep some names, write it."""
    began = time.perf_counter()
    with Path(file).open("rb") as opened:
        whole = json.load(opened)
    keep = set(list({name.rsplit("-", 2)[0] for name in whole["packages"]})[:names])
    for section in ("packages", "packages.conda"):
        whole[section] = {name: row for name, row in whole[section].items() if name.rsplit("-", 2)[0] in keep}
    Path(f"{file}.kept").write_text(json.dumps(whole))
    return {"seconds": time.perf_counter() - began}


def sparse(file: str, names: int) -> Figures:
    """Open the whole file as py-rattler does, and read the records of some names."""
    import rattler  # noqa: PLC0415

    began = time.perf_counter()
    data = rattler.SparseRepoData(rattler.Channel("main"), "linux-64", file)
    some = data.package_names()[:names]
    read = sum(len(data.load_records(rattler.PackageName(name))) for name in some)
    return {"seconds": time.perf_counter() - began, "records": read}


def solving(channel: str, specs: list[str], cache: str, token: str) -> Figures:
    """Solve with py-rattler, from the first request on."""
    import rattler  # noqa: PLC0415

    if token:
        host = channel.split("/")[2].rpartition(":")[0]
        logins = {host: {"BasicHTTP": {"username": "__token__", "password": token}}}
        Path(cache).mkdir(parents=True, exist_ok=True)
        (Path(cache) / "logins.json").write_text(json.dumps(logins))
        os.environ["RATTLER_AUTH_FILE"] = str(Path(cache) / "logins.json")

    async def solve() -> Figures:
        began = time.perf_counter()
        gateway = rattler.Gateway(
            cache_dir=Path(cache) / "gateway", client=rattler.Client.default_client(max_retries=0)
        )
        virtual = [
            rattler.GenericVirtualPackage(
                rattler.PackageName("__glibc"), rattler.Version("2.36"), rattler.BuildString("0")
            )
        ]
        found = await rattler.solve(
            [channel], specs, gateway=gateway, platforms=["linux-64", "noarch"], virtual_packages=virtual
        )
        return {"seconds": time.perf_counter() - began, "packages": len(found)}

    return asyncio.run(solve())


def laying(folder: str, out: int) -> dict[str, Any]:
    """Assemble the image of a conda closure, with nothing kept."""
    from sekisho.lock import Lock  # noqa: PLC0415
    from sekisho.model import ImageDefinition  # noqa: PLC0415
    from sekisho_builder.assemble import assemble  # noqa: PLC0415
    from sekisho_builder.oci.layout import Layout  # noqa: PLC0415

    here = Path(folder)
    definition = ImageDefinition.parse_json((here / "definition.json").read_bytes(), where="definition.json")
    lock = Lock.parse_json((here / "lock.json").read_bytes(), where="lock.json")
    began = time.perf_counter()
    made = assemble(
        definition,
        lock,
        Layout(here / "base"),
        lambda artifact: here / "packages" / artifact.sha256,
        cache=here / f"cache-{out}",
        out=here / f"out-{out}",
    )
    seconds = time.perf_counter() - began
    packed = sum(artifact.size for artifact in lock.artifacts)
    return {"seconds": seconds, "manifest": made.manifest, "size": made.size, "packed": packed}


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    "lay": laying,
    "import": importing,
    "json": filtering,
    "sparse": sparse,
    "solve": solving,
}


def main() -> None:
    """Take one measurement, and end without an interpreter's end: py-rattler may crash in it."""
    options: dict[str, Any] = msgspec.json.decode(sys.argv[2])
    found = JOBS[sys.argv[1]](**options)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    found["processor"] = sum(one.ru_utime + one.ru_stime for one in used)
    found["peak"] = status_of(os.getpid()).peak  # what getrusage tells of oneself was inherited from the parent
    found["child"] = used[1].ru_maxrss / 1024
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
