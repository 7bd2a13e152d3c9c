"""What a request need not say, because it shows: the workspace, the target, the image that somebody works in.

Each comes with what it was taken from, so that a wrong one is seen and corrected.
"""

import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from sekisho.cli.clients.door import Place
from sekisho.cli.clients.doors import workspaces
from sekisho.definitions import read_definition
from sekisho.errors import BadInputError, NotFoundError
from sekisho.model import Target
from sekisho.settings import Settings

GLIBC = "2.36"
"""That of the base images that are shipped."""

_ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
_VERSION = re.compile(r"^version(?:_info)?\s*=\s*(3\.\d+\.\d+)", re.MULTILINE)
_CONDA = re.compile(r"python-(3\.\d+\.\d+)-[^-]+\.json")
_Value_co = TypeVar("_Value_co", covariant=True)


class Inferred(NamedTuple, Generic[_Value_co]):
    """A value, and where it was seen."""

    value: _Value_co
    seen: str


def infer_workspace(settings: Settings, named: str | None, place: Place) -> Inferred[str]:
    """Return the workspace that is named, or set, or whose door pip or uv asks."""
    if named:
        return Inferred(named, "--workspace")
    if "workspace" in settings.model_fields_set:
        return Inferred(settings.workspace, "SEKISHO_WORKSPACE or the settings file")
    found = list(dict.fromkeys(workspaces(place)))
    if not found:
        return Inferred(settings.workspace, "no client here is pointed at a door")
    others = [f"{where} says {name}" for name, where in found if name != found[0][0]]
    return Inferred(found[0][0], "; but ".join([f"the door in {found[0][1]}", *others]))


def infer_target(
    python: str | None, glibc: str | None, arch: str | None, wants: str | None, place: Place
) -> Inferred[Target]:
    """Return the target that is named, or else this environment's. ``wants`` is what a file says of Python."""
    if python:
        named = {"python": python, "glibc": glibc or GLIBC, "arch": arch or "x86_64"}
        return Inferred(Target.parse(named, where="--python, --glibc and --arch"), "--python")
    here, seen = running(place)
    version, why = _version(here, wants)
    linux = platform.system() == "Linux"
    libc, number = platform.libc_ver()
    known = linux and libc == "glibc"
    if not known:
        why += f"; glibc {GLIBC} is a guess: it has {libc or 'another C library' if linux else 'no Linux'}"
    own = {
        "python": version,
        "glibc": glibc or (".".join(number.split(".")[:2]) if known else GLIBC),
        "arch": arch or (_ARCHITECTURES.get(platform.machine().lower(), "x86_64") if linux else "x86_64"),
    }
    return Inferred(Target.parse(own, where=seen), f"{seen}{why}")


def _version(here: str, wants: str | None) -> tuple[str, str]:
    """Return the Python to resolve for: the one that is here, or the lowest that a file is for."""
    try:
        allowed = SpecifierSet(wants or "")
    except InvalidSpecifier as error:
        raise BadInputError(f"a Python {wants!r} is none: {error}", todo="say which with --python 3.11.2") from error
    if allowed.contains(here, prereleases=True):
        return here, ""
    lowest = next((one for one in _pythons() if allowed.contains(one)), None)
    if lowest is None:
        raise BadInputError(f"no Python is {wants}", todo="say which with --python 3.11.2")
    return lowest, f"; it is {here}, and the file is for Python {wants}"


def _pythons() -> Iterator[str]:
    return (f"3.{minor}.{patch}" for minor in range(8, 30) for patch in range(40))


def infer_beside(settings: Settings, named: str | None) -> Inferred[str] | None:
    """Return the image that is named, or that this runs in."""
    if named:
        return Inferred(named, "--beside")
    return Inferred(settings.image, "SEKISHO_IMAGE, which the image sets") if settings.image else None


def target_of(settings: Settings, image: str) -> Inferred[Target] | None:
    """Return the target of an image, if its definition is here."""
    try:
        return Inferred(read_definition(settings.images, image).target, f"the definition of image {image}")
    except NotFoundError:
        return None


def running(place: Place) -> Inferred[str]:
    """Return the Python of the environment that is active, or lies here; else of the one that runs this.

    It is read from the environment's own files: nothing that merely lies in a folder is run.
    """
    for folder in _environments(place):
        if found := _in_environment(folder):
            return Inferred(found, f"the environment {folder}")
    return Inferred(".".join(map(str, sys.version_info[:3])), "the Python that runs this command")


def _environments(place: Place) -> Iterator[Path]:
    active = [place.environment.get(name) for name in ("VIRTUAL_ENV", "CONDA_PREFIX")]
    if any(active):
        return (Path(folder) for folder in active if folder)
    return (folder / ".venv" for folder in place.above())


def _in_environment(folder: Path) -> str | None:
    """Return the version that ``pyvenv.cfg`` (PEP 405) or conda's records state."""
    try:
        found = _VERSION.search((folder / "pyvenv.cfg").read_text())
        return found[1] if found else None
    except (OSError, ValueError):
        names = sorted(path.name for path in folder.glob("conda-meta/python-3*.json"))
        return next((found[1] for name in names if (found := _CONDA.fullmatch(name))), None)
