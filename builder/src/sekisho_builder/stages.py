"""The stages between a request and an image, each small enough to be run again.

Every stage reads the records it needs from the portal, turns them into the next one, and reports it there. What a
stage makes on disk is named by digest, so a stage that runs twice finds its own work.
"""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from sekisho.client import PortalClient, PortalSilentError
from sekisho.containers import DockerContainers
from sekisho.definitions import VERIFY_FOLDER, definition_for, read_definition, verify_digest
from sekisho.errors import BadInputError, ConflictError, RefusedError, SekishoError, UnresolvableError
from sekisho.keys import load_trust
from sekisho.lock import Lock, lock_digest, make_lock
from sekisho.model import (
    Artifact,
    Closure,
    GateReport,
    ImageDefinition,
    Judgement,
    Newest,
    Outcome,
    Request,
    canonical_json,
    sha256_hex,
)
from sekisho.policy import SealedSnapshot, Snapshot, open_snapshot
from sekisho.settings import Settings
from sekisho.store import BlobStore, file_sha256, write_atomically
from sekisho_builder.assemble import assemble
from sekisho_builder.base import Base, open_base
from sekisho_builder.base.debian import build_root
from sekisho_builder.base.debian_choice import fetch_deb
from sekisho_builder.base.debian_lock import LockedDeb
from sekisho_builder.building import Workshop, build_all
from sekisho_builder.denials import name_denials
from sekisho_builder.dockerfile import FILE, Dockerfiled, build_dockerfile
from sekisho_builder.gates import GATES, Made, OnRecord, read_record, run_gates
from sekisho_builder.oci import Layout, Whereabouts, push, to_docker_archive
from sekisho_builder.offers import Offers, approved
from sekisho_builder.programs import Programs
from sekisho_builder.proxy import Proxy, ProxySilentError
from sekisho_builder.resolve import resolve
from sekisho_builder.solver import Solver
from sekisho_builder.sources import builds_sources, with_sources
from sekisho_builder.suggesting import read_judged, suggest

_LOG = logging.getLogger("sekisho.builder")
_TELL_EVERY = 0.25
"""Seconds between two reports of progress."""

_MOST_FORESEEN = 1000
"""Files that are asked about at once."""

_ABANDONED = 86400.0
"""Seconds after which the layout of an image that was never pushed goes."""


