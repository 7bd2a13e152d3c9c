"""Which approved bytes belong at which path of an image: from the lock's hashes, through RECORD, to each file."""

import base64
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from sekisho.errors import CorruptError
from sekisho.lock import Lock
from sekisho.model import Artifact, ImageDefinition, sha256_hex
from sekisho.store import file_sha256
from sekisho_builder.assemble.debian_layers import Debs, build_debian
from sekisho_builder.assemble.environment import Environment
from sekisho_builder.assemble.files import read_files
from sekisho_builder.assemble.planning import Planning
from sekisho_builder.assemble.skeleton import build_skeleton
from sekisho_builder.assemble.wheel import Placed, Wheel, parents, place, read_wheel
from sekisho_builder.assemble.wheel_archive import WheelArchive
from sekisho_builder.base.debian_lock import read_debian_lock
from sekisho_builder.gates.conda_tracing import CondaTraced, trace_conda
from sekisho_builder.reading.entries import Entry
from sekisho_builder.reading.layer import Limits, read_layer

_SKELETON = 1 << 20


class Approved(NamedTuple):
    """What belongs at a path. ``of`` names the wheel; ``made`` tells that its bytes follow from the wheel by rule.

    ``made`` are RECORD, INSTALLER, REQUESTED, the programs of entry points, and scripts whose ``#!python`` names the
    environment now. Every other file is a member of the wheel, as it is.
    """

    sha256: str
    mode: int
    of: str
    made: bool
    public: bool


class Traced(NamedTuple):
    """What belongs where: of wheels, of conda packages, of the environment itself, of the definition, of Debian."""

    files: Mapping[str, Approved]
    environment: Mapping[str, Entry]
    own: Mapping[str, Entry]
    debian: frozenset[Entry]
    folders: frozenset[str]
    wheels: int
    conda: CondaTraced = CondaTraced()

    @property
    def public(self) -> Mapping[str, str]:
        """Return where members of packages belong that anybody can download, and the sha256 of each."""
        wheels = {path: one.sha256 for path, one in self.files.items() if one.public and not one.made}
        return {**self.conda.public, **wheels}


def trace(
    definition: ImageDefinition,
    lock: Lock,
    wheels: Callable[[Artifact], Path],
    *,
    folder: Path | None,
    debs: Debs | None,
    inside: frozenset[str],
) -> Traced:
    """Work out what belongs where; raise ``CorruptError`` for a wheel that is not the locked one.

    ``folder`` is the definition's, where its ``files`` and the lock of its Debian packages are.
    """
    planning = Planning.of(definition, lock)
    files: dict[str, Approved] = {}
    for artifact in lock.of("pypi"):
        requested = artifact.project in planning.direct
        for path, one in _files(artifact, wheels(artifact), planning.environment, requested=requested, inside=inside):
            other = files.setdefault(path, one)
            if other is not one:  # the assembly refuses different bytes at one path, and keeps the wider mode
                same = one.sha256 == other.sha256
                files[path] = other._replace(
                    mode=max(one.mode, other.mode), public=same and (one.public or other.public)
                )
    made, own = _environment(definition), _own(definition, folder)
    conda = trace_conda(planning, lock.of("conda"), wheels, inside)
    folders = frozenset(above for path in (*files, *made, *own, *conda.of) for above in parents(path))
    return Traced(files, made, own, _debian(definition, folder, debs), folders, len(lock.of("pypi")), conda)


def _files(
    artifact: Artifact, path: Path, environment: Environment, *, requested: bool, inside: frozenset[str]
) -> Iterator[tuple[str, Approved]]:
    if file_sha256(path) != artifact.sha256:
        raise CorruptError(f"the wheel of {artifact.name} is not the locked file", where=str(path), todo="delete it")
    with WheelArchive(path, artifact.filename) as archive:
        wheel = read_wheel(archive, project=artifact.project, release=artifact.release)
        for placed in place(wheel, environment, requested=requested):
            public = artifact.source not in inside and artifact.built is None
            found = Approved(_sha256(wheel, placed), placed.mode, artifact.name, placed.member is None, public)
            yield placed.path, found


def _sha256(wheel: Wheel, placed: Placed) -> str:
    """Return the sha256 of what belongs there: RECORD's own word for a member, as far as it speaks of sha256."""
    if placed.member is None:
        return sha256_hex(placed.data)
    algorithm, _, value = placed.listed.digest.partition("=")
    if algorithm == "sha256":
        return _hexadecimal(value)
    return sha256_hex(b"".join(plain for _, plain in wheel.archive.pieces(placed.member)))


def _hexadecimal(value: str) -> str:
    """Return a digest as RECORD writes it (URL-safe base64 without padding) in hexadecimal digits."""
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex()


def _environment(definition: ImageDefinition) -> Mapping[str, Entry]:
    """Return the entries of the layer under the packages, which follows from the definition alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "skeleton.tar.gz"
        build_skeleton(definition, path)
        layer = read_layer(path, file_sha256(path), Limits(_SKELETON), _nothing)
    return {entry.path: entry for entry in layer.entries}


def _own(definition: ImageDefinition, folder: Path | None) -> Mapping[str, Entry]:
    """Return the files that the definition brings itself, which are reviewed with it."""
    return {
        one.to: Entry(one.to, "file", one.mode, one.uid, one.gid, size=one.size, sha256=one.sha256)
        for one in read_files(definition, folder)
    }


def _debian(definition: ImageDefinition, folder: Path | None, debs: Debs | None) -> frozenset[Entry]:
    """Return what the locked Debian packages unpack to: they are unpacked again, from the locked files."""
    locked = read_debian_lock(definition, folder).debs
    if not locked or debs is None:
        return frozenset()
    with tempfile.TemporaryDirectory() as empty:
        target = Path(empty) / "debian.tar.gz"
        build_debian(sorted(locked), debs, definition, target)
        limits = Limits(definition.budget.unpacked)
        layers = [read_layer(path, file_sha256(path), limits, _nothing) for path in sorted(Path(empty).iterdir())]
    return frozenset(entry for layer in layers for entry in layer.entries)


def _nothing(_path: str, _mode: int) -> bool:
    return False
