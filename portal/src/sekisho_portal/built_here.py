"""What a status says of wheels that are built here: those to come, and those that are there."""

from typing import Any

from sekisho.model import Build, Built


def told_of_build(build: Build) -> dict[str, Any]:
    """Return what a status says of a build to come."""
    return {
        "project": build.project,
        "requires": list(build.requires),
        "extra": list(build.extra),
        "variables": dict(build.variables),
        "built_with": dict(build.built_with),
        "packages": len(build.artifacts),
    }


def told_of(built: Built) -> dict[str, Any]:
    """Return what a status says of a wheel that was built here."""
    return {
        "filename": built.wheel.filename,
        "sha256": built.wheel.sha256,
        "source": built.source.filename,
        "source_sha256": built.source.sha256,
        "with": [one.name for one in built.requires],
        "extra": list(built.extra),
        "variables": dict(built.variables),
        "seconds": round((built.ended - built.begun).total_seconds()),
        "reproducible": built.reproducible,
        "differing": list(built.differing),
    }
