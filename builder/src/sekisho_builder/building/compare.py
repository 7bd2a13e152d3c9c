"""Two wheels of one source: the same bytes, or what differs."""

import zipfile
from pathlib import Path

_MOST = 20


def differing(one: Path, other: Path) -> tuple[str, ...]:
    """Return what differs between two wheels, nothing if they are the same byte by byte: members, the first few."""
    if _same(one, other):
        return ()
    first, second = _members(one), _members(other)
    names = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
    if not names:
        return ("the order, times or packing of its members",)
    more = (f"and {len(names) - _MOST} more",) if len(names) > _MOST else ()
    return (*(name[:300] for name in names[:_MOST]), *more)


def _same(one: Path, other: Path) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as first, other.open("rb") as second:
        while piece := first.read(1 << 20):
            if piece != second.read(1 << 20):
                return False
    return True


def _members(path: Path) -> dict[str, tuple[int, int]]:
    try:
        with zipfile.ZipFile(path) as archive:
            return {row.filename: (row.CRC, row.file_size) for row in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        return {f"no archive: {error}": (0, 0)}
