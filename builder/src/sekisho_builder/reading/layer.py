"""A layer read once, from its bytes, with everything that gates want to know of it.

A layer may come from a base that somebody else made, so all of it is bounded: what it unpacks to, how many entries it
has, how much of it is kept.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sekisho.errors import CorruptError
from sekisho_builder.reading.entries import BLOCK, Entry, next_entry
from sekisho_builder.reading.shapes import Watch
from sekisho_builder.reading.stream import LayerStream


class Sighting(NamedTuple):
    """Something of the shape of a secret in a file; ``shape`` names it, and nothing repeats it."""

    path: str
    shape: str


class ReadLayer(NamedTuple):
    """What one layer holds. ``texts`` are the small files that somebody wants to read; ``unpacked`` is in bytes."""

    entries: tuple[Entry, ...]
    sightings: tuple[Sighting, ...]
    texts: dict[str, bytes]
    unpacked: int


class Limits(NamedTuple):
    """What a layer may cost to read: bytes that it unpacks to, entries, bytes of texts, and of one text."""

    unpacked: int
    entries: int = 1_000_000
    texts: int = 256 << 20
    text: int = 1 << 20


Wanted = Callable[[str, int], bool]
"""Tells by path and mode whether a file's text is to be kept. It is pickled."""


def read_layer(
    path: Path, sha256: str, limits: Limits, wanted: Wanted, unwatched: frozenset[str] = frozenset()
) -> ReadLayer:
    """Read the layer that is the blob ``sha256``; raise ``CorruptError`` for one that is not, or cannot be read.

    No secret is looked for in files of ``unwatched`` paths, which most bytes of an image are.
    """
    where = f"layer sha256:{sha256}"
    stream = LayerStream(path, limits.unpacked, where)
    found = _Found(limits, wanted, unwatched, where)
    while (entry := next_entry(stream)) is not None:
        found.add(entry, stream)
    stream.end()
    if stream.digest != sha256:
        raise CorruptError("the layer is not the bytes that the manifest names", where=where, todo="build it again")
    return ReadLayer(tuple(found.entries), tuple(found.sightings), found.texts, stream.unpacked)


class _Found:
    """What was read so far."""

    def __init__(self, limits: Limits, wanted: Wanted, unwatched: frozenset[str], where: str) -> None:
        self._limits = limits
        self._wanted = wanted
        self._unwatched = unwatched
        self._where = where
        self._kept = 0
        self.entries: list[Entry] = []
        self.sightings: list[Sighting] = []
        self.texts: dict[str, bytes] = {}

    def add(self, entry: Entry, stream: LayerStream) -> None:
        if len(self.entries) >= self._limits.entries:
            raise CorruptError(f"the layer has more than {self._limits.entries} entries", where=self._where)
        if entry.kind == "file":
            keep = self._wanted(entry.path, entry.mode) and entry.size <= self._limits.text
            self._kept += entry.size if keep else 0
            if self._kept > self._limits.texts:
                raise CorruptError(f"the layer has more than {self._limits.texts} bytes of scripts", where=self._where)
            entry = self._read(entry, stream, keep=keep)
        self.entries.append(entry)

    def _read(self, entry: Entry, stream: LayerStream, *, keep: bool) -> Entry:
        content, watch, text = hashlib.sha256(), Watch(), bytearray()
        watched = entry.path not in self._unwatched
        for piece in stream.pieces(entry.size):
            content.update(piece)
            if watched:
                watch.see(piece)
            if keep:
                text += piece
        stream.skip(-entry.size % BLOCK)
        self.sightings += [Sighting(entry.path, shape) for shape in watch.seen()]
        if keep:
            self.texts[entry.path] = bytes(text)
        return entry._replace(sha256=content.hexdigest())
