"""From an approved closure to an image in the registry."""

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sekisho.definitions import definition_for, read_definition
from sekisho.errors import BadInputError
from sekisho.lock import lock_digest, make_lock
from sekisho.store import write_atomically
from sekisho_builder.assemble import assemble
from sekisho_builder.base import open_base
from sekisho_builder.base.debian import build_root
from sekisho_builder.building import Workshop, build_all
from sekisho_builder.dockerfile import FILE, build_dockerfile
from sekisho_builder.oci import Layout, Whereabouts, push
from sekisho_builder.stages.gating import Gating


class Delivering(Gating):
    """The stages after an approval: what is built from source, then lock, assemble, gate, push."""

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

    def lock(self, request_id: str) -> None:
        """Closure and approvals → lock."""
        request, closure = self._records(request_id)
        snapshot = self._snapshot()
        snapshot.policy.check_image(request.workspace, request.image)
        approvals = (signed.approval for signed in snapshot.approvals)
        name = request.image or request_id
        lock = make_lock(name, closure, approvals, workspace=request.workspace, now=datetime.now(UTC))
        self._portal.report(request_id, "locked", {"lock": lock.plain()})

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
            with self._dockerfiles:
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
