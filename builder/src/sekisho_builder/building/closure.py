"""A closure with source in it → the same with wheels, each built, inspected, and held against what its source said."""

from collections.abc import Callable
from typing import Any, NamedTuple

from packaging.requirements import Requirement

from sekisho.errors import ConflictError, UnresolvableError
from sekisho.model import Artifact, Built, Closure, Facts, ImageDefinition, Slug, normalize_project
from sekisho_builder.building.workshop import Workshop
from sekisho_builder.proxy import Proxy

Told = Callable[[int, int], None]


class Made(NamedTuple):
    """The closure with wheels, and of each how it was built and what was found in it."""

    closure: Closure
    built: tuple[Built, ...]
    facts: tuple[Facts, ...]

    def plain(self) -> dict[str, Any]:
        """Return the body of a report."""
        return {
            "closure": self.closure.plain(),
            "facts": [found.plain() for found in self.facts],
            "built": [one.plain() for one in self.built],
        }


def build_all(
    closure: Closure,
    workspace: Slug,
    definition: ImageDefinition,
    workshop: Workshop,
    proxy: Proxy,
    teller: Callable[[str], Told],
) -> Made:
    """Build every source of an approved closure, one at a time; what a build needs comes through the workspace's door.

    Raises ``UnresolvableError`` for a wheel that needs what its source did not say, and what building raises.
    """
    needed = {one.sdist for one in closure.builds} | {file.sha256 for one in closure.builds for file in one.artifacts}
    files = [file for file in closure.files if file.sha256 in needed]
    proxy.fetch(files, workspace, workshop.store, teller("fetch"))
    sources = [artifact for artifact in closure.artifacts if artifact.build_only]
    said = {found.sha256: found for found in proxy.inspect(sources, _silent)[0]}
    told = teller("build")
    built: list[Built] = []
    facts: list[Facts] = []
    for number, build in enumerate(closure.builds):
        told(number, len(closure.builds))
        one = workshop.build(build, closure, definition, said[build.sdist])
        proxy.take_in(workshop.store.path(one.wheel.sha256), one.wheel.sha256)
        found = proxy.inspect([one.wheel], _silent)[0][0]
        built.append(one.model_copy(update={"wheel": found.complete(one.wheel)}))
        facts.append(found)
    told(len(built), len(built))
    after = exchange(closure, built)
    for one, found in zip(built, facts, strict=True):
        check_needs(one.wheel, found, after)
    return Made(after, tuple(built), tuple(facts))


def _silent(_done: int, _total: int) -> None:
    pass


def exchange(closure: Closure, built: list[Built]) -> Closure:
    """Return a closure with wheels in place of all its sources; raise ``ConflictError`` if one is missing."""
    wheels = {one.source.sha256: one.wheel for one in built}
    if missing := [build.project for build in closure.builds if build.sdist not in wheels]:
        raise ConflictError(f"{missing[0]} was not built")
    artifacts = tuple(wheels.get(artifact.sha256, artifact) for artifact in closure.artifacts)
    return closure.model_copy(update={"artifacts": artifacts, "builds": ()})


def check_needs(wheel: Artifact, facts: Facts, closure: Closure) -> None:
    """Raise ``UnresolvableError`` if a wheel needs what its source did not say, and the closure does not hold it."""
    releases = {artifact.project: artifact.release for artifact in closure.artifacts}
    for text in facts.requires:
        wanted = Requirement(text)
        if (wanted.marker and "extra" in str(wanted.marker)) or not closure.target.fits(wanted.marker):
            continue
        release = releases.get(normalize_project("pypi", wanted.name))
        if release is None or not wanted.specifier.contains(release, prereleases=True):
            raise UnresolvableError(
                f"the wheel that was built needs {wanted}, which its source did not say",
                where=wheel.filename,
                todo=f"ask for {wanted.name} beside {wheel.project}",
            )
