"""Every fault of a source on every route, with several clients at once, against the server that is shipped.

No client ever gets a complete wrong body, nothing wrong is kept, what is approved and here flows all the while, each
client is told in a status what is wrong and what to do, and once the source has healed the next request succeeds.
"""

import hashlib
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random

import pytest

from tests.fake_upstream import JSON, FakeUpstream
from tests.integration.conftest import SOAK
from tests.integration.faults.client import Got, ask
from tests.integration.faults.kinds import bodies, pages
from tests.integration.faults.source import Fault, RawSource
from tests.integration.proxy.house import House, until
from tests.wheels import Wheel, make_wheel

SEEDS = range(25 if SOAK else 1)
LARGE = 1_300_000
TRIES = 5
"""A healed source may be given up once more on a machine that is busy: these proxies wait 0.7 seconds for it."""

STATUSES = {404, 502, 503, 504}
LONG = set() if SOAK else {"drip", "continue for ever"}
"""A large file may take its time, and each of three tries does."""

UNSEEN_IN_PROVENANCE = {"flip middle", "flip somewhere"}
"""Nobody states a provenance's hash; who relies on it checks its signatures."""


class Source(FakeUpstream):
    """An honest index. Projects that begin with ``bare`` state no METADATA."""

    def _row(self, wheel):
        row = super()._row(wheel)
        return {
            key: value for key, value in row.items() if key != "core-metadata" or not wheel.project.startswith("bare")
        }

    def _answer(self, path, headers):
        if path.endswith(".metadata") and "/bare" in path:
            return 404, {}, b"not found"
        return super()._answer(path, headers)


@dataclass(frozen=True)
class Case:
    """One fault, met by one wheel of its own at one address of the source."""

    name: str
    fault: Fault
    wheel: Wheel
    spoilt: str


class Site:
    """A proxy, its source, and a client that all the while asks for what is here."""

    def __init__(self, folder, source: RawSource, url: str, steady: Wheel) -> None:
        self.source = source
        self.steady = steady
        self.house = House(folder, upstream=url)
        self.house.settings = self.house.settings.model_copy(update={"upstream_timeout": 0.7})
        self.flowed = 0
        self.problems: list[str] = []

    def run(self, cases: list[Case], probe: Callable[["Site", Case], None]) -> None:
        """Probe all cases under their faults, look at the disk, heal the source, and probe again."""
        wheels = [case.wheel for case in cases]
        self.source.honest.wheels += wheels
        approved = [self.house.approval(wheel.artifact(attested=True)) for wheel in (self.steady, *wheels)]
        self.house.settle(*approved)
        with self.house.open() as client:
            self.address = (client.base_url.host, client.base_url.port)
            self.ask("GET", f"/w/everyone/pypi/files/{self.steady.path}")
            self.source.faults.update({f"/{case.spoilt}": case.fault for case in cases})
            stop = threading.Event()
            steadily = threading.Thread(target=self._flow, args=(stop,))
            steadily.start()
            try:
                self._each(cases, probe)
            finally:
                stop.set()
                steadily.join()
            until(lambda: not list(self._stores("incoming/*")))
            self._check_stores()
            self.source.faults.clear()
            self._each(cases, lambda site, case: _healed(site, case, probe))
            self._check_stores()
        assert self.flowed
        assert not self.problems, "\n".join(self.problems)

    def _each(self, cases: list[Case], probe: Callable[["Site", Case], None]) -> None:
        def one(case: Case) -> None:
            try:
                probe(self, case)
            except (AssertionError, OSError) as error:
                self.problems.append(f"{case.name}: {error}")

        with ThreadPoolExecutor(12) as pool:
            list(pool.map(one, cases))

    def _flow(self, stop: threading.Event) -> None:
        """What is approved and here is served whole, whatever happens to all else."""
        base = "/w/everyone/pypi"
        while not stop.is_set():
            got = self.ask("GET", f"{base}/files/{self.steady.path}")
            page = self.ask("GET", f"{base}/simple/{self.steady.project}/")
            if (got.status, got.body) != (200, self.steady.data) or self.steady.sha256 not in page.body.decode():
                self.problems.append(f"what is here does not flow: {got.status} {page.status}")
            self.flowed += 1
            stop.wait(0.05)

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None) -> Got:
        return ask(self.address, method, path, headers)

    def as_builder(self, path: str) -> Got:
        return self.ask("GET", path, {"authorization": f"Bearer {self.house.token}", "accept": JSON})

    def _stores(self, pattern: str):
        for store in ("blobs", "quarantine"):
            yield from (self.house.settings.data / "proxy" / store).glob(pattern)

    def _check_stores(self) -> None:
        for path in self._stores("sha256/*/*"):
            if hashlib.sha256(path.read_bytes()).hexdigest() != path.name:
                self.problems.append(f"a wrong file was kept: {path.name}")


def _healed(site: Site, case: Case, probe: Callable[[Site, Case], None]) -> None:
    for _ in range(TRIES):
        probe(site, case)
        if not any(got.status == 502 and "it took too long" in got.problem["title"] for got, _ in site.last[case.name]):
            break
    for got, right in site.last[case.name]:
        assert got.status in {200, 206}, f"after the source has healed: {got.status} {got.body[:200]!r}"
        assert got.whole
        assert got.body in right, "after the source has healed the body is another one"


