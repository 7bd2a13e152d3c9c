"""What conda packages bring that an index has, too: it counts as installed when the rest is resolved.

A conda package holds a project of an index where its inspection found that project's METADATA in it. What was not
inspected yet, or holds none, is told by its name: what needs Python mostly has the project's own name.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from sekisho.errors import UnresolvableError
from sekisho.model import Artifact, Request
from sekisho.model.match_spec import match_spec, needs_of

OTHERWISE_NAMED = {
    "brotli-python": "brotli",
    "dask-core": "dask",
    "faiss-cpu": "faiss-cpu",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "py-opencv": "opencv-python",
    "py-xgboost": "xgboost",
    "pyarrow-core": "pyarrow",
    "pytables": "tables",
    "python-graphviz": "graphviz",
    "python-tzdata": "tzdata",
    "pytorch": "torch",
    "seaborn-base": "seaborn",
    "torch-cpu": "torch",
}
"""Conda packages whose name is not their project's, of those that people ask for."""

_PYTHON = "python"


class Provided(NamedTuple):
    """A project of an index that a conda package of the closure holds."""

    project: str
    release: str
    by: Artifact


def provided(artifacts: Iterable[Artifact], known: Mapping[str, Mapping[str, str]]) -> dict[str, Provided]:
    """Return by project what conda packages hold; ``known`` are projects and releases by the sha256 of a package.

    What has no release that an index could have (PEP 440) is left out; see ``unmapped``.
    """
    found: dict[str, Provided] = {}
    for artifact in artifacts:
        for project, release in _held(artifact, known).items():
            if _is_version(release):
                found[project] = Provided(project, release, artifact)
    return found


def unmapped(artifacts: Iterable[Artifact], known: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return what may hold a project of an index that cannot be told: its release is none that an index has."""
    return sorted(
        artifact.name
        for artifact in artifacts
        if any(not _is_version(release) for release in _held(artifact, known).values())
    )


def _held(artifact: Artifact, known: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    if stated := known.get(artifact.sha256):
        return stated
    names = {spec.name for text in needs_of(artifact) if (spec := match_spec(text))}
    if artifact.project == _PYTHON or not names & {_PYTHON, "python_abi"}:
        return {}
    name = OTHERWISE_NAMED.get(artifact.project, artifact.project)
    return {canonicalize_name(name): artifact.release}


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def beside(request: Request, artifacts: Iterable[Artifact]) -> Request:
    """Return a request for the rest: on the Python that the conda packages bring, without their match specs."""
    python = next((row.release for row in artifacts if row.project == _PYTHON), None)
    target = request.target.model_copy(update={"python": python}) if python else request.target
    return request.model_copy(update={"conda": (), "channels": (), "target": target})


def check_asked_once(request: Request, found: Mapping[str, Provided]) -> None:
    """Raise ``UnresolvableError`` for what was asked for of an index and is there by a conda package already."""
    for kind, project in sorted(request.asked()):
        if kind == "pypi" and project in found:
            held = found[project]
            raise UnresolvableError(
                f"{project} is asked for of an index, and {held.by.node} {held.by.release} has it already",
                where=f"requirements: {', '.join(request.requirements)}",
                todo=f"ask for {project} once: leave it out of the requirements, or ask for conda packages without it",
            )
