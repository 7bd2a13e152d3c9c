"""A policy that approves of the channel, a proxy that serves by it, and how fast a change of it shows everywhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import NamedTuple

import httpx2
import msgspec

from bench.conda.site import SOURCE, SUBDIR, Site
from bench.conda.synthetic import TOP, builds, needs_of
from bench.place import BIN, MeasureError, bare_environment, free_port
from bench.policy import Portal, write_trust
from bench.processes import Server
from bench.rows import Row
from sekisho import service_token
from sekisho.allowlist import SignedApproval
from sekisho.model.conda import conda_artifact
from sekisho.sources import Source
from sekisho.zstd import ZstdDecompressor

RULES = "version: 1\nask: {ask}\nrules:\n  - {{id: no-evil, check: denied, kind: conda, projects: [evil%s]}}\n"
_EACH = 8
"""Files that are approved of each name: the newest."""

_CHANGES = 50
_SLOWEST = 30.0
WHOLE = ("repodata.json", "repodata.json.zst", "current_repodata.json", "current_repodata.json.zst")
OTHERS = ("run_exports.json", "run_exports.json.zst", "../channeldata.json")
INDEX = "repodata_shards.msgpack.zst"


class Served(NamedTuple):
    """The proxy on ``port``, its portal, and one approval for each of the names that ``everything`` needs."""

    portal: Portal
    approvals: dict[str, SignedApproval]
    server: Server
    port: int
    token: str
    source: str = SOURCE

    def client(self) -> httpx2.Client:
        """Return a client of the proxy."""
        return httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=60)


@contextmanager
def open_served(site: Site, many: int = 0) -> Iterator[Served]:
    """Approve of the newest files of 678 names, or of ``many``, and serve them, until the context is left."""
    site.say(f"approving of the files of {many or 678} names")
    source = Source(id=SOURCE, kind="conda", url=f"{site.url}/sharded")
    portal = Portal("", source=source, rules=RULES % "")
    try:
        approvals = _approvals(portal, site.scale, many)
        portal.publish(approvals.values())
        folder, port = site.place.work / f"sekisho-{many}", free_port()
        write_trust(portal, folder / "data")
        environment = bare_environment(
            folder, SEKISHO_DATA=str(folder / "data"), SEKISHO_PROXY_PORT=str(port), SEKISHO_PORTAL_URL=portal.url
        )
        server = site.servers.start(folder.name, [str(BIN / "sekisho"), "proxy", "serve"], environment, folder)
        server.wait_for(f"http://127.0.0.1:{port}/w/everyone/conda/{SOURCE}/{SUBDIR}/{INDEX}")
        yield Served(portal, approvals, server, port, service_token.read_or_create(folder / "data" / "service.token"))
    finally:
        portal.stop()


def _approvals(portal: Portal, scale: float, many: int) -> dict[str, SignedApproval]:
    needs = needs_of(scale)
    wanted, todo = {TOP, *list(needs)[:many]}, [TOP]
    while todo:
        new = set(needs[todo.pop()]) - wanted
        wanted |= new
        todo += new
    found = {}
    for one in builds(scale):
        if one.name in wanted:
            rows = [(name, msgspec.json.decode(row)) for name, row in (one.new or one.old)[-_EACH:]]
            files = [conda_artifact(SOURCE, name, record, subdir=SUBDIR) for name, record in rows]
            found[one.name] = portal.approve(files, "everyone")
    return found


def measure_changes(site: Site, served: Served) -> list[Row]:
    """Take a name out of the policy or put it back, and ask until every representation says so."""
    everywhere, index = [], []
    names = sorted(served.approvals)
    with served.client() as client:
        seen = Seen(client, f"/w/everyone/conda/{SOURCE}/{SUBDIR}")
        list(seen.everywhere(names[0]))  # each is written once before it changes
        used = served.server.cpu()
        for number in range(site.rounds(_CHANGES)):
            site.say(f"policy change {number + 1}")
            name = names[(number // 2 * 37) % len(names)]
            left = {key: row for key, row in served.approvals.items() if key != name or number % 2}
            ready = served.portal.seal(left.values())
            began = time.perf_counter()
            served.portal.hand_out(ready)
            wait(client, ready.sequence)
            asked = time.perf_counter()
            there = name in seen.index()
            index.append(time.perf_counter() - asked)
            if any(found is not there for found in seen.everywhere(name)) or there is not bool(number % 2):
                raise MeasureError(f"{name} is in one representation and not in another")
            everywhere.append(time.perf_counter() - began)
    each = (served.server.cpu() - used) / len(everywhere)
    files = sum(len(signed.approval.artifacts) for signed in served.approvals.values())
    note = f"{len(names)} names, {files:,} approved files, over HTTP; slowest of {len(everywhere)}"
    note += f"; processor {each:.3f} s each"
    return [
        Row("policy change to every representation", max(everywhere), "s", 0.5, "lower", note=note),
        Row("the same, median", median(everywhere), "s", None, "lower"),
        Row("shard index alone, policy in force", median(index) * 1000, "ms", 5, "lower"),
        Row("the proxy's memory at its peak", served.server.memory().peak, "MiB", 300, "lower"),
    ]


def measure_candidates(site: Site, served: Served) -> list[Row]:
    """Deny a name of the whole channel, and ask the candidate mount for its index."""
    found = []
    with served.client() as client:
        client.auth = ("__token__", served.token)
        seen = Seen(client, f"/candidates/conda/{SOURCE}/{SUBDIR}")
        names = sorted(seen.index())
        for number in range(site.rounds(20)):
            name = names[(number * 101) % len(names)]
            ready = served.portal.seal(served.approvals.values(), RULES % f", {name}")
            served.portal.hand_out(ready)
            wait(client, ready.sequence)
            asked = time.perf_counter()
            answer = client.get(f"/candidates/conda/{SOURCE}/{SUBDIR}/{INDEX}")
            found.append(time.perf_counter() - asked)
            if name in seen.read_index(answer.content):
                raise MeasureError(f"{name} is denied and listed")
        served.portal.publish(served.approvals.values())
    note = f"{len(names):,} names, {len(answer.content) / 1e6:.2f} MB"
    return [Row("a name denied: the candidate mount's index", median(found) * 1000, "ms", None, "lower", note=note)]


class Seen:
    """What a client is told in each representation of a subdir."""

    def __init__(self, client: httpx2.Client, base: str) -> None:
        self._client = client
        self._base = base

    def read_index(self, data: bytes) -> dict[str, bytes]:
        """Return the names of an index of shards."""
        value: dict[str, dict[str, bytes]] = msgspec.msgpack.decode(ZstdDecompressor().decompress(data))
        return value["shards"]

    def index(self) -> dict[str, bytes]:
        """Return the names of the shard index."""
        return self.read_index(self._get(INDEX))

    def everywhere(self, name: str) -> Iterator[bool]:
        """Tell of each representation whether it has files of ``name``."""
        for path in WHOLE:
            data = self._get(path)
            whole = ZstdDecompressor().decompress(data) if path.endswith(".zst") else data
            yield f'"{name}-'.encode() in whole
        shards = self.index()
        yield name in shards
        if name in shards:
            yield bool(self._get(f"{shards[name].hex()}.msgpack.zst"))
        yield name in msgspec.json.decode(self._get("../channeldata.json"))["packages"]
        self._get("run_exports.json")

    def _get(self, path: str) -> bytes:
        answer = self._client.get(f"{self._base}/{path}")
        answer.raise_for_status()
        return answer.content


def wait(client: httpx2.Client, sequence: int) -> None:
    """Wait until a policy is in force."""
    end = time.perf_counter() + _SLOWEST
    while client.get("/api/policy").json().get("sequence") != sequence:
        if time.perf_counter() > end:
            raise MeasureError(f"policy {sequence} did not come into force")
        time.sleep(0.002)
