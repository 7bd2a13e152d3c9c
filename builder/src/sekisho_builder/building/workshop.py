"""Builds the sources of one closure, and keeps what was built by all that it depends on."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sekisho.containers import DockerContainers
from sekisho.errors import BadInputError
from sekisho.model import (
    Artifact,
    Build,
    BuildSystem,
    Built,
    Closure,
    Facts,
    ImageDefinition,
    canonical_json,
    sha256_hex,
)
from sekisho.settings import Settings
from sekisho.store import BlobStore, chunks, write_atomically
from sekisho_builder import __version__
from sekisho_builder.base import Base
from sekisho_builder.building.make import ENVIRONMENT, Limits, Recipe, make_wheel, wheel_of
from sekisho_builder.building.room import assemble_room, entered, room_definition

_RUNNER = "1"
"""Part of the key under which wheels are kept; a change here builds everything again."""

OpenBase = Callable[[ImageDefinition], Base]


class Workshop(NamedTuple):
    """Where wheels are built: ``folder`` is the builder's, ``store`` has every file that a build needs."""

    settings: Settings
    folder: Path
    store: BlobStore
    open_base: OpenBase

    def build(self, build: Build, closure: Closure, definition: ImageDefinition, facts: Facts) -> Built:
        """Build the wheel of one source; what was built of the same things before is not built again.

        Raises ``BadInputError`` for source that does not say how it is built, and what the build itself raises.
        """
        source = next((one for one in closure.artifacts if one.sha256 == build.sdist), None)
        if source is None or facts.build is None:
            raise BadInputError(f"the source of {build.project} does not say how it is built", where=build.project)
        room = room_definition(definition, build)
        base = self.open_base(room)
        parts: list[object] = [_RUNNER, source.sha256, [one.sha256 for one in build.artifacts], base.manifest]
        if build.recipe:
            parts.append([build.recipe, dict(build.built_with)])
        key = sha256_hex(canonical_json(parts))
        kept = self.folder / "built" / f"{key}.json"
        if kept.exists():
            found = Built.parse_json(kept.read_bytes(), where=str(kept))
            if self.store.has(found.wheel.sha256):
                return found
        built = self._build(build, closure, room, base, source, facts.build)
        write_atomically(kept, built.canonical())
        return built

    def _build(
        self,
        build: Build,
        closure: Closure,
        room: ImageDefinition,
        base: Base,
        source: Artifact,
        system: BuildSystem,
    ) -> Built:
        containers = DockerContainers(owner=self.settings.owner)
        recipe = Recipe(system, build.variables, Limits(self.settings.build_timeout, self.settings.build_memory))
        with tempfile.TemporaryDirectory(prefix=".building-", dir=self.folder) as made_in:
            folder = Path(made_in)
            layout = assemble_room(
                room, build, closure, base.layout, self._path, cache=self.folder / "layers", out=folder / "room"
            )
            manifest = layout.manifest_sha256
            with entered(layout, containers, folder / "room.tar") as image:
                made = make_wheel(source, recipe, self._path(source), image, containers, folder)
            wheel = wheel_of(source, made, closure.target, build)
            self.store.add(chunks(made.path), expected=wheel.sha256)
        return Built(
            wheel=wheel,
            source=source,
            requires=build.artifacts,
            base=base.manifest,
            room=manifest,
            runner=f"sekisho-builder {__version__}",
            environment={**build.variables, **ENVIRONMENT, "SOURCE_DATE_EPOCH": str(made.epoch)},
            extra=build.extra,
            variables=build.variables,
            reproducible=not made.differing,
            differing=made.differing,
            begun=made.begun,
            ended=made.ended,
        )

    def _path(self, artifact: Artifact) -> Path:
        return self.store.path(artifact.sha256)
