"""One deterministic ``.tar.gz`` of a conda environment with its wheels: the files of an image's layers, in one folder.

Either the files name the prefix where the archive must be unpacked, or they keep their packages' placeholders, and
``bin/sekisho-unpack`` puts in the place where it was unpacked.
"""

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from sekisho.errors import BadInputError
from sekisho.lock import Lock
from sekisho.model import ImageDefinition, Record, Sha256
from sekisho_builder.assemble.assembly import refuse_clashes
from sekisho_builder.assemble.checks import check_lock
from sekisho_builder.assemble.conda_layers import CondaWriting
from sekisho_builder.assemble.conda_meta import META, history
from sekisho_builder.assemble.environment import Environment, packages_path
from sekisho_builder.assemble.image_config import created
from sekisho_builder.assemble.layer import BuiltLayer, write_wheels
from sekisho_builder.assemble.layer_series import LayerForm, LayerSeries
from sekisho_builder.assemble.planning import Planning, Wheels

PLACE = "share/sekisho"
PROGRAM = "bin/sekisho-unpack"
_HOME = "/opt/sekisho/where-this-environment-is-not-yet"
"""What scripts that are made here name, where nobody knows yet where the archive is unpacked."""

_MOST = 1 << 50
_LONGEST = 127 - len("#!/bin/python")
_START = """\
#!/bin/sh
# Puts this environment's path into its files; run it once, where the archive was unpacked.
home=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd -P) || exit 1
exec "$home/bin/python" -I -B "$home/share/sekisho" "$@"
"""
_SHIPPED = {"conda_prefix.py": ("sekisho_builder.assemble", "conda_prefix.py"),
            "__main__.py": ("sekisho_builder.archive", "unpack.py")}  # fmt: skip


class Archived(Record):
    """What an archive is. ``folder`` is the one that it unpacks to, ``moving`` how many files hold placeholders."""

    file: str
    sha256: Sha256
    size: int
    folder: str
    prefix: str
    packages: int
    moving: int


class _Holding(NamedTuple):
    """A file below the prefix that still holds a placeholder."""

    path: str
    text: str
    mode: str


def write_archive(
    definition: ImageDefinition, lock: Lock, files: Wheels, target: Path, *, prefix: str = ""
) -> Archived:
    """Write the environment of a lock to ``target``, whole or not at all; the same bytes on every machine.

    With a ``prefix`` the files name it, and the archive works there alone; without one it can be unpacked anywhere.
    Raises what the assembly of an image raises, and ``BadInputError`` for a lock without conda packages.
    """
    where = f"images/{definition.name}/image.yaml"
    if not lock.of("conda"):
        raise BadInputError(
            "an archive is of a conda environment, and nothing of a channel is locked",
            where=where,
            todo="ask for `conda` packages, or take the image",
        )
    prefix = _checked(prefix)
    check_lock(definition, lock, where)
    minor = ".".join(map(str, definition.target.python_minor))
    folder = prefix.rpartition("/")[2] or definition.name
    environment = Environment(folder, minor, packages_path(lock), prefix or _HOME, movable=not prefix)
    planning = Planning.of(definition, lock, environment)
    with LayerSeries(target, LayerForm("deflated", _MOST)) as series:
        layer = series.first()
        layer.data(f"{folder}/{META}/history", history(lock.conda, created(definition)), mode=0o644)
        holding = list(_write(planning, lock, files, series))
        for path, data in [] if prefix else _unpacking(holding):
            layer.data(f"{folder}/{path}", data, mode=0o755 if path == PROGRAM else 0o644)
    (done,) = series.done
    return Archived(
        file=target.name,
        sha256=done.digest,
        size=done.size,
        folder=folder,
        prefix=prefix,
        packages=len(lock.artifacts),
        moving=len(holding),
    )


def _checked(prefix: str) -> str:
    """Return a prefix without a slash at its end; raise ``BadInputError`` for what no script could name."""
    prefix = prefix.rstrip("/")
    odd = prefix and (not prefix.startswith("/") or " " in prefix or not prefix.isascii() or not prefix.isprintable())
    if odd or len(prefix) > _LONGEST or {".", ".."} & set(prefix.split("/")):
        raise BadInputError(
            f"{prefix[:200]!r} cannot be where an environment is",
            where="--prefix",
            todo=f"give an absolute path of at most {_LONGEST} letters, without spaces",
        )
    return prefix


def _write(planning: Planning, lock: Lock, files: Wheels, series: LayerSeries) -> Iterator[_Holding]:
    """Write every package, and yield what still holds a placeholder."""
    environment = planning.environment
    inside = f"{environment.prefix}/"
    writing = CondaWriting(series)
    for artifact in lock.of("conda"):
        for laid in writing.write(planning.conda(artifact, files(artifact)), environment):
            if laid.placeholder:
                yield _Holding(laid.path.removeprefix(inside), *laid.placeholder)
    wheels = [planning.wheel(artifact, files(artifact)) for artifact in lock.of("pypi")]
    for placed in write_wheels(wheels, environment, series, writing.owned):
        if environment.movable and _HOME.encode() in placed.data:
            yield _Holding(placed.path.removeprefix(inside), _HOME, "text")
    refuse_clashes(BuiltLayer("", "", 0, 0, owned) for owned in writing.owned)


def _unpacking(holding: list[_Holding]) -> Iterator[tuple[str, bytes]]:
    """Yield what puts the environment's place into its files: programs, and the list of what they are to do."""
    rows = sorted(holding)
    yield PROGRAM, _START.encode()
    for name, (package, file) in sorted(_SHIPPED.items()):
        source = resources.files(package).joinpath(file).read_text()
        yield f"{PLACE}/{name}", source.replace("sekisho_builder.assemble.conda_prefix", "conda_prefix").encode()
    yield f"{PLACE}/placeholders.json", json.dumps(rows, separators=(",\n", ":")).encode() + b"\n"
