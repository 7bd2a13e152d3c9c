"""One layer from some wheels: the work of one process. All that goes in and out can be pickled."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from zipfile import ZIP_DEFLATED

from sekisho.errors import BadInputError, CorruptError
from sekisho.store import file_sha256
from sekisho_builder.assemble.environment import Environment
from sekisho_builder.assemble.in_order import SMALL, InOrder
from sekisho_builder.assemble.layer_file import LayerFile
from sekisho_builder.assemble.layer_series import LayerForm, LayerSeries
from sekisho_builder.assemble.wheel import Listed, Placed, Wheel, folders, place, read_wheel, unpadded
from sekisho_builder.assemble.wheel_archive import Member, WheelArchive


class Package(NamedTuple):
    """One wheel as the lock names it. ``requested`` marks a direct requirement."""

    project: str
    release: str
    filename: str
    sha256: str
    requested: bool
    path: Path


class Owned(NamedTuple):
    """Who put which bytes at a path. ``digest`` is RECORD's word for them."""

    path: str
    project: str
    digest: str


class BuiltLayer(NamedTuple):
    """A layer on disk. ``digest``, ``size`` are the gzip's, ``diff_id`` and ``unpacked`` the tar's, in bytes."""

    digest: str
    diff_id: str
    size: int
    unpacked: int
    owned: list[Owned]


def build_layers(packages: list[Package], environment: Environment, form: LayerForm, target: Path) -> list[BuiltLayer]:
    """Write the layer of ``packages`` to ``target``, whole or not at all; more than one where one would be too large.

    Raises ``CorruptError`` for a wheel that is not the locked bytes or belies its RECORD, ``BadInputError`` for one
    that breaks its format or the house rules, and for two that put different bytes at one path.
    """
    owned: list[list[Owned]] = []
    with LayerSeries(target, form) as series:
        for _ in write_wheels(packages, environment, series, owned):
            pass
    return built(series, owned)


def write_wheels(
    packages: list[Package], environment: Environment, series: LayerSeries, owned: list[list[Owned]]
) -> Iterator[Placed]:
    """Write the files of wheels into a series, yielding each after it was written; ``owned`` grows with its layers."""
    with ExitStack() as stack:
        wheels = [_open(stack, package) for package in packages]
        for wheel, entry in merge((wheel, place(wheel, environment, requested=p.requested)) for wheel, p in wheels):
            plain = len(entry.data) if entry.member is None else entry.member.size
            packed = entry.member.packed if entry.member and entry.member.method == ZIP_DEFLATED else plain
            layer = series.layer_for(entry.path, packed=packed, plain=plain)
            if len(series.done) == len(owned):
                owned.append([])
            owned[-1].append(Owned(entry.path, wheel.project, entry.listed.digest))
            _write(layer, wheel, entry)
            yield entry


def built(series: LayerSeries, owned: list[list[Owned]]) -> list[BuiltLayer]:
    """Return what is known of the layers of a series that is done."""
    return [
        BuiltLayer(layer.digest, layer.diff_id, layer.size, layer.unpacked, own)
        for layer, own in zip(series.done, owned, strict=True)
    ]


def _open(stack: ExitStack, package: Package) -> tuple[Wheel, Package]:
    if file_sha256(package.path) != package.sha256:
        raise CorruptError(
            f"the wheel of {package.project} {package.release} is not the locked file",
            where=str(package.path),
            todo="delete it, and build again",
        )
    archive = stack.enter_context(WheelArchive(package.path, package.filename))
    return read_wheel(archive, project=package.project, release=package.release), package


def merge(parts: Iterable[tuple[Wheel, list[Placed]]]) -> list[tuple[Wheel, Placed]]:
    """Return every file of several wheels once, sorted by path; see ``refuse_clash`` for what two may share."""
    files: dict[str, tuple[Wheel, Placed]] = {}
    for wheel, placed in parts:
        for entry in placed:
            other = files.get(entry.path)
            if other is None:
                files[entry.path] = wheel, entry
            else:
                refuse_clash(
                    Owned(entry.path, other[0].project, other[1].listed.digest),
                    Owned(entry.path, wheel.project, entry.listed.digest),
                )
                if entry.mode > other[1].mode:
                    files[entry.path] = other[0], other[1]._replace(mode=entry.mode)
    return [files[path] for path in sorted(files)]


def refuse_clash(first: Owned, second: Owned) -> None:
    """Raise ``BadInputError`` naming both packages if they put different bytes at one path.

    The same bytes are no clash: families such as a library and its slim edition share files, and whichever comes
    last, the image is the same.
    """
    if first.digest != second.digest:
        raise BadInputError(
            f"{first.project} and {second.project} put different files at one path",
            where=f"/{first.path}",
            todo="drop one of the two packages, or take releases that agree",
        )


def refuse_covered(paths: dict[str, Owned]) -> None:
    """Raise ``BadInputError`` if one package's file stands where another's folder must be."""
    if covering := folders(paths) & paths.keys():
        above = min(covering)
        below = next(owned for path, owned in paths.items() if path.startswith(f"{above}/"))
        raise BadInputError(
            f"{paths[above].project} has a file where {below.project} needs a folder",
            where=f"/{above}",
            todo="drop one of the two",
        )


def _write(layer: LayerFile, wheel: Wheel, entry: Placed) -> None:
    member = entry.member
    if member is None:
        layer.data(entry.path, entry.data, mode=entry.mode)
        return
    content = _checked(wheel, entry.listed, member, layer.aside)
    if member.method == ZIP_DEFLATED:
        layer.spliced(entry.path, content, mode=entry.mode, size=member.size, crc=member.crc)
    else:
        layer.stored(entry.path, (plain for _, plain in content), mode=entry.mode, size=member.size)


def _checked(wheel: Wheel, listed: Listed, member: Member, aside: InOrder) -> Iterator[tuple[bytes, bytes]]:
    """Yield a member's pieces, and raise ``CorruptError`` if they are not what RECORD states; for large ones, aside."""
    size, name = member.size, member.name
    algorithm, _, value = listed.digest.partition("=")
    found = hashlib.new(algorithm)
    for packed, plain in wheel.archive.pieces(member):
        if size < SMALL:
            found.update(plain)
        else:
            aside.later(found.update, plain)
        yield packed, plain

    def check(_: bytes) -> None:
        if unpadded(found.digest()) != value:
            raise wheel.archive.corrupt("the member has not the hash that RECORD states", name)

    if size < SMALL:
        check(b"")
    else:
        aside.later(check, b"")
