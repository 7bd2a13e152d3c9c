"""The files that a lock is written as: what each is called, who reads it, and which kinds of packages it can hold."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from sekisho.errors import ConflictError
from sekisho.lock.addresses import DoorAddress
from sekisho.lock.conda_lock import UNIFIED_FILE, to_conda_lock
from sekisho.lock.explicit import to_explicit
from sekisho.lock.pixi import to_pixi
from sekisho.lock.pylock import to_pylock
from sekisho.lock.requirements import LOCK_FILE, to_requirements
from sekisho.lock.value import Lock
from sekisho.model import Artifact, Kind

_BOTH: tuple[Kind, ...] = ("conda", "pypi")


class Format(NamedTuple):
    """One kind of file. ``reader`` says who installs from it."""

    file: str
    reader: str
    holds: tuple[Kind, ...]
    write: Callable[[Lock, DoorAddress], str]

    def left_out(self, lock: Lock) -> tuple[Artifact, ...]:
        """Return what a lock holds and this file cannot."""
        return tuple(artifact for artifact in lock.artifacts if artifact.kind not in self.holds)


FORMATS: Mapping[str, Format] = {
    "requirements": Format(LOCK_FILE, "pip, uv", ("pypi",), lambda lock, _: to_requirements(lock)),
    "pylock": Format("pylock.toml", "uv, pip", ("pypi",), to_pylock),
    "pixi": Format("pixi.lock", "pixi, py-rattler", _BOTH, to_pixi),
    "explicit": Format("conda-explicit.txt", "conda, mamba, micromamba", ("conda",), to_explicit),
    "conda-lock": Format(UNIFIED_FILE, "conda-lock, micromamba", _BOTH, to_conda_lock),
}
"""By the name that ``sekisho lock --format`` takes."""


def write_lock(lock: Lock, name: str, door: DoorAddress) -> str:
    """Write a lock in the format of this name; raise ``ConflictError`` if the file would hold nothing of it."""
    found = FORMATS[name]
    if not any(artifact.kind in found.holds for artifact in lock.artifacts):
        fitting = ", ".join(key for key, other in FORMATS.items() if not other.left_out(lock))
        raise ConflictError(
            f"{found.file} can hold nothing of lock {lock.name}", todo=f"write it in a format that can: {fitting}"
        )
    return found.write(lock, door.checked())
