"""OSV's ``all.zip``: one JSON record a member, read with bounds, and all or nothing."""

import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import BinaryIO, NamedTuple

from sekisho.advisories.exploited import Exploitation
from sekisho.advisories.index import AdvisoryIndex
from sekisho.advisories.merge import build_index
from sekisho.advisories.osv import OsvRecord, parse_osv
from sekisho.errors import BadInputError

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""When data is of that does not say."""
_MEMBER = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,60}/){0,3}[A-Za-z0-9][A-Za-z0-9._:-]{0,120}\.json")
_MOST_MEMBERS = 400_000
_LARGEST_MEMBER = 8 << 20
_LARGEST = 2 << 30
_LARGEST_FILE = 1 << 30
_AGAIN = "fetch the file again; nothing of it was imported"
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""What can be unpacked without unpacking more than was asked for."""
_UNREADABLE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
)


class Imported(NamedTuple):
    """What came of a file. ``taken`` is when its newest record was changed, and never later than the import."""

    advisories: AdvisoryIndex
    taken: datetime
    records: int
    withdrawn: int
    skipped: int


def read_osv(file: BinaryIO, *, where: str, now: datetime, exploitation: Exploitation | None = None) -> Imported:
    """Read a whole file into an index; raise ``BadInputError`` naming file and member, and import nothing then."""
    records = list(_records(file, where))
    if not records:
        raise BadInputError("there is no advisory in it", where=where, todo=_AGAIN)
    said = exploitation or Exploitation()
    taken = min(now, max((record.modified for record in records if record.modified), default=_LONG_AGO))
    feeds = {"osv": taken, "kev": said.known_taken, "epss": said.likely_taken}
    living = [record for record in records if not record.withdrawn]
    advisories = build_index(
        living, exploitation=said, feeds={name: min(now, at) for name, at in feeds.items() if at is not None}
    )
    skipped = sum(record.skipped for record in records)
    return Imported(advisories, taken, len(records), len(records) - len(living), skipped)


def _records(file: BinaryIO, where: str) -> Iterator[OsvRecord]:
    seen: dict[str, str] = {}
    for name, data in _members(file, where):
        place = f"{where}, {name}"
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise BadInputError(f"not valid JSON: {str(error)[:200]}", where=place, todo=_AGAIN) from error
        record = parse_osv(value, where=place)
        first = seen.setdefault(record.names[0], name)
        if first != name:
            raise BadInputError(f"{record.names[0]} is there twice, first in {first}", where=place, todo=_AGAIN)
        yield record


def _members(file: BinaryIO, where: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each member, in the order of the directory, within bounds."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            _check(members, where)
            for member in members:
                if not member.is_dir():
                    yield member.filename, _read(archive, member, where)
    except _UNREADABLE as error:
        raise BadInputError(f"not a readable zip: {str(error)[:200]}", where=where, todo=_AGAIN) from error


def _check(members: list[zipfile.ZipInfo], where: str) -> None:
    if len(members) > _MOST_MEMBERS:
        raise BadInputError(f"more than {_MOST_MEMBERS} members", where=where)
    if sum(member.file_size for member in members) > _LARGEST:
        raise BadInputError(f"it unpacks to more than {_LARGEST} bytes", where=where)
    names: set[str] = set()
    for member in members:
        place = f"{where}, {member.filename[:120]!r}"
        if not member.is_dir() and not _MEMBER.fullmatch(member.filename):
            raise BadInputError("no record is named so", where=place, todo=_AGAIN)
        if member.filename in names:
            raise BadInputError("there are two members of this name", where=place, todo=_AGAIN)
        if member.file_size > _LARGEST_MEMBER:
            raise BadInputError(f"it unpacks to more than {_LARGEST_MEMBER} bytes", where=place, todo=_AGAIN)
        if member.compress_type not in _METHODS:
            raise BadInputError("it is packed in a way that cannot be read with bounds", where=place, todo=_AGAIN)
        names.add(member.filename)


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> bytes:
    """Return a member; ``zipfile`` stops at the size that the directory states, and that is bounded."""
    try:
        return archive.read(member)
    except _UNREADABLE as error:
        place = f"{where}, {member.filename}"
        raise BadInputError(f"it cannot be read: {str(error)[:200]}", where=place, todo=_AGAIN) from error
