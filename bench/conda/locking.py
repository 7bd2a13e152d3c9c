"""Figures of locks: pip-compile with hashes, conda and pip together without a conda executable, who holds a package."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

from bench import peers, policy, pypi, upstream
from bench.conda.held import measure as measure_held
from bench.conda.synthetic import ASKED, Builds, builds
from bench.place import BIN, MeasureError, Place, Say, bare_environment
from bench.processes import Servers, timed
from bench.rows import Row
from sekisho.lock import Answer, DoorAddress, ToLock
from sekisho.model import Artifact, Target, conda_artifact, sha256_hex, spec_name
from sekisho.sources import Source
from sekisho_builder.locking import conda_lock, uv_compile

REQUIREMENTS = (
    "scikit-learn",
    "pandas",
    "pyarrow",
    "matplotlib",
    "mlflow",
    "azureml-inference-server-http",
    "ipykernel",
)
"""Those of the curated image, and a notebook's kernel: some 127 packages together."""

LEAST = 117
"""Of how many packages the goal speaks."""

CHANNEL = "bench"
_SUBDIR = "linux-64"
_ROUNDS = 3
_SCALE = 0.03
"""Of the synthetic channel: all of its core, and few other names, as only what is approved is looked at here."""


class Doors(NamedTuple):
    """One proxy in whose door the set and a data scientist's conda packages are."""

    address: DoorAddress
    place: Place
    wheels: int
    packages: int
    target: Target
    quick: bool

    def rounds(self) -> range:
        """Return how often to measure."""
        return range(1 if self.quick else _ROUNDS)


def measure(place: Place, say: Say, quick: bool) -> list[Row]:  # noqa: FBT001 (as every measurement)
    """Take every figure on locks."""
    with opened(place, say, quick=quick) as doors:
        say("pip-compile --generate-hashes through the proxy")
        rows = measure_compile(doors)
        say("conda-lock at the door, conda and pip")
        rows.append(measure_both(doors))
    say("looking a package up among 10,000 locks")
    return rows + measure_held(place.work / "held", 500 if quick else 10_000)


@contextmanager
def opened(place: Place, say: Say, *, quick: bool) -> Iterator[Doors]:
    """Start an upstream, a portal's stand-in and a proxy, with everything approved that is locked."""
    taken = pypi.take(place.cache, say, REQUIREMENTS)
    packages = approved_packages()
    servers, portal = Servers(), None
    try:
        say("starting the upstream on loopback")
        above = upstream.start(servers, place.work / "upstream", taken, big_size=10_000)
        portal = policy.Portal(above.url, Source(id=CHANNEL, kind="conda", url=f"{above.url}/conda"))
        channel = [portal.approve([package], "everyone") for package in packages]
        portal.publish([*policy.resolved(portal, taken), *channel])
        folder = place.work / "sekisho"
        policy.write_trust(portal, folder / "data")
        say("starting our proxy")
        ours = peers.ours(servers, folder, portal.url, first=taken.wheels[0].project)
        address = DoorAddress(ours.root.partition("/w/")[0], "everyone")
        target = Target(python=sys.version.split()[0], glibc="2.36")
        yield Doors(address, place, len(taken.wheels), len(packages), target, quick)
    finally:
        servers.stop_all()
        if portal:
            portal.stop()


def approved_packages() -> list[Artifact]:
    """Return a Python, and the newest build of each name that a data scientist's four packages need."""
    found: dict[str, Builds] = {one.name: one for one in builds(_SCALE)}
    left, packages = [*ASKED], dict[str, Artifact]()
    while left:
        name = left.pop()
        if name in packages or name not in found:
            continue
        filename, text = (found[name].new or found[name].old)[-1]
        record = msgspec.json.decode(text)
        packages[name] = conda_artifact(CHANNEL, filename, record, subdir=_SUBDIR)
        left += [spec_name(spec) for spec in record["depends"]]
    for name, version in (("python", sys.version.split()[0]), ("pip", "26.0")):  # conda-lock wants pip beside wheels
        digest = sha256_hex(name.encode())
        row = {"name": name, "version": version, "build": "0", "sha256": digest, "md5": digest[:32], "size": 1}
        packages[name] = conda_artifact(CHANNEL, f"{name}-{version}-0.conda", row, subdir=_SUBDIR)
    return list(packages.values())


def measure_compile(doors: Doors) -> list[Row]:
    """Run pip-compile as people do, and uv, each without any cache of its own."""
    ours = median(pip_compile(doors) for _ in doors.rounds())
    asked = ToLock(target=doors.target, requirements=REQUIREMENTS)
    uv = median(timed(lambda: uv_compile(asked, doors.address, token=None, ca=None)) for _ in doors.rounds())
    if doors.wheels < LEAST:
        raise MeasureError(f"{doors.wheels} packages are fewer than the {LEAST} of the goal: ask for more")
    name = f"pip-compile --generate-hashes, {doors.wheels} packages, through the proxy"
    return [Row(name, ours, "s", 10, "lower", {"uv with hashes": uv})]


def pip_compile(doors: Doors) -> float:
    """Return how many seconds pip-compile takes; raise ``MeasureError`` unless it names every package with a hash."""
    with tempfile.TemporaryDirectory(dir=doors.place.work) as scratch:
        given, out = Path(scratch) / "set.in", Path(scratch) / "set.txt"
        given.write_text("\n".join(REQUIREMENTS))
        command = [str(BIN / "pip-compile"), "--quiet", "--generate-hashes", "--allow-unsafe", "--strip-extras"]
        command += ["--index-url", doors.address.index, "--output-file", str(out), str(given)]
        command += ["--cache-dir", str(Path(scratch) / "cache")]
        done: list[subprocess.CompletedProcess[str]] = []
        environment = bare_environment(Path(scratch))
        seconds = timed(
            lambda: done.append(
                subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
            )
        )
        if done[0].returncode:
            raise MeasureError(f"pip-compile failed: {done[0].stderr.strip()[-400:]}")
        if out.read_text().count("==") < doors.wheels or out.read_text().count("--hash=") < doors.wheels:
            raise MeasureError("pip-compile did not name every package with a hash")
        return seconds


def measure_both(doors: Doors) -> Row:
    """Lock conda packages and wheels together, each time from nothing."""
    asked = ToLock(
        target=doors.target, conda=("python", *ASKED), requirements=("fastapi", "mlflow-skinny"), channels=(CHANNEL,)
    )
    answers: list[Answer] = []
    seconds = [
        timed(lambda: answers.append(conda_lock(asked, doors.address, token=None, ca=None))) for _ in doors.rounds()
    ]
    rows = len(answers[-1].packages)
    if rows < doors.packages:
        raise MeasureError(f"{rows} packages were locked, and {doors.packages} conda packages are needed")
    name = f"conda + pip lock, {rows} packages, offline, no conda executable"
    return Row(name, median(seconds), "s", 3, "lower", note="conda-lock itself, at the door; processes and caches new")
