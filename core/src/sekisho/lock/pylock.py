"""``pylock.toml`` (PEP 751): what pip and uv install from one file, addresses included."""

import json
from collections.abc import Iterator, Mapping

from sekisho.lock.addresses import DoorAddress
from sekisho.lock.value import Lock
from sekisho.model import Artifact, Target

_VERSION = "1.0"


def to_pylock(lock: Lock, door: DoorAddress) -> str:
    """Write what a lock has of an index as ``pylock.toml``, with one wheel for each package."""
    head: dict[str, str | list[str]] = {
        "lock-version": _VERSION,
        "environments": [_marker(lock.target)],
        "requires-python": f"=={'.'.join(map(str, lock.target.python_minor))}.*",
        "created-by": "sekisho",
    }
    lines = [f"{key} = {_toml(value)}" for key, value in head.items()]
    below = _needs(lock)
    for artifact in lock.of("pypi"):
        lines += ["", *_package(artifact, door, below.get(artifact.project, ()))]
    lines += ["", "[tool.sekisho]", *(f"{key} = {_toml(value)}" for key, value in _ours(lock).items())]
    return "\n".join(lines) + "\n"


def _marker(target: Target) -> str:
    minor = ".".join(map(str, target.python_minor))
    return (
        f"implementation_name == 'cpython' and python_version == '{minor}' and sys_platform == '{target.os}'"
        f" and platform_machine == '{target.arch}'"
    )


def _ours(lock: Lock) -> dict[str, str | list[str]]:
    return {"name": lock.name, "target": str(lock.target), "requirements": list(lock.direct)}


def _needs(lock: Lock) -> Mapping[str, tuple[str, ...]]:
    """Return by project what it needs of the same index; of a channel's packages this format knows nothing."""
    here = {artifact.project for artifact in lock.of("pypi")}
    found: dict[str, tuple[str, ...]] = {}
    for edge in lock.edges:
        if edge.project in here and edge.needs in here:
            found[edge.project] = (*found.get(edge.project, ()), edge.needs)
    return found


def _package(artifact: Artifact, door: DoorAddress, needs: tuple[str, ...]) -> Iterator[str]:
    yield "[[packages]]"
    yield f"name = {_toml(artifact.project)}"
    yield f"version = {_toml(artifact.release)}"
    if wanted := artifact.index.get("requires-python"):
        yield f"requires-python = {_toml(wanted)}"
    if needs:
        yield f"dependencies = [{', '.join(f'{{name = {_toml(name)}}}' for name in needs)}]"
    yield f"index = {_toml(door.index)}"
    yield "[[packages.wheels]]"
    yield f"name = {_toml(artifact.filename)}"
    if artifact.uploaded:
        yield f"upload-time = {artifact.uploaded.isoformat().replace('+00:00', 'Z')}"
    yield f"url = {_toml(door.file(artifact))}"
    yield f"size = {artifact.size}"
    yield f"hashes = {{sha256 = {_toml(artifact.sha256)}}}"


def _toml(value: str | list[str]) -> str:
    """Write a string, or a list of them, as TOML 1.0: JSON's escapes are among its own, but for U+007F."""
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
