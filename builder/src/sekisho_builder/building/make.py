"""The runner's way from source to a wheel: twice, in containers that differ in what must not matter.

The room is the base with the wheels that the build system and the request ask for, assembled like any image. Nothing in
it can be written but memory and one file, there is no network and no credential, and time, memory and output have an
end.
"""

import json
import re
import secrets
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion

from sekisho.errors import BadInputError, SekishoError
from sekisho.model import Artifact, Build, BuildSystem, Target, canonical_json, sha256_hex
from sekisho.model.tags import wheel_tags
from sekisho.ports import Containers, ContainerTask, Mount
from sekisho.store import file_sha256
from sekisho_builder.building.compare import differing

ENVIRONMENT: Mapping[str, str] = {
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "PATH": "/opt/venv/bin:/usr/local/bin:/usr/bin:/bin",
    "PIP_NO_INDEX": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "TZ": "UTC",
}
"""All that a build is told, beside what a request names, with ``SOURCE_DATE_EPOCH``: the newest time in the source."""

LARGEST = 4 << 30
"""Bytes of one file: a zip without extensions holds no more."""

_SOURCE, _OUT, _WORK = "/run/sekisho/source.tar.gz", "/run/sekisho/wheel", "/build"
_COMPILER = re.compile(
    r"command '?[\w./-]*(gcc|g\+\+|cc|clang|ld)'? failed: No such file"
    r"|(gcc|g\+\+|cc|clang|cmake|make|cargo|rustc): (command )?not found"
    r"|No CMAKE_C(XX)?_COMPILER|unable to execute '[\w./-]*(gcc|g\+\+|cc|clang)'"
    r"|No such file or directory: '[\w./-]*(gcc|g\+\+|cc|clang|cmake|make|cargo|rustc)'"
)


class Recipe(NamedTuple):
    """How one source is built: its build system's own word, what a request tells it, and what bounds it."""

    system: BuildSystem
    variables: Mapping[str, str]
    limits: "Limits"


class Making(NamedTuple):
    """A wheel at ``path``, and how it came about."""

    path: Path
    filename: str
    epoch: int
    differing: tuple[str, ...]
    begun: datetime
    ended: datetime


class Limits(NamedTuple):
    """Seconds, and bytes of memory, of one build."""

    seconds: int
    memory: int


def make_wheel(source: Artifact, recipe: Recipe, file: Path, room: str, containers: Containers, folder: Path) -> Making:
    """Build ``file`` in the image ``room``, twice, and leave the first wheel in ``folder``.

    Raises ``BadInputError`` with the build's last words if it fails, and what the engine raises.
    """
    begun = datetime.now(UTC)
    lent = folder / "source"
    shutil.copyfile(file, lent)
    lent.chmod(0o644)  # whoever the container runs as reads it
    made = [_once(source, recipe, lent, room, containers, folder / order) for order in ("sorted", "reversed")]
    (name, epoch, first), (other_name, _, second) = made
    other = differing(first, second) if name == other_name else (f"its name, as {other_name[:200]}",)
    second.unlink()
    return Making(first, name, epoch, other, begun, datetime.now(UTC))


def _once(
    source: Artifact, recipe: Recipe, lent: Path, room: str, containers: Containers, out: Path
) -> tuple[str, int, Path]:
    """Build once into ``out``, whose name is the order in which files are unpacked."""
    system, limits = recipe.system, recipe.limits
    program = resources.files("sekisho_builder.building").joinpath("frontend.py").read_text()
    word = f"sekisho-built:{secrets.token_hex(16)}:"
    out.touch()
    out.chmod(0o666)  # of another user in the container; nobody else enters the folder
    mounts = (Mount(outside=str(lent), inside=_SOURCE), Mount(outside=str(out), inside=_OUT, writable=True))
    task = ContainerTask(
        image=room,
        entrypoint=("/opt/venv/bin/python", "-I", "-S", "-c"),
        command=(program, _SOURCE, _OUT, _WORK, system.backend, json.dumps(system.path), out.name),
        environment={**recipe.variables, **ENVIRONMENT, "SEKISHO_WORD": word},
        mounts=mounts,
        timeout=limits.seconds,
        memory=limits.memory,
        read_only=True,
        executable=(_WORK,),
        largest_file=LARGEST,
    )
    result = containers.run(task)
    lines = result.output.splitlines()
    answers = [line.removeprefix(word) for line in lines if line.startswith(word)]
    if result.status or len(answers) != 1:
        raise _failed(source, result.status, result.output)
    try:
        answer = json.loads(answers[0])
        name, epoch, missing = str(answer["wheel"]), int(answer["epoch"]), [str(one) for one in answer["missing"]]
    except (ValueError, KeyError, TypeError) as error:
        raise _failed(source, result.status, f"its answer cannot be read: {error}") from error
    if missing:
        raise BadInputError(
            f"the build asks for {', '.join(missing)[:500]} when it runs, which pyproject.toml does not say",
            where=source.filename,
            todo="ask for another release; what nobody approved is not brought into a build",
        )
    return name, epoch, out


def _failed(source: Artifact, status: int, output: str) -> SekishoError:
    last = " | ".join(line.strip() for line in output.splitlines() if line.strip())[-1500:]
    if _COMPILER.search(output):
        return BadInputError(
            f"the base has no compiler that the build asks for: {last[-400:]}",
            where=source.filename,
            todo="name a `build-base` with one in the image definition, or ask for a release that has a wheel",
        )
    killed = "it was killed, as by too little memory: " if status in {137, -9} else ""
    return BadInputError(
        f"the build ended with status {status}: {killed}{last or 'it printed nothing'}",
        where=source.filename,
        todo="see whether the source can be built by what it names in pyproject.toml; SEKISHO_BUILD_MEMORY and "
        "SEKISHO_BUILD_TIMEOUT bound it",
    )


def wheel_of(source: Artifact, made: Making, target: Target, build: Build) -> Artifact:
    """Return the wheel as an artifact; raise ``BadInputError`` unless it is of that release, and for that target.

    It counts as uploaded when its source was: rules on age are about the release. Of one source there are as many
    wheels as ways to build it that were asked for, each at its own path.
    """
    try:
        name, version, _, tags = parse_wheel_filename(made.filename)
    except (InvalidWheelFilename, InvalidVersion, ValueError) as error:
        raise BadInputError(
            f"what was built has no name of a wheel: {made.filename[:200]!r}", where=source.filename
        ) from error
    if name != source.project or str(version) != source.release:
        raise BadInputError(f"{made.filename[:200]} was built, which is another release", where=source.filename)
    if tags.isdisjoint(wheel_tags(target)):
        raise BadInputError(f"{made.filename[:200]} was built, which is not for {target}", where=source.filename)
    index = {key: text for key, text in source.index.items() if key.startswith("project-status")}
    way = sha256_hex(canonical_json([build.recipe, dict(build.built_with)]))[:16] + "/" if build.recipe else ""
    return Artifact(
        source=source.source,
        project=source.project,
        release=source.release,
        filename=made.filename,
        path=f"built/{source.sha256}/{way}{quote(made.filename)}",
        sha256=file_sha256(made.path),
        size=made.path.stat().st_size,
        uploaded=source.uploaded,
        yanked=source.yanked,
        index=index,
        built=source.sha256,
        recipe=build.recipe,
        built_with=build.built_with,
    )
