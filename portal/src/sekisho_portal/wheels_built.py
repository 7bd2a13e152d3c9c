"""What the builder reports of sources and of wheels that it built from them, beside what was approved. Pure."""

from typing import Any

from sekisho.errors import BadInputError
from sekisho.model import Built, Closure, Request
from sekisho_portal.standing import Standing


def check_builds(closure: Closure) -> None:
    """Raise ``BadInputError`` unless exactly the sources in a closure have a build."""
    sources = {artifact.sha256: artifact.project for artifact in closure.artifacts if artifact.build_only}
    if len(closure.builds) != len(sources) or sources != {one.sdist: one.project for one in closure.builds}:
        raise BadInputError("the closure's builds are not those of its sources", where="report")
    if any(artifact.build_only or artifact.built for one in closure.builds for artifact in one.artifacts):
        raise BadInputError("a build would need another build", where="report")


def check_extras(request: Request, closure: Closure, where: str) -> None:
    """Raise ``BadInputError`` unless builds are given what the request names for them, and nothing else."""
    for build in closure.builds:
        extra = request.for_build(build.project)
        named = {row.requirement for row in extra.dependencies}
        same = (build.recipe, dict(build.variables)) == (extra.recipe, dict(extra.variables))
        if not same or not named.issuperset(build.extra):
            raise BadInputError(f"the build of {build.project} is not what the request says of it", where=where)


def check_built(body: dict[str, Any]) -> None:
    """Raise ``BadInputError`` unless a report holds what was built, and facts of exactly that."""
    closure = Closure.parse(body["closure"], where="report")
    if not isinstance(body["built"], list) or not body["built"]:
        raise BadInputError("nothing was built", where="report")
    rows = {built.wheel.sha256: built for built in (Built.parse(value, where="report") for value in body["built"])}
    wheels = {artifact.sha256: artifact for artifact in closure.artifacts}
    if {facts["sha256"] for facts in body["facts"]} != rows.keys():
        raise BadInputError("the facts are not those of what was built", where="report")
    if any(wheels.get(built.wheel.sha256) != built.wheel or not _is_of(built) for built in rows.values()):
        raise BadInputError("what was built is not in the closure", where="report")


def _is_of(built: Built) -> bool:
    """Tell whether wheel and source are of one release, and the wheel says that it was made from just that source."""
    wheel, source = built.wheel, built.source
    same = (wheel.source, wheel.project, wheel.release) == (source.source, source.project, source.release)
    return same and wheel.built == source.sha256 and wheel.filename.endswith(".whl")


def check_exchange(standing: Standing, body: dict[str, Any]) -> None:
    """Raise ``BadInputError`` if more than each source was exchanged for a wheel that was built from just that.

    What it was built with, and what it was told, has to be what was approved for that.
    """
    before, after = standing.closure(), Closure.parse(body["closure"], where="report")
    rows = [Built.parse(value, where="report") for value in body["built"]]
    wheels = {built.source.sha256: built.wheel for built in rows}
    used = {built.source.sha256: {one.sha256 for one in built.requires} for built in rows}
    if before is None:
        raise BadInputError("there was no closure to build for", where=f"request {standing.id}")
    named = {one.sdist: {file.sha256 for file in one.artifacts} for one in before.builds}
    exchanged = tuple(wheels.get(artifact.sha256, artifact) for artifact in before.artifacts)
    wanted = before.model_copy(update={"artifacts": exchanged, "builds": ()})
    ways = {one.sdist: (one.extra, one.variables, one.recipe, one.built_with) for one in before.builds}
    taken = {one.source.sha256: (one.extra, one.variables, one.wheel.recipe, one.wheel.built_with) for one in rows}
    told = all(one.variables.items() <= one.environment.items() for one in rows)
    if used != named or after != wanted or taken != ways or not told:
        raise BadInputError("what was built is not what was approved to be built", where=f"request {standing.id}")
