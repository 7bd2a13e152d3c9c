"""The entries of a layer's tar (POSIX pax, and GNU's long names), none of them believed.

What two readers could see differently is refused, and so is what costs more than a path or an attribute may.
"""

import re
import tarfile
from typing import Literal, NamedTuple

from sekisho_builder.reading.stream import LayerStream

BLOCK = 512
_LONGEST = 1 << 16
"""Bytes of a long name, or an attribute; Linux knows no path above 4096, and no attribute above 64 KiB."""

_CAPABILITY = "SCHILY.xattr.security.capability"
_RECORD = re.compile(rb"([1-9]\d{0,5}) ")

Kind = Literal["file", "folder", "link", "hard link", "device", "pipe"]
_KINDS: dict[bytes, Kind] = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.LNKTYPE: "hard link",
    tarfile.SYMTYPE: "link",
    tarfile.DIRTYPE: "folder",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
    tarfile.FIFOTYPE: "pipe",
}


class Entry(NamedTuple):
    """One entry of a layer. ``path`` has no leading slash and no dots; ``sha256`` is a file's, ``target`` a link's.

    ``capable`` tells that the file gives rights to whoever runs it (capabilities(7)).
    """

    path: str
    kind: Kind
    mode: int
    uid: int
    gid: int
    size: int = 0
    sha256: str = ""
    target: str = ""
    capable: bool = False


def next_entry(reader: LayerStream) -> Entry | None:
    """Read headers up to an entry (pax(1), "pax Extended Header"; GNU's long names); nothing at the end."""
    said: dict[str, str] = {}
    while True:
        block = reader.take(BLOCK)
        if block == bytes(BLOCK):
            return None
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.HeaderError, ValueError) as error:
            raise reader.bad(f"a header cannot be read: {error}") from error
        if info.size < 0 or info.mode < 0 or info.uid < 0 or info.gid < 0:
            raise reader.bad("a header holds a negative number")
        if info.type == tarfile.XHDTYPE:
            said |= _pax(_extra(reader, info.size), reader)
        elif info.type == tarfile.XGLTYPE:
            if {"path", "linkpath", "size"} & _pax(_extra(reader, info.size), reader).keys():
                raise reader.bad("a global header names files")
        elif info.type in {tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}:
            name = _extra(reader, info.size).partition(b"\0")[0].decode("utf-8", "surrogateescape")
            said["path" if info.type == tarfile.GNUTYPE_LONGNAME else "linkpath"] = name
        else:
            return _entry(info, said, reader)


def _extra(reader: LayerStream, size: int) -> bytes:
    if size > _LONGEST * 2:
        raise reader.bad(f"an extended header has {size} bytes")
    data = reader.take(size)
    reader.skip(-size % BLOCK)
    return data


def _pax(data: bytes, reader: LayerStream) -> dict[str, str]:
    """Read the records of an extended header: ``length key=value`` and a line's end, the length counting it all."""
    said: dict[str, str] = {}
    while data:
        found = _RECORD.match(data)
        length = int(found[1]) if found else 0
        record = data[found.end() : length] if found else b""
        key, equals, value = record.partition(b"=")
        if not equals or not record.endswith(b"\n") or length > len(data):
            raise reader.bad("an extended header cannot be read")
        name = key.decode("utf-8", "surrogateescape")
        if name.startswith("GNU.sparse.") or name in said:
            raise reader.bad(f"an extended header says {name[:60]}, which readers take differently")
        said[name] = value[:-1].decode("utf-8", "surrogateescape")
        data = data[length:]
    return said


def _entry(info: tarfile.TarInfo, said: dict[str, str], reader: LayerStream) -> Entry:
    kind = _KINDS.get(info.type)
    if kind is None:
        raise reader.bad(f"an entry is of the type {info.type!r}, which readers take differently")
    numbers = {key: said.get(key) for key in ("size", "uid", "gid")}
    if any(value is not None and not (value.isascii() and value.isdigit()) for value in numbers.values()):
        raise reader.bad("an extended header holds a number that is none")
    size = int(numbers["size"] or info.size)
    if kind != "file":
        if size and kind != "hard link":
            raise reader.bad(f"a {kind} has content")
        size = 0
    elif said.get("path", info.name).endswith("/"):
        raise reader.bad("a file is named as a folder")
    target = said.get("linkpath", info.linkname)
    return Entry(
        path=_path(said.get("path", info.name), reader),
        kind=kind,
        mode=info.mode & 0o7777,
        uid=int(numbers["uid"] or info.uid),
        gid=int(numbers["gid"] or info.gid),
        size=size,
        target=_path(target, reader) if kind == "hard link" else target,
        capable=_CAPABILITY in said,
    )


def _path(text: str, reader: LayerStream) -> str:
    """Return a path from the root; refuse one that climbs, or that a name would end early for other readers."""
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if ".." in parts or "\0" in text or len(text) > _LONGEST:
        raise reader.bad(f"an entry is named {text[:80]!r}")
    return "/".join(parts)
