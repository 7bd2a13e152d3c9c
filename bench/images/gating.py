"""Figures of the gates: how long they take over the whole image, beyond its definition's own tests."""

from datetime import UTC, datetime

from bench.images.site import Site
from bench.images.wheels import definition
from bench.place import MeasureError
from bench.processes import timed
from bench.rows import Row, figure
from sekisho.containers import DockerContainers
from sekisho.model import GateReport
from sekisho_builder.assemble import assemble
from sekisho_builder.gates import run_gates
from sekisho_builder.oci import Layout, to_docker_archive


def measure_gates(site: Site) -> list[Row]:
    """Load the image into the engine and run every gate."""
    site.say("the gates")
    lock, folder = site.shelf.lock, site.folder("gates")
    image = definition(lock)
    made = assemble(image, lock, site.base, site.shelf.wheels, cache=folder / "layers", out=folder / "image")
    containers, loaded, reports = DockerContainers(), list[str](), list[GateReport]()
    archive = folder / "image.tar"
    loading = timed(lambda: loaded.append(containers.load(to_docker_archive(Layout(folder / "image"), archive))))
    try:
        seconds = timed(
            lambda: reports.append(
                run_gates(image, lock, loaded[0], containers, manifest=made.manifest, now=datetime.now(UTC))
            )
        )
    finally:
        containers.remove(loaded[0])
    failed = [gate for gate in reports[0].gates if gate.status == "failed"]
    if failed:
        raise MeasureError(f"gate {failed[0].gate} failed: {' '.join(failed[0].evidence)[:300]}")
    each = ", ".join(f"{gate.gate} {figure(gate.milliseconds / 1000)}" for gate in reports[0].gates)
    what = f"gates of an image of {len(lock.artifacts)} packages, with loading it into the engine"
    return [Row(what, loading + seconds, "s", 30, "lower", note=f"loading {loading:.1f}; {each}")]
