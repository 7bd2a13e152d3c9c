"""What a request names for builds, held against the answer: what is built so, and against which releases of it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.version import Version

from sekisho.errors import UnresolvableError
from sekisho.model import Artifact, Closure, Request, normalize_project
from sekisho_builder.conda.provided import Provided

_WHERE = "extra-build-dependencies"


class Held(NamedTuple):
    """What a build is given beside what its source asks for, and what of the closure binds all that it is given.

    ``requirements`` are those that fit the target. ``constraints`` pin what the closure holds to its release,
    ``hashes`` to its file; ``built_with`` are the releases of just what was named.
    """

    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    hashes: Mapping[str, tuple[str, ...]] = {}
    built_with: Mapping[str, str] = {}


def check_extras(request: Request, closure: Closure) -> None:
    """Raise ``UnresolvableError`` where something is named for the build of what is not built."""
    files = {artifact.project: artifact for artifact in closure.of("pypi")}
    named = {_WHERE: request.extra_build_dependencies, "extra-build-variables": request.extra_build_variables}
    for where, project in ((where, project) for where, rows in named.items() for project in rows):
        file = files.get(project)
        if file is None:
            raise UnresolvableError(
                f"{project} is not in the answer, and something is named for its build",
                where=where,
                todo=f"ask for {project}, or leave it out of {where}; write its name as it is in the answer",
            )
        if not (file.build_only or file.built):
            raise UnresolvableError(
                f"{file.name} is not built from source: it has a wheel for the target, {file.filename}, which nothing"
                " that is named for its build could change",
                where=where,
                todo=f"leave {project} out of {where}, or ask for a release that is only there as source",
            )


def outdated(
    request: Request, closure: Closure, installed: Mapping[str, Provided] = MappingProxyType({})
) -> frozenset[str]:
    """Return the sha256 of wheels that were built against another release than is there.

    That is one of the closure, or one that a conda package brings (``installed``). Raises ``UnresolvableError`` for a
    wheel that the request does not say how to build anew.
    """
    releases = {name: str(Version(held.release)) for name, held in installed.items()}
    releases |= {artifact.project: artifact.release for artifact in closure.of("pypi")}
    found = set()
    for artifact in closure.of("pypi"):
        for project, release in artifact.built_with.items():
            if releases.get(project, release) == release:
                continue
            if request.for_build(artifact.project).recipe is None:
                raise UnresolvableError(
                    f"{artifact.name} was built against {project} {release}, and the answer holds {releases[project]}",
                    where=artifact.filename,
                    todo=f"ask for {project}=={release}, or name for {artifact.project} what it is to be built with"
                    f" ({_WHERE}), and it is built anew",
                )
            found.add(artifact.sha256)
    return frozenset(found)


def held_to(
    request: Request, source: Artifact, own: tuple[str, ...], closure: Closure, installed: Mapping[str, Provided]
) -> Held:
    """Return what the build of ``source`` is given, held to what runs beside it: what it is built against is there.

    ``own`` is what its build system asks for, which is left free; so is what says ``match-runtime = false``. Raises
    ``UnresolvableError`` where what is named cannot be what the closure holds.
    """
    fitting = [
        row
        for row in request.for_build(source.project).dependencies
        if request.target.fits(Requirement(row.requirement).marker)
    ]
    if not fitting:
        return Held()
    files = {artifact.project: artifact for artifact in closure.of("pypi")}
    built_with: dict[str, str] = {}
    for row in fitting:
        file = files.get(row.project)
        if row.match_runtime is not False and (file or row.project in installed or row.match_runtime):
            built_with[row.project] = _release(source, row.requirement, file, installed.get(row.project))
    free = {normalize_project("pypi", Requirement(text).name) for text in own}
    free |= {row.project for row in fitting if row.match_runtime is False} | {source.project}
    bound = {name: file for name, file in files.items() if not (name in free - built_with.keys() or _is_ours(file))}
    return Held(
        requirements=tuple(row.requirement for row in fitting),
        constraints=tuple(f"{name}=={file.release}" for name, file in sorted(bound.items())),
        hashes={name: (file.sha256,) for name, file in bound.items()},
        built_with=built_with,
    )


def _release(source: Artifact, text: str, file: Artifact | None, conda: Provided | None) -> str:
    """Return the release of the closure that a requirement is held to."""
    wanted, fault = Requirement(text), ""
    todo = f"name for {source.project} the release that is installed, or ask for the one that is named"
    if file is None and conda is None:
        fault, todo = "nothing of it is in the answer (match-runtime)", f"ask for {wanted.name}, too"
    elif file is None and conda is not None:
        fault = f"{conda.by.node} {conda.by.release} brings it, of a channel, and a build has wheels of indexes alone"
        todo = f"ask for {wanted.name} of an index"
    elif file is not None and _is_ours(file):
        fault, todo = "it is built from source itself, and no build waits for another", "ask for one that has a wheel"
    elif file is not None and not wanted.specifier.contains(file.release, prereleases=True):
        fault = f"the answer holds {file.release}: what is built against one release does not run with another"
        todo += "; with match-runtime = false it does not matter"
    if file is None or fault:
        raise UnresolvableError(
            f"{source.name} cannot be built with {wanted}: {fault}", where=f"{_WHERE} of {source.project}", todo=todo
        )
    return file.release


def _is_ours(file: Artifact) -> bool:
    return file.build_only or file.built is not None
