"""The room that a wheel is built in: a base, and above it the wheels that the build system and the request ask for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sekisho.containers import DockerContainers
from sekisho.lock import Lock
from sekisho.model import Build, Closure, ImageDefinition
from sekisho_builder.assemble import assemble
from sekisho_builder.assemble.planning import Wheels
from sekisho_builder.oci import Layout, to_docker_archive

NAME = "build"
_NEVER = 'python_version < "3"'
"""A definition asks for something; this is how it asks for nothing."""


def room_definition(definition: ImageDefinition, build: Build) -> ImageDefinition:
    """Return what a room is made from: of a definition only its base and its target count."""
    base = definition.build_base or definition.base
    requirements = (*build.requires, *build.extra) or (f"{build.project}; {_NEVER}",)
    return ImageDefinition(name=NAME, base=base, target=definition.target, requirements=requirements)


def assemble_room(
    definition: ImageDefinition, build: Build, closure: Closure, base: Layout, wheels: Wheels, *, cache: Path, out: Path
) -> Layout:
    """Write the room's image into ``out``; see ``assemble``."""
    lock = Lock(
        name=NAME,
        closure=closure.digest(),
        workspace="everyone",
        target=definition.target,
        direct=definition.requirements,
        approvals=(),
        artifacts=build.artifacts,
    )
    assemble(definition, lock, base, wheels, cache=cache, out=out)
    return Layout(out)


@contextmanager
def entered(layout: Layout, containers: DockerContainers, archive: Path) -> Iterator[str]:
    """Give the engine's name of a room, which the engine forgets afterwards."""
    try:
        image = containers.load(to_docker_archive(layout, archive))
    finally:
        archive.unlink(missing_ok=True)
    try:
        yield image
    finally:
        containers.remove(image)