class Stages:
    """The builder's stages over its outside: the portal, the proxy, a container engine, a folder."""

    def __init__(self, settings: Settings, portal: PortalClient, proxy: Proxy) -> None:
        self._settings = settings
        self._portal = portal
        self._proxy = proxy
        self._folder = settings.data / "builder"
        self._wheels = BlobStore(self._folder / "wheels")
        self._wheels.sweep()
        self._programs = Programs()
        self._stopped = threading.Event()
        self._gating = threading.Lock()
        self._sweep()

    def _sweep(self) -> None:
        """Remove the layouts of requests that failed for good, once nobody has tried them again for a day."""
        for left in (self._folder / "images").glob("*"):
            if time.time() - left.stat().st_mtime > _ABANDONED:
                shutil.rmtree(left, ignore_errors=True)

    def stop(self) -> None:
        """Cut short what stages under way wait for; they fail, and are to be run again at the next start."""
        self._stopped.set()
        self._programs.end()
        self._proxy.cut()

    def _teller(self, request_id: str, stage: str) -> Callable[[int, int], None]:
        last = 0.0

        def tell(done: int, total: int) -> None:
            nonlocal last
            if self._stopped.is_set():
                raise ConflictError("the builder is being stopped")
            if time.monotonic() - last > _TELL_EVERY or done == total:
                last = time.monotonic()
                self._portal.report(request_id, "progress", {"stage": stage, "done": done, "total": total})

        return tell

    def _records(self, request_id: str) -> tuple[Request, Closure]:
        found = self._portal.records(request_id)
        request = Request.parse(found["request"], where=f"request {request_id}")
        if found["closure"] is None:
            raise ConflictError(f"request {request_id} is not resolved yet")
        return request, Closure.parse(found["closure"], where=f"closure of {request_id}")

    def _snapshot(self) -> Snapshot:
        sealed = SealedSnapshot.parse(self._portal.snapshot(), where="policy snapshot")
        return open_snapshot(sealed, load_trust(self._settings.trust_file))

    # propose

    def resolve(self, request_id: str) -> None:
        """Request → closure."""
        request = Request.parse(self._portal.records(request_id)["request"], where=f"request {request_id}")
        if not any(source.kind == request.kind for source in self._snapshot().sources):
            raise BadInputError(f"no source of kind {request.kind} is declared", where="allowlists/sources.yaml")
        offers = self._offers(request_id, request)
        told = self._teller(request_id, "resolve")
        policy = self._snapshot().policy
        try:
            closure = resolve(request, self._proxy, told, self._programs.run, offers=offers)
        except UnresolvableError as error:
            by = partial(self._offers, request_id)
            found = with_sources(request, self._proxy, told, self._programs.run, by) if builds_sources(policy) else None
            if found is None:
                raise name_denials(error, request, policy, offers) from error
            closure = found
        newest = {project: found.plain() for project, found in offers.newest().items()}
        self._portal.report(request_id, "resolved", {"closure": closure.plain(), "newest": newest})

    def _offers(self, request_id: str, request: Request, *, sources: bool = False) -> Offers:
        """Return what there is to choose from for a request, with what the policy would say of it."""

        def rate(files: Sequence[Artifact], newest: Mapping[str, Newest]) -> dict[str, Outcome]:
            known = {project: found.plain() for project, found in newest.items()}
            found: dict[str, Outcome] = {}
            for first in range(0, len(files), _MOST_FORESEEN):
                some = [file.plain() for file in files[first : first + _MOST_FORESEEN]]
                rows = self._portal.foresee(request_id, some, known)
                found |= {row["sha256"]: Outcome(row["outcome"]) for row in rows}
            return found

        known = approved(self._snapshot(), request.workspace, datetime.now(UTC))
        return Offers(request, self._proxy, known, rate, sources=sources)

    def inspect(self, request_id: str) -> None:
        """Closure → facts; the portal judges them at once."""
        _, closure = self._records(request_id)
        facts, known = self._proxy.inspect(closure.files, self._teller(request_id, "inspect"))
        body = {"facts": [found.plain() for found in facts], "known": known}
        self._portal.report(request_id, "inspected", body)

    def suggest(self, request_id: str) -> None:
        """Judgement → what to have instead, where somebody would have to act."""
        found = self._portal.records(request_id)
        if not found["avoidable"]:
            return
        request, closure = self._records(request_id)
        judgement = Judgement.parse(found["judgement"], where=f"judgement of {request_id}")
        judged = read_judged(closure, judgement, found["avoidable"])
        free = request.model_copy(update={"constraints": (), "hashes": {}})  # the closure itself is preferred
        try:
            with Solver(free, self._proxy, self._programs.run) as solve:
                alternative = suggest(solve, self._offers(request_id, free), judged)
        except (PortalSilentError, ProxySilentError):
            raise
        except SekishoError as error:  # the request was judged, and that stands
            _LOG.warning("nothing could be suggested for request %s: %s", request_id, error.what)
            alternative = None
        body = {"closure": closure.digest(), "alternative": alternative.plain() if alternative else None}
        self._portal.report(request_id, "suggested", body)

    # build

    def build(self, request_id: str) -> None:
        """Source in an approved closure → wheels, inspected; the portal judges them at once."""
        request, closure = self._records(request_id)
        if not closure.builds:
            return
        self._proxy.follow(self._snapshot().sequence)
        images, root = self._settings.images, partial(build_root, run=self._programs.run)
        workshop = Workshop(
            self._settings, self._folder, self._wheels, lambda room: open_base(room, images, self._settings, build=root)
        )
        definition = read_definition(images, request.image) if request.image else definition_for(images, request.target)
        with self._gating:
            made = build_all(
                closure, request.workspace, definition, workshop, self._proxy, partial(self._teller, request_id)
            )
        self._portal.report(request_id, "built", made.plain())

    # deliver

    def lock(self, request_id: str) -> None:
        """Closure and approvals → lock."""
        request, closure = self._records(request_id)
        snapshot = self._snapshot()
        snapshot.policy.check_image(request.workspace, request.image)
        approvals = (signed.approval for signed in snapshot.approvals)
        name = request.image or request_id
        lock = make_lock(name, closure, approvals, workspace=request.workspace, now=datetime.now(UTC))
        self._portal.report(request_id, "locked", {"lock": lock.plain()})

    def _locked(self, request_id: str) -> tuple[Lock, ImageDefinition]:
        found = self._portal.records(request_id)["lock"]
        if found is None:
            raise ConflictError(f"request {request_id} has no lock yet")
        lock = Lock.parse(found, where=f"lock of {request_id}")
        definition = read_definition(self._settings.images, lock.name)
        wanted = (definition.requirements, definition.target, definition.resolve_before)
        if (lock.direct, lock.target, lock.resolve_before) != wanted:
            raise ConflictError(
                f"the definition of {lock.name} changed after request {request_id} was made",
                where=str(self._settings.images / lock.name / "image.yaml"),
                todo=f"ask again with `sekisho request --image {lock.name}`",
            )
        return lock, definition

    def _wheel(self, artifact: Artifact) -> Path:
        return self._wheels.path(artifact.sha256)

    def _deb(self, deb: LockedDeb) -> Path:
        return fetch_deb(deb, self._settings.debian_mirror, self._wheels)

    def _base(self, definition: ImageDefinition) -> Base:
        build = partial(build_root, run=self._programs.run)
        return open_base(definition, self._settings.images, self._settings, build=build)

    def layout(self, request_id: str) -> Path:
        """Return where the OCI layout of a request's image is kept until it is pushed."""
        return self._folder / "images" / request_id

    def assemble(self, request_id: str) -> str:
        """Lock and base → an OCI layout; return its manifest's sha256."""
        lock, definition = self._locked(request_id)
        self._proxy.follow(self._snapshot().sequence)
        fetched = self._proxy.fetch(lock.artifacts, lock.workspace, self._wheels, self._teller(request_id, "fetch"))
        base = self._base(definition)
        made = assemble(
            definition,
            lock,
            base.layout,
            self._wheel,
            cache=self._folder / "layers",
            out=self.layout(request_id),
            folder=self._settings.images / definition.name,
            debs=self._deb,
            progress=self._teller(request_id, "assemble"),
        )
        manifest, more = made.manifest, {}
        here = self._settings.images / definition.name
        if (here / FILE).is_file():
            above = build_dockerfile(
                here, Layout(self.layout(request_id)), lock.workspace, self._settings, room=self._folder / "room"
            )
            write_atomically(self._dockerfiled(above.manifest), above.canonical())
            manifest, more = above.manifest, {"dockerfile": above.model_dump(mode="json"), "size": above.size}
        body: dict[str, Any] = {
            **made.model_dump(mode="json"),
            **more,
            "manifest": manifest,
            "fetched": fetched,
            "base": base.model_dump(mode="json"),
        }
        self._portal.report(request_id, "assembled", {"assembly": body})
        return manifest

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

    def evidence(self, manifest: str) -> Path:
        """Return the folder of the documents that stay with an image, as its bills of materials."""
        return self._folder / "evidence" / manifest

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

    def push(self, request_id: str) -> Mapping[str, Any]:
        """Image → a reference by digest in the registry."""
        lock, definition = self._locked(request_id)
        if self._settings.registry is None:
            raise BadInputError("no registry is configured", where="SEKISHO_REGISTRY", todo="set it to host:port")
        pushed = push(
            Layout(self.layout(request_id)),
            self._settings.registry,
            f"{self._settings.repository_prefix}{definition.name}",
            tag=lock_digest(lock)[:12],
            whereabouts=Whereabouts(self._folder / "pushed.json"),
        )
        body = {**pushed.reference.plain(), "sent": pushed.sent, "skipped": pushed.skipped}
        self._portal.report(request_id, "delivered", {"image": body})
        return body

    def clear(self, request_id: str) -> None:
        """Remove the layout of an image that was pushed; its layers stay in the cache."""
        shutil.rmtree(self.layout(request_id), ignore_errors=True)
