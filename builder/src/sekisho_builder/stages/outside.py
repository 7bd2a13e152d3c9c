"""What every stage works on, and where it keeps what it makes."""

import shutil
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sekisho.client import PortalClient
from sekisho.definitions import read_definition
from sekisho.errors import ConflictError
from sekisho.keys import load_trust
from sekisho.lock import Lock
from sekisho.model import Artifact, Closure, ImageDefinition, Request
from sekisho.policy import SealedSnapshot, Snapshot, open_snapshot
from sekisho.settings import Settings
from sekisho.store import BlobStore
from sekisho.turn import Turn
from sekisho_builder.base import Base, open_base
from sekisho_builder.base.debian import build_root
from sekisho_builder.base.debian_choice import fetch_deb
from sekisho_builder.base.debian_lock import LockedDeb
from sekisho_builder.conda import SolverProcess
from sekisho_builder.programs import Programs
from sekisho_builder.proxy import Proxy

_TELL_EVERY = 0.25
"""Seconds between two reports of progress."""

_ABANDONED = 86400.0
"""Seconds after which the layout of an image that was never pushed goes."""


class Outside:
    """The outside of all stages: the portal, the proxy, the programs that they run, a folder.

    Whoever has loaded an image into the engine removes it afterwards, so two that would load the same one take turns:
    also a rebase, which is another process.
    """

    def __init__(self, settings: Settings, portal: PortalClient, proxy: Proxy) -> None:
        self._settings = settings
        self._portal = portal
        self._proxy = proxy
        self._folder = settings.data / "builder"
        self._wheels = BlobStore(self._folder / "wheels")
        self._wheels.sweep()
        self._programs = Programs()
        self._conda = SolverProcess(ca=settings.trusted_ca)
        self._stopped = threading.Event()
        self._gating = Turn(self._folder / "gating.lock")
        self._dockerfiles = Turn(self._folder / "dockerfiles.lock")
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
        self._conda.end()
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

    def _locked(self, request_id: str) -> tuple[Lock, ImageDefinition]:
        found = self._portal.records(request_id)
        if found["lock"] is None:
            raise ConflictError(f"request {request_id} has no lock yet")
        lock = Lock.parse(found["lock"], where=f"lock of {request_id}")
        asked = Request.parse(found["request"], where=f"request {request_id}")
        definition = read_definition(self._settings.images, lock.name)
        wanted = (definition.requirements, definition.conda, definition.target, definition.resolve_before)
        same = (lock.direct, lock.conda, lock.target, lock.resolve_before) == wanted
        extra = (definition.extra_build_dependencies, definition.extra_build_variables)
        same = same and (asked.extra_build_dependencies, asked.extra_build_variables) == extra
        if not same or asked.channels != tuple(dict.fromkeys(definition.channels)):
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

    def evidence(self, manifest: str) -> Path:
        """Return the folder of the documents that stay with an image, as its bills of materials."""
        return self._folder / "evidence" / manifest
