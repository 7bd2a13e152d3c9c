"""conda's explicit files: ``@EXPLICIT`` and an address a line, each with the hash of its file behind a ``#``."""

import re
from urllib.parse import unquote

from sekisho.errors import BadInputError
from sekisho.model import MOST_REQUIREMENTS, NOARCH, PackageName, is_subdir
from sekisho.model.target import SUBDIRS
from sekisho.wanted.value import Named, Wanted, check_count, shown

MARK = "@EXPLICIT"
_HASH = re.compile(r"(?:sha256[:=])?([0-9a-f]{64})|(?:md5[:=])?([0-9a-f]{32})", re.IGNORECASE)
_ARCHITECTURES = {subdir: arch for arch, subdir in SUBDIRS.items()}


def is_explicit(text: str) -> bool:
    """Tell whether a text file is one of these."""
    return any(line.strip() == MARK for line in text[:20_000].splitlines())


def read_explicit(text: str, *, where: str) -> Wanted:
    """Read an explicit file; raise ``BadInputError`` with file and line for what cannot be read."""
    specs: list[Named] = []
    channels: dict[str, Named] = {}
    subdirs: set[str] = set()
    python = None
    for number, line in enumerate(text.splitlines(), 1):
        plain, here = line.strip(), f"{where}, line {number}"
        if not plain or plain.startswith("#") or plain == MARK:
            continue
        address, _, digest = plain.partition("#")
        place, subdir, package = read_address(address, where=here)
        subdirs.add(subdir)
        python = f"=={package.version}" if package.name == "python" else python
        channels.setdefault(place, Named(place, here))
        specs.append(Named(exact_spec(place, package, digest, where=here), here))
        check_count(len(specs), MOST_REQUIREMENTS, "packages", where=where)
    return Wanted(
        conda=tuple(specs),
        channels=tuple(channels.values()),
        arch=arch_of(subdirs, where=where),
        python=python,
    )


def read_address(address: str, *, where: str) -> tuple[str, str, PackageName]:
    """Return the channel, the subdir and the package that an address names; raise ``BadInputError`` for another."""
    rest, _, filename = unquote(address.strip()).rpartition("/")
    place, _, subdir = rest.rpartition("/")
    if "://" not in place or not place.isprintable() or " " in place or not is_subdir(subdir):
        raise BadInputError(
            f"{shown(address)!r} is no address of a package in a channel",
            where=where,
            todo="use the file as conda made it",
        )
    try:
        return place, subdir, PackageName.parse(filename)
    except BadInputError as error:
        raise BadInputError(error.what, where=where, todo=error.todo) from error


def exact_spec(place: str, package: PackageName, digest: str, *, where: str) -> str:
    """Return the match spec of exactly this file, as far as its hash is known."""
    spec = f"{place}::{package.name} =={package.version} {package.build}"  # read so by strict clients, too
    if not digest:
        return spec
    found = _HASH.fullmatch(digest.strip())
    if found is None:
        raise BadInputError(f"{shown(digest)!r} is no sha256 and no md5", where=where, todo="lock again")
    key, value = ("sha256", found[1]) if found[1] else ("md5", found[2])
    return f"{spec}[{key}={value.lower()}]"


def arch_of(subdirs: set[str], *, where: str) -> str | None:
    """Return the processor that subdirs are of, if any; raise ``BadInputError`` for another system."""
    known = sorted(subdirs - {NOARCH})
    if not known:
        return None
    if len(known) > 1 or known[0] not in _ARCHITECTURES:
        raise BadInputError(
            f"it is for {', '.join(known)[:120]}, and targets are {' and '.join(_ARCHITECTURES)}",
            where=where,
            todo="lock for one of them",
        )
    return _ARCHITECTURES[known[0]]
