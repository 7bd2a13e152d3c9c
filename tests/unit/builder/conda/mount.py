"""A candidate mount of fake channels on loopback: who has not the token gets nothing."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sekisho.model import Request
from sekisho.model.conda import conda_artifact
from sekisho_builder.conda import SolverProcess
from sekisho_builder.conda.offers import CondaOffers
from sekisho_builder.conda.records import Channels
from sekisho_builder.conda.solver import CondaSolver
from sekisho_builder.proxy import Proxy
from sekisho_builder.solver import Wish
from tests.channels import Channel, FakeChannels, Package
from tests.fake_upstream import run_asgi
from tests.records import NOW, TARGET

TOKEN = "the service's own"


@dataclass
class Mount(FakeChannels):
    """Serves each of ``channels`` below ``/candidates/conda/``, and the artifacts of a name as the mount does.

    ``problems`` are what the proxy answers at a path instead; ``refused`` what does not count of a name.
    """

    problems: dict[str, dict[str, str]] = field(default_factory=dict)
    refused: dict[tuple[str, str, str], list[tuple[str, str]]] = field(default_factory=dict)

    def _answer(self, path, headers):
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {}, b"who are you"
        name, _, rest = path.removeprefix("/candidates/conda/").partition("/")
        subdir, _, rest = rest.partition("/")
        if problem := self.problems.get(path):
            return 502, {"content-type": "application/problem+json"}, json.dumps(problem).encode()
        if rest.startswith("refused/"):
            rows = self.refused.get((name, subdir, rest.removeprefix("refused/")))
            said = [{"what": what, "why": why} for what, why in rows or ()]
            return (404, {}, b"no such name") if rows is None else (200, {}, json.dumps(said).encode())
        if rest.startswith("artifacts/"):
            return 200, {}, json.dumps(self._artifacts(name, subdir, rest.removeprefix("artifacts/"))).encode()
        return super()._answer(f"/{name}/{subdir}/{rest}", headers)

    def _artifacts(self, channel, subdir, name):
        rows = {}
        for some in self.channels[channel].index(subdir):
            rows |= {file: record for file, record in some.items() if record["name"] == name}
        return [
            conda_artifact(channel, file, record, subdir=subdir, seen=_seen(record)).plain()
            for file, record in rows.items()
        ]


def _seen(record):
    stamp = record.get("indexed_timestamp")
    return datetime.fromtimestamp(stamp / 1000, UTC) if stamp else None


class Desk:
    """What a test asks of: the mount, and the process that solves."""

    def __init__(self, url: str, mount: Mount, process: SolverProcess) -> None:
        self.mount = mount
        self.process = process
        self.proxy = Proxy(url, TOKEN)

    def solver(self, *specs: str, channels: tuple[str, ...] = (), **more) -> CondaSolver:
        request = Request(requester="rita", conda=specs, target=TARGET, at=NOW, **more)
        return CondaSolver(request, channels or tuple(self.mount.channels), self.proxy, self.process)

    def chosen(self, *specs: str, **more) -> dict[str, str]:
        """Return by name the path that is chosen for some specs."""
        with self.solver(*specs, **more) as solver:
            return {row.name: row.path for row in solver.choose(Wish(specs))}

    def offers(self, solver: CondaSolver, known=(), rate=None) -> CondaOffers:
        return CondaOffers(solver, Channels(self.proxy), known, rate)


@contextlib.contextmanager
def desk(process: SolverProcess, **channels: Channel) -> Iterator[Desk]:
    """Serve channels, in this order."""
    mount = Mount(channels=channels)
    with run_asgi(mount) as url:
        found = Desk(url, mount, process)
        try:
            yield found
        finally:
            found.proxy.close()


def package(name: str, version: str = "1.0", *depends: str, **more) -> Package:
    """A package in one line."""
    return Package(name, version, depends=depends, **more)


def stamped(seen: int, *packages: Package) -> Channel:
    """A channel whose files were first seen at a moment, in milliseconds."""
    return Channel(packages, records={one.path: one.record | {"indexed_timestamp": seen} for one in packages})
