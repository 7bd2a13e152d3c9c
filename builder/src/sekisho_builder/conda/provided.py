"""What conda packages bring that an index has, too: it counts as installed when the rest is resolved.

Which projects a conda package holds is told by the METADATA that its inspection found in it, and by no likeness of
names: ``pytorch`` holds ``torch``, and ``tzdata`` does not hold ``tzdata``.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from packaging.version import InvalidVersion, Version

from sekisho.errors import UnresolvableError
from sekisho.model import Artifact, Facts, Request

_PYTHON = "python"


class Provided(NamedTuple):
    """A project of an index that a conda package of the closure holds."""

    project: str
    release: str
    by: Artifact


def provided(artifacts: Iterable[Artifact], facts: Iterable[Facts]) -> dict[str, Provided]:
    """Return by project what conda packages hold; ``facts`` are those of all of them.

    What has no release that an index could have (PEP 440) is left out: see ``unmapped``.
    """
    known = {found.sha256: found for found in facts}
    return {
        one.project: Provided(one.project, one.release, artifact)
        for artifact in artifacts
        for one in known[artifact.sha256].contains
        if _is_version(one.release)
    }


def unmapped(facts: Iterable[Facts]) -> list[str]:
    """Return what conda packages hold under a release that no index can have: nothing is held to it."""
    return sorted(
        f"{one.project} {one.release}" for found in facts for one in found.contains if not _is_version(one.release)
    )


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except (InvalidVersion, ValueError):
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
