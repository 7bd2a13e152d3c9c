"""A package from its first member to its last: a ``.conda`` (info first) or a ``.tar.bz2``, each in bounded memory."""

import os
from collections.abc import Iterator
from typing import BinaryIO

from sekisho.conda_archive.info import LARGEST_INFO, PackageInfo, is_kept, read_json
from sekisho.conda_archive.names import Places
from sekisho.conda_archive.tar import Member, read_tar
from sekisho.conda_archive.unpacked import STEP, Unpacked
from sekisho.errors import BadInputError, ConfusingError
from sekisho.model.conda import PackageName
from sekisho.zip_layout import Member as Part
from sekisho.zip_layout import check_layout

_LONGEST_METADATA = 1 << 16
_FORMAT = 2


def read_members(file: BinaryIO, filename: str, *, info_only: bool = False) -> Iterator[Member]:
    """Yield the members of the package in ``file``, each with its bytes as a stream, to the archive's very end.

    In a ``.conda`` those of ``info/`` come first, and with ``info_only`` nothing else is read; a ``.tar.bz2`` has them
    anywhere, and is read whole either way. Raises ``ConfusingError`` for what two readers could take for two things,
    what leads out of the prefix, and what unpacks to more than any package does; it may do so at any member, so nothing
    that was read counts before the end.
    """
    try:
        stem = str(PackageName.parse(filename)._replace(ending=""))
    except BadInputError as error:
        raise ConfusingError(error.what) from error
    places = Places()
    if not filename.endswith(".conda"):
        size = file.seek(0, os.SEEK_END)
        for member in _settled(Unpacked(_pieces(file, 0, size), size, zst=False), places):
            if not info_only or _is_info(member):
                yield member
        return
    info, package = _parts(file, stem)
    for member in _settled(_unpacked(file, info), places):
        if not _is_info(member):
            raise ConfusingError(f"{member.path!r} is not of info/ and lies in its part")
        yield member
    for member in () if info_only else _settled(_unpacked(file, package), places):
        if _is_info(member):
            raise ConfusingError(f"{member.path!r} is of info/ and lies beside its part")
        yield member


def read_info(file: BinaryIO, filename: str) -> PackageInfo:
    """Return what ``info/`` says of the package in ``file``. Raises as ``read_members`` does."""
    kept: dict[str, bytes] = {}
    names: set[str] = set()
    for member in read_members(file, filename, info_only=True):
        names.add(member.path)
        if is_kept(member):
            kept[member.path] = member.read(LARGEST_INFO)
    return PackageInfo.of(kept, frozenset(names))


def _settled(stream: Unpacked, places: Places) -> Iterator[Member]:
    for member in read_tar(stream):
        settled = places.settle(member)
        if settled:
            yield settled


def _is_info(member: Member) -> bool:
    return member.path.partition("/")[0] == "info"


def _parts(file: BinaryIO, stem: str) -> tuple[Part, Part]:
    """Return where the two tarballs lie; there is nothing else but ``metadata.json`` (CEP 35)."""
    found = {part.name.decode("utf-8", "replace"): part for part in check_layout(file)}
    names = ("metadata.json", f"info-{stem}.tar.zst", f"pkg-{stem}.tar.zst")
    if found.keys() != set(names):
        odd = sorted(found.keys() ^ set(names))
        raise ConfusingError(
            f"it is not made of metadata.json, info- and pkg-{stem[:120]}.tar.zst alone: {odd[0][:120]!r}"
        )
    if not all(part.is_stored for part in found.values()):
        raise ConfusingError("its parts are compressed, which none may be")
    metadata, info, package = (found[name] for name in names)
    if metadata.size > _LONGEST_METADATA:
        raise ConfusingError("its metadata.json is too large")
    stated = read_json(b"".join(_pieces(file, metadata.start, metadata.size)), "metadata.json")
    if not isinstance(stated, dict) or stated.get("conda_pkg_format_version") != _FORMAT:
        raise ConfusingError(f"its metadata.json is not of version {_FORMAT}")
    return info, package


def _unpacked(file: BinaryIO, part: Part) -> Unpacked:
    return Unpacked(_pieces(file, part.start, part.size), part.size, zst=True)


def _pieces(file: BinaryIO, start: int, size: int) -> Iterator[bytes]:
    file.seek(start)
    while size and (piece := file.read(min(size, STEP))):
        size -= len(piece)
        yield piece
