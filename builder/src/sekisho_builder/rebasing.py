"""Put a new base under images that were delivered, one after the other, by the same stages that made them.

Whatever it is killed at, the next run finds done what was done: a stage names its results by digest, and an image
counts as rebased once the ledger says so.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from sekisho.client import PortalClient, PortalSilentError
from sekisho.definitions import read_definition
from sekisho.errors import ConflictError, SekishoError
from sekisho.keys import load_trust
from sekisho.lock import Lock, make_lock
from sekisho.model import Closure
from sekisho.policy import SealedSnapshot, open_snapshot
from sekisho.settings import Settings
from sekisho_builder.base import Base, open_base
from sekisho_builder.base.inside import Inside, look_inside
from sekisho_builder.oci import Layout
from sekisho_builder.proxy import Proxy, ProxySilentError
from sekisho_builder.rebase import (
    Rebased,
    Standing,
    check_base,
    check_dockerfile,
    check_layers,
    check_reviewed,
    chosen,
    context_of,
    outcome_of,
    standing_images,
)
from sekisho_builder.stages import Stages

Told = Callable[[Rebased], None]


class Gathering(PortalClient):
    """A portal to which stages report: what they say is kept here, to be one row of the ledger in the end."""

    def __init__(self, url: str, token: str | None, *, ca: Path | None = None) -> None:
        super().__init__(url, token, direct=True, ca=ca)
        self.said: dict[str, dict[str, Any]] = {}

    def report(self, request: str, kind: str, body: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
        """Keep a result; progress is for nobody."""
        if kind != "progress":
            self.said[kind] = body
        return {"id": request}

    def tell(self, request: str, kind: str, body: dict[str, Any]) -> None:
        """Report to the real portal."""
        super().report(request, kind, body)


def rebase(settings: Settings, token: str, names: Sequence[str], told: Told) -> list[Rebased]:
    """Rebase the images of these names, all without any; ``told`` hears of each as it ends.

    An image that cannot be rebased stays as it is, and the next one is tried. Raises ``ConflictError`` while another
    rebase runs, ``PortalSilentError`` and ``ProxySilentError`` when there is nobody to work with.
    """
    found: list[Rebased] = []
    with _alone(settings.data / "builder"), Gathering(settings.portal, token, ca=settings.trusted_ca) as portal:
        proxy = Proxy(settings.proxy, token, ca=settings.trusted_ca)
        try:
            stages = Stages(settings, portal, proxy)
            for image in chosen(standing_images(portal.requests()), names):
                found.append(_one(settings, portal, stages, image))
                told(found[-1])
        finally:
            proxy.close()
    return found


def _one(settings: Settings, portal: Gathering, stages: Stages, image: Standing) -> Rebased:
    portal.said.clear()
    base = image.base
    try:
        definition = read_definition(settings.images, image.image)
        opened = open_base(definition, settings.images, settings)
        check_reviewed(image, definition.base.debian, opened.relocked)
        base = opened.manifest
        if base == image.base:
            return Rebased(image.image, image.workspace, image.request, "unchanged", base, image.manifest)
        lock = _still_approved(settings, portal, image)
        check_base(definition, lock, _inside(opened.folder))
        manifest = _deliver(portal, stages, image, opened)
    except (PortalSilentError, ProxySilentError):
        raise
    except SekishoError as error:
        return _kept(portal, image, base, error)
    return Rebased(image.image, image.workspace, image.request, "done", base, manifest)


def _still_approved(settings: Settings, portal: Gathering, image: Standing) -> Lock:
    """Return the image's lock; raise ``RefusedError`` if anything in it is approved no more."""
    records = portal.records(image.request)
    where = f"records of {image.request}"
    sealed = SealedSnapshot.parse(portal.snapshot(), where="policy snapshot")
    approvals = [signed.approval for signed in open_snapshot(sealed, load_trust(settings.trust_file)).approvals]
    closure = Closure.parse(records["closure"], where=where)
    make_lock(image.image, closure, approvals, workspace=image.workspace, now=datetime.now(UTC))
    return Lock.parse(records["lock"], where=where)


@lru_cache(maxsize=16)
def _inside(folder: Path) -> Inside:
    return look_inside(Layout(folder))


def _deliver(portal: Gathering, stages: Stages, image: Standing, base: Base) -> str:
    """Assemble, gate, push and record; return the new manifest."""
    manifest = stages.assemble(image.request)
    assembly = portal.said["assembled"]["assembly"]
    check_dockerfile(image, context_of(assembly))
    check_layers(image, [layer["sha256"] for layer in assembly["layers"]], len(base.layout.layers))
    stages.gate(image.request, manifest)
    pushed = stages.push(image.request)
    gates = portal.said["gated"]["gates"]
    body = {"before": image.manifest, "assembly": assembly, "gates": gates, "image": dict(pushed)}
    portal.tell(image.request, "rebased", body)
    stages.clear(image.request)
    return manifest


def _kept(portal: Gathering, image: Standing, base: str, error: SekishoError) -> Rebased:
    """Record why an image stays on its base."""
    gates = portal.said.get("gated", {}).get("gates")
    outcome = outcome_of(error, gates)
    portal.tell(image.request, "not-rebased", {"base": base, "gates": gates, "problem": error.diagnostics()})
    return Rebased(image.image, image.workspace, image.request, outcome, base, image.manifest, str(error))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Be the only rebase of this installation; the kernel gives the lock back however this process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / "rebase.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ConflictError("another rebase is running", where=str(folder), todo="wait for its end") from error
    finally:
        os.close(handle)
