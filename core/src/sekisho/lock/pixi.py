"""``pixi.lock``, version 7, as pixi and py-rattler read it: conda packages with their records, and wheels."""

from collections.abc import Iterator
from typing import Any

import yaml

from sekisho.lock.addresses import DoorAddress
from sekisho.lock.value import Lock
from sekisho.model import Artifact, conda_record

_VERSION = 7
_OF_A_RECORD = (
    "noarch", "sha256", "md5", "depends", "constrains", "track_features", "features", "license", "license_family",
    "size", "python_site_packages_path", "timestamp", "indexed_timestamp",
)  # fmt: skip
"""What the format keeps of a record; name, version, build and subdir are read from the address."""


def to_pixi(lock: Lock, door: DoorAddress) -> str:
    """Write a whole lock as ``pixi.lock`` with one environment, ``default``."""
    subdir = lock.target.subdir
    channels = sorted({package.source for package in lock.of("conda")})
    environment: dict[str, Any] = {"channels": [{"url": door.channel(source)} for source in channels]}
    if lock.of("pypi"):
        environment["indexes"] = [door.index]
    packages = [*sorted(lock.of("conda"), key=lambda package: package.path), *lock.of("pypi")]
    environment["packages"] = {subdir: [{_key(package): door.file(package)} for package in packages]}
    document = {
        "version": _VERSION,
        "platforms": [{"name": subdir}],
        "environments": {"default": environment},
        "packages": [dict(_row(package, door, lock)) for package in packages],
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000)


def _key(artifact: Artifact) -> str:
    return "conda" if artifact.kind == "conda" else "pypi"


def _row(artifact: Artifact, door: DoorAddress, lock: Lock) -> Iterator[tuple[str, Any]]:
    yield _key(artifact), door.file(artifact)
    if artifact.kind == "conda":
        record = conda_record(artifact)
        yield from ((key, record[key]) for key in _OF_A_RECORD if record.get(key) not in (None, [], ""))
        return
    yield "name", artifact.project
    yield "version", artifact.release
    yield "sha256", artifact.sha256
    if needs := sorted({edge.needs for edge in lock.edges if edge.project == artifact.project} - _conda_nodes(lock)):
        yield "requires_dist", needs
    if wanted := artifact.index.get("requires-python"):
        yield "requires_python", wanted


def _conda_nodes(lock: Lock) -> set[str]:
    return {package.node for package in lock.of("conda")}