def judged(got: Got, *right: bytes, may_be_cut: bool = False) -> None:
    """Raise unless an answer is right, or an error that says whose, or cut where it had begun before it was known."""
    if got.status in {200, 206}:
        assert got.whole or may_be_cut, "it was cut, although nothing had to be sent before all was known"
        assert not got.whole or got.body in right, f"a complete wrong body of {len(got.body)} bytes"
        return
    assert got.status in STATUSES, f"status {got.status} {got.body[:200]!r}"
    assert "source 'fake'" in got.problem["title"], got.problem
    assert got.problem["where"], got.problem
    assert got.problem["todo"], got.problem


@pytest.fixture
def site(tmp_path):
    steady = make_wheel("steady")
    source = RawSource(Source(wheels=[steady], provenance=True))
    with source.run() as url:
        site = Site(tmp_path, source, url, steady)
        site.last = {}
        yield site


@pytest.fixture
def elsewhere():
    """A host that is not the source's, and must never be asked."""
    other = RawSource(Source())
    with other.run() as url:
        yield url
    assert not other.asked


def _wheel(project: str, size: int = 0) -> Wheel:
    return make_wheel(project, files={f"{project}/data.bin": hashlib.shake_128(project.encode()).digest(size or 400)})


def _at_once(*asking: Callable[[], Got]) -> list[Got]:
    with ThreadPoolExecutor(len(asking)) as pool:
        return [one.result() for one in [pool.submit(ask) for ask in asking]]


def _files(site: Site, case: Case) -> None:
    """Two clients want the whole, one its head, one a part, and one its METADATA: none of it is here yet."""
    wheel, path = case.wheel, f"/w/everyone/pypi/files/{case.wheel.path}"
    large = len(wheel.data) >= 1 << 20
    one, two, part, metadata, head = _at_once(
        lambda: site.ask("GET", path),
        lambda: site.ask("GET", path),
        lambda: site.ask("GET", path, {"range": "bytes=10-99"}),
        lambda: site.ask("GET", f"{path}.metadata"),
        lambda: site.ask("HEAD", path),
    )
    site.last[case.name] = [
        (one, (wheel.data,)), (two, (wheel.data,)), (part, (wheel.data[10:100],)), (metadata, (wheel.metadata,))
    ]  # fmt: skip
    judged(one, wheel.data, may_be_cut=large)
    judged(two, wheel.data, may_be_cut=large)
    judged(part, wheel.data[10:100])
    judged(metadata, wheel.metadata)
    assert head.status in STATUSES or int(head.headers["content-length"]) == len(wheel.data)
    assert not head.body


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("size", [400, LARGE], ids=["small", "large"])
def test_files(site, elsewhere, size, seed):
    faults = bodies(Random(seed), elsewhere).items()
    cases = [
        Case(name, fault, wheel := _wheel(f"file{n}", size), wheel.path)
        for n, (name, fault) in enumerate(faults)
        if size != LARGE or name not in LONG
    ]
    site.run(cases, _files)


def _page(site: Site, case: Case) -> None:
    """A page's own words cannot be checked; but it is a page, and nothing on it leads elsewhere."""
    got = site.as_builder(f"/candidates/simple/{case.wheel.project}/")
    site.last[case.name] = [(got, (got.body,))]
    if got.status == 200:
        assert got.whole
        assert all(row["url"].startswith("../../files/fake/") for row in json.loads(got.body)["files"])
    else:
        judged(got)


@pytest.mark.parametrize("seed", SEEDS)
def test_pages(site, elsewhere, seed):
    faults = (bodies(Random(seed), elsewhere) | pages(elsewhere)).items()
    cases = [Case(name, fault, _wheel(f"page{n}"), f"simple/page{n}/") for n, (name, fault) in enumerate(faults)]
    site.run(cases, _page)


def _learn(site: Site, case: Case) -> None:
    got = site.as_builder(f"/candidates/files/fake/{case.wheel.path}.metadata")
    site.last[case.name] = [(got, (case.wheel.metadata,))]
    judged(got, case.wheel.metadata)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("how", ["stated", "bare"])
def test_candidates_metadata(site, elsewhere, how, seed):
    """It comes from the source beside the file, or is read out of parts of the file, or of all of it."""
    ending = ".metadata" if how == "stated" else ""
    faults = bodies(Random(seed), elsewhere).items()
    cases = [
        Case(name, fault, wheel := _wheel(f"{how}{n}", 300_000), wheel.path + ending)
        for n, (name, fault) in enumerate(faults)
    ]
    site.run(cases, _learn)


def _attested(site: Site, case: Case) -> None:
    got = site.ask("GET", f"/w/everyone/pypi/files/{case.wheel.path}.provenance")
    site.last[case.name] = [(got, (case.wheel.provenance(),))]
    judged(got, case.wheel.provenance())


@pytest.mark.parametrize("seed", SEEDS)
def test_provenance(site, elsewhere, seed):
    faults = bodies(Random(seed), elsewhere).items()
    cases = [
        Case(name, fault, wheel := _wheel(f"proof{n}"), wheel.provenance_path)
        for n, (name, fault) in enumerate(faults)
        if name not in UNSEEN_IN_PROVENANCE
    ]
    site.run(cases, _attested)
