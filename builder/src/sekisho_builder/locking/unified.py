"""The unified lock (CEP 37), written by conda-lock itself, without any conda executable.

It is led to one door: channels and index are the door's, the public index is switched off, what conda packages are
called in the index is a file of ours, and what it takes for conda is ``sekisho-conda``. What it says at its end is not
trusted: the file that it wrote is the answer.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from sekisho.bare import bare
from sekisho.errors import BadInputError, RefusedError, SekishoError, UnresolvableError, UpstreamError
from sekisho.lock import UNIFIED_FILE, Answer, DoorAddress, LockedRow, Pinned, ToLock, read_conda_lock
from sekisho.model import Kind, Target
from sekisho_builder.locking.room import Room, requirements_of
from sekisho_builder.programs import Said

RUN = (sys.executable, "-m", "sekisho_builder.locking.as_conda_lock")
"""What runs conda-lock: its first argument is the target's C library, and all others are conda-lock's."""

_LOOK_ALIKE = "sekisho-conda"
_KINDS: Mapping[str, Kind] = {"conda": "conda", "pip": "pypi"}
_PIP_FAILED = re.compile(
    r"^[\w.]*(?:SolverProblemError|SolveFailure\w*|PackageNotFound\w*|RuntimeError(?=: Unable to find installation)): *"
    r"(.*?)(?:\n\n|\Z)",
    re.DOTALL | re.MULTILINE,
)
_DUMMY = "-dummy-package-"
"""What conda-lock calls the whole of what is asked for, where Poetry explains why nothing fits."""

_LAST = 12


def conda_lock(
    asked: ToLock, door: DoorAddress, *, token: str | None, ca: Path | None, program: Sequence[str] = RUN
) -> Answer:
    """Have conda-lock lock conda packages and wheels together; ``text`` is the file that it wrote."""
    if asked.constraints:
        raise BadInputError(
            "conda-lock knows no constraints", where=asked.constraints[0][:120], todo="ask for the releases themselves"
        )
    if not asked.conda:
        raise BadInputError(
            "nothing of a channel is asked for", todo="use the engine uv, or ask for python of a channel, too"
        )
    with Room(token=token, ca=ca) as room:
        out = room.folder / UNIFIED_FILE
        done = room.run((*program, *_arguments(asked, door, room, out, has_token=token is not None)))
        text = out.read_text() if out.is_file() else ""
        if not text:
            raise _explained(done)
    resolver = f"conda-lock {version('conda-lock')}"
    rows = read_conda_lock(text, platform=asked.target.subdir, where=UNIFIED_FILE)
    _check_addresses(rows, door)
    packages = tuple(
        Pinned(kind=_KINDS[row.manager], project=row.name, release=row.release, hashes=(row.sha256,)) for row in rows
    )
    return Answer(resolver=resolver, packages=packages, text=text)


def _arguments(asked: ToLock, door: DoorAddress, room: Room, out: Path, *, has_token: bool) -> Sequence[str]:
    environment = room.write("environment.yml", yaml.safe_dump(_environment(asked, door, has_token=has_token)))
    virtual = room.write("virtual-packages.yml", yaml.safe_dump({"subdirs": _virtual(asked.target)}))
    names = room.write("names.json", json.dumps(dict(_names(asked.names))))
    return (
        asked.target.glibc, "lock",
        "--conda", str(Path(sys.executable).with_name(_LOOK_ALIKE)), "--no-mamba", "--no-micromamba",
        "--file", str(environment), "--lockfile", str(out), "--platform", asked.target.subdir,
        "--virtual-package-spec", str(virtual), "--pypi_to_conda_lookup_file", f"file://{names}",
    )  # fmt: skip


def _environment(asked: ToLock, door: DoorAddress, *, has_token: bool) -> dict[str, Any]:
    wheels = requirements_of(asked)
    dependencies: list[Any] = list(asked.conda)
    if wheels:
        dependencies.append({"pip": list(wheels)})
    return {
        "channels": [door.channel(source, logged_in=has_token) for source in asked.channels],
        "pip-repositories": [door.index_of(logged_in=has_token)],
        "allow-pypi-requests": False,
        "platforms": [asked.target.subdir],
        "dependencies": dependencies,
    }


def _virtual(target: Target) -> dict[str, Any]:
    """Return what is there on the target, as conda-lock reads it: a build only where it says something."""
    packages = {name: f"{release} {build}".removesuffix(" 0") for name, release, build in target.virtual}
    return {target.subdir: {"packages": packages}}


def _names(names: Mapping[str, Sequence[str]]) -> Mapping[str, Mapping[str, str]]:
    """Return conda-lock's own form of the map, by project of the index; where several packages hold one, the first."""
    found: dict[str, Mapping[str, str]] = {}
    for conda in sorted(names):
        for project in names[conda]:
            found.setdefault(project, {"conda_name": conda, "pypi_name": project, "import_name": project})
    return found


def _check_addresses(rows: Sequence[LockedRow], door: DoorAddress) -> None:
    """Raise ``RefusedError`` for a package that does not come from the door."""
    wanted = urlsplit(door.origin).netloc
    for row in rows:
        if urlsplit(row.url).netloc.rpartition("@")[2] != wanted:
            raise RefusedError(f"{row} comes from elsewhere than the door", where=bare(row.url)[:200])


def _explained(done: Said) -> SekishoError:
    """Turn conda-lock's last words into an error: the solver's reason, of the conda part or of the pip part."""
    said = bare(done.errors + done.output)
    for line in said.splitlines():
        if line.startswith('{"success": false'):
            problem = json.loads(line)
            leaf = {one.code: one for one in (UnresolvableError, BadInputError)}.get(problem["error"], UpstreamError)
            return leaf(problem["what"], where="the conda part", todo=problem["todo"])
    if found := _PIP_FAILED.search(said):
        return UnresolvableError(
            found[1].strip().replace(_DUMMY, "the request")[:2000],
            where="the pip part",
            todo="have what it names approved, or change what it names",
        )
    lines = [line.rstrip() for line in said.splitlines() if line.strip()]
    return UpstreamError("conda-lock could not answer: " + "\n".join(lines[-_LAST:]), where="the door")
