"""Figures of the gates: how long they take over the whole image, beyond its definition's own tests."""

from datetime import UTC, datetime
from pathlib import Path

from bench.images.site import Site
from bench.images.wheels import definition
from bench.place import ROOT, MeasureError
from bench.processes import timed
from bench.rows import Row, figure
from sekisho.containers import DockerContainers
from sekisho.lock import Lock
from sekisho.model import GateReport, Judgement, Outcome, Verdict
from sekisho.policy import Policy, parse_policy
from sekisho.store import write_atomically
from sekisho_builder.assemble import assemble
from sekisho_builder.gates import Made, OnRecord, run_gates
from sekisho_builder.oci import Layout, to_docker_archive


def measure_gates(site: Site) -> list[Row]:
    """Load the image into the engine and run every gate."""
    site.say("the gates")
    lock, folder = site.shelf.lock, site.folder("gates")
    image = definition(lock)

    def put(where: Path) -> Layout:
        cache, out = where / "layers", where / "image"
        assemble(image, lock, site.base, site.shelf.wheels, cache=cache, out=out)
        return Layout(out)

    layout = put(folder)
    build = Made(
        definition=image,
        lock=lock,
        layout=layout,
        base=site.base,
        folder=None,
        debs=None,
        wheels=site.shelf.wheels,
        again=put,
        keep=lambda name, data: write_atomically(folder / name, data),
        record=OnRecord(policy=_policy(), judgement=_allowed(lock)),
    )
    containers, loaded, reports = DockerContainers(), list[str](), list[GateReport]()
    archive = folder / "image.tar"
    loading = timed(lambda: loaded.append(containers.load(to_docker_archive(layout, archive))))
    try:
        seconds = timed(
            lambda: reports.append(
                run_gates(
                    image,
                    lock,
                    loaded[0],
                    containers,
                    manifest=layout.manifest_sha256,
                    made=build,
                    now=datetime.now(UTC),
                )
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


def _policy() -> Policy:
    path = ROOT / "allowlists" / "policy.yaml"
    return parse_policy(path.read_text(), where=str(path))


def _allowed(lock: Lock) -> Judgement:
    """Return a judgement that objects to nothing: how long a portal takes to judge is measured elsewhere."""
    verdicts = [Verdict(purl=a.purl, sha256=a.sha256, outcome=Outcome.ALLOW, reasons=()) for a in lock.artifacts]
    return Judgement(
        closure=lock.closure,
        policy=_policy().digest(),
        at=datetime.now(UTC),
        outcome=Outcome.ALLOW,
        verdicts=tuple(verdicts),
    )
