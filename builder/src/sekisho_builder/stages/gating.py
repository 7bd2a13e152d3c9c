"""An image's gates, run once for the same image, definition and record."""

from datetime import UTC, datetime
from pathlib import Path

from sekisho.containers import DockerContainers
from sekisho.definitions import VERIFY_FOLDER, verify_digest
from sekisho.errors import RefusedError
from sekisho.lock import Lock
from sekisho.model import GateReport, ImageDefinition, canonical_json, sha256_hex
from sekisho.store import file_sha256, write_atomically
from sekisho_builder.assemble import assemble
from sekisho_builder.dockerfile import FILE, Dockerfiled
from sekisho_builder.gates import GATES, Made, OnRecord, read_record, run_gates
from sekisho_builder.oci import Layout, to_docker_archive
from sekisho_builder.stages.outside import Outside


class Gating(Outside):
    """The stage between assembly and push."""

    def gate(self, request_id: str, manifest: str) -> None:
        """Image → gate report; raise ``RefusedError`` naming the gates that failed.

        A report of the same gates over the same image, definition and scripts is reused, as long as the same is on
        record of its files.
        """
        lock, definition = self._locked(request_id)
        record = self._on_record(request_id, lock)
        scripts = verify_digest(self._settings.images, definition.name)
        above = self._above(manifest, definition)
        told = above.digest() if above else ""
        asked = canonical_json([manifest, definition.digest(), scripts, record.digest(), told, list(GATES)])
        kept = self._folder / "gates" / f"{sha256_hex(asked)}.json"
        with self._gating:  # of two requests that came to the same image, the second reuses the report
            reused = kept.exists()
            if reused:
                report = GateReport.parse_json(kept.read_bytes(), where=str(kept))
            else:
                report = self._run_gates(request_id, manifest, lock, definition, record)
                if report.passed:
                    write_atomically(kept, report.canonical())
        documents = self._documents(manifest)
        self._portal.report(
            request_id, "gated", {"gates": {**report.plain(), "reused": reused, "documents": documents}}
        )
        if not report.passed:
            failed = [gate for gate in report.gates if gate.status == "failed"]
            raise RefusedError(
                "; ".join(f"gate {gate.gate} failed: {' '.join(gate.evidence[:5])}" for gate in failed),
                where=f"image {definition.name}",
                todo="mend the definition or its packages and ask again",
            )

    def _dockerfiled(self, manifest: str) -> Path:
        return self.evidence(manifest) / "dockerfile.json"

    def _above(self, manifest: str, definition: ImageDefinition) -> Dockerfiled | None:
        """Return what the definition's Dockerfile added to an image."""
        kept = self._dockerfiled(manifest)
        if not (self._settings.images / definition.name / FILE).is_file() or not kept.is_file():
            return None
        return Dockerfiled.parse_json(kept.read_bytes(), where=str(kept))

    def _documents(self, manifest: str) -> dict[str, str]:
        """Return the sha256 of each document that stays with an image."""
        return {path.name: file_sha256(path) for path in sorted(self.evidence(manifest).glob("*.json"))}

    def _on_record(self, request_id: str, lock: Lock) -> OnRecord:
        _, closure = self._records(request_id)
        return read_record(self._portal.judged(request_id), lock, closure, self._snapshot(), datetime.now(UTC))

    def _build(self, request_id: str, lock: Lock, definition: ImageDefinition, record: OnRecord) -> Made:
        """Return what gates look at that start no container."""
        base = self._base(definition).layout
        layout, folder = Layout(self.layout(request_id)), self._settings.images / definition.name

        def again(empty: Path) -> Layout:
            out, cache = empty / "out", empty / "cache"
            assemble(definition, lock, base, self._wheel, cache=cache, out=out, folder=folder, debs=self._deb)
            return Layout(out)

        return Made(
            definition=definition,
            lock=lock,
            layout=layout,
            base=base,
            folder=folder,
            debs=self._deb,
            wheels=self._wheel,
            again=again,
            keep=lambda name, data: write_atomically(self.evidence(layout.manifest_sha256) / name, data),
            record=record,
            above=self._above(layout.manifest_sha256, definition),
        )

    def _run_gates(
        self, request_id: str, manifest: str, lock: Lock, definition: ImageDefinition, record: OnRecord
    ) -> GateReport:
        containers = DockerContainers(owner=self._settings.owner)
        archive = self._folder / f"{manifest}.tar"
        try:
            to_docker_archive(Layout(self.layout(request_id)), archive)
            image = containers.load(archive)
        finally:
            archive.unlink(missing_ok=True)
        try:
            return run_gates(
                definition,
                lock,
                image,
                containers,
                manifest=manifest,
                now=datetime.now(UTC),
                verify=self._settings.images / definition.name / VERIFY_FOLDER,
                made=self._build(request_id, lock, definition, record),
                progress=self._teller(request_id, "gate"),
            )
        finally:
            containers.remove(image)
