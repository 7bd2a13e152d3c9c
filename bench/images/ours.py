"""Figures of our own builder: cold, with one package changed, with nothing changed; and its memory."""

import json
import pickle
import subprocess
import sys
import time
from statistics import median
from typing import NamedTuple

from bench.images.once import Order
from bench.images.site import Site
from bench.images.wheels import CHANGED, definition
from bench.place import ROOT, MeasureError
from bench.processes import status_of, timed, tree_of
from bench.rows import Row
from sekisho.lock import Lock, lock_digest
from sekisho_builder.assemble import Assembled, assemble
from sekisho_builder.oci import Layout, Pushed, push

_ROUNDS = 5
_COLD = 3
_PATIENCE = 600.0
_LOOK = 0.02
"""Seconds between two looks at the memory of what runs."""

CPU_TORCH = 192
"""MB of the wheel of torch without CUDA that the goal was set for; PyPI has none for this platform."""


class Cold(NamedTuple):
    """A cold assembly: seconds, seconds of processors, and MiB at their highest: of the largest process, of all."""

    seconds: float
    processor: float
    largest: float
    together: float
    manifest: str


def measure_cold(site: Site) -> list[Row]:
    """Assemble the lock, and torch, with an empty cache, each time in a new process."""
    found = {name: [_cold(site, name, lock) for _ in range(site.rounds(_COLD))] for name, lock in _locks(site)}
    seconds = {name: median(one.seconds for one in runs) for name, runs in found.items()}
    peak = max(one.together for runs in found.values() for one in runs)
    largest = max(one.largest for runs in found.values() for one in runs)
    (torch,) = site.shelf.torch.artifacts
    size = torch.size / 1e6
    return [
        Row(f"cold assembly of {_many(site)}", seconds["lock"], "s", 6, "lower", note=_each(found["lock"])),
        Row(f"cold assembly of torch {torch.release}, a wheel of {size:.0f} MB", seconds["torch"], "s", 3, "lower",
            note=f"{_each(found['torch'])}; {size / seconds['torch']:.0f} MB/s; the goal was set for {CPU_TORCH} MB"),
        Row(f"… for each {CPU_TORCH} MB of torch's wheel", seconds["torch"] * CPU_TORCH / size, "s", 3, "lower"),
        Row("peak memory of assembly, all processes together", peak, "MiB", 300, "lower",
            note=f"the largest process {largest:.0f} MiB; each process's own peak, added up"),
    ]  # fmt: skip


def _locks(site: Site) -> list[tuple[str, Lock]]:
    return [("lock", site.shelf.lock), ("torch", site.shelf.torch)]


def _many(site: Site) -> str:
    artifacts = site.shelf.lock.artifacts
    return f"{len(artifacts)} packages, {sum(artifact.size for artifact in artifacts) / 1e6:.0f} MB"


def _each(runs: list[Cold]) -> str:
    rounds = ", ".join(f"{one.seconds:.2f}" for one in runs)
    return f"rounds: {rounds}; processor time {median(one.processor for one in runs):.2f} s"


def _cold(site: Site, name: str, lock: Lock) -> Cold:
    site.say(f"cold assembly of {name}")
    folder = site.folder("cold")
    order = folder / "order"
    order.write_bytes(pickle.dumps(Order(lock, site.base.folder, site.shelf.files, folder)))
    command = [sys.executable, "-m", "bench.images.once", str(order)]
    peaks: dict[int, float] = {}
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + _PATIENCE
        while process.poll() is None and time.monotonic() < end:
            for pid in tree_of(process.pid):
                peaks[pid] = max(peaks.get(pid, 0.0), status_of(pid).peak)
            time.sleep(_LOOK)
        process.kill()
        said, errors = process.communicate()
    if process.returncode:
        raise MeasureError(f"the assembly of {name} failed: {errors.strip()[-300:]}")
    answer = json.loads(said)
    return Cold(answer["seconds"], answer["processor"], max(peaks.values()), sum(peaks.values()), answer["manifest"])


def measure_change(site: Site) -> list[Row]:
    """Have an image in the registry; change one package; then assemble and push, and then once more for nothing.

    Cache and registry hold the image before each round, and nothing of what changes.
    """
    folder = site.folder("change")
    changed, nothing, busy, counts = list[float](), list[float](), list[float](), list[str]()
    for number in range(1, site.rounds(_ROUNDS) + 1):
        site.say(f"one package changed, round {number}")
        _deliver(site, site.shelf.lock, f"bench/changed-{number}")
        before, asked = set((folder / "layers").iterdir()), len(site.registry.puts())
        used = time.process_time()
        seconds, made, pushed = _timed(site, site.shelf.changed, f"bench/changed-{number}")
        busy.append(time.process_time() - used)
        changed.append(seconds)
        counts.append(_count(made, pushed, site.registry.puts()[asked:]))
        nothing.append(_timed(site, site.shelf.changed, f"bench/changed-{number}")[0])
        if any("/blobs/" in path for path in site.registry.puts()[asked + 3 :]):
            raise MeasureError("a build of what was there sent a blob")
        for file in set((folder / "layers").iterdir()) - before:
            file.unlink()
    what = f"{CHANGED} changed in an image of {len(site.shelf.lock.artifacts)} packages: rebuild and push"
    rounds = "rounds: " + ", ".join(f"{seconds:.2f}" for seconds in changed)
    return [
        Row(
            what,
            median(changed),
            "s",
            1.0,
            "lower",
            note=f"{counts[-1]}; {rounds}; processor time {median(busy):.2f} s",
        ),
        Row("nothing changed: rebuild and push", median(nothing), "s", 0.3, "lower"),
    ]


def _deliver(site: Site, lock: Lock, repository: str) -> tuple[Assembled, Pushed]:
    folder = site.place.work / "change"
    made = assemble(definition(lock), lock, site.base, site.shelf.wheels, cache=folder / "layers", out=folder / "image")
    return made, push(Layout(folder / "image"), site.registry.name, repository, lock_digest(lock)[:12])


def _timed(site: Site, lock: Lock, repository: str) -> tuple[float, Assembled, Pushed]:
    done: list[tuple[Assembled, Pushed]] = []
    seconds = timed(lambda: done.append(_deliver(site, lock, repository)))
    return seconds, *done[0]


def _count(made: Assembled, pushed: Pushed, puts: list[str]) -> str:
    """Return what was sent, in words; raise ``MeasureError`` unless it is one layer, the config and the manifest.

    The registry's own log is asked, beside what the builder says.
    """
    new = [layer for layer in made.layers if not layer.reused]
    blobs, manifests = ([path for path in puts if part in path] for part in ("/blobs/", "/manifests/"))
    if (made.built, pushed.sent, len(blobs), len(manifests)) != (1, 2, 2, 1):
        raise MeasureError(
            f"{made.built} layers built, {pushed.sent} blobs sent; the registry got {len(blobs)} and "
            f"{len(manifests)} manifests, instead of one layer, the config and the manifest"
        )
    return f"1 layer of {len(made.layers)} ({new[0].size / 1e6:.0f} MB), the config and the manifest were sent"
