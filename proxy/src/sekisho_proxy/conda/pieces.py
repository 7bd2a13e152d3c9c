"""What is served of one name in one subdir of a channel, written once for every representation.

A row is what an approval says of one file. A piece is the bytes that each representation has of the rows of a name: so
whole files are concatenations, and what did not change is not written again. Rows themselves are not kept: as parsed
records, tens of thousands of them take gigabytes.
"""

import json
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b, sha256
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import msgspec

from sekisho.errors import BadInputError
from sekisho.model import Artifact
from sekisho.model.conda import EXPORTS, RECORD, conda_record
from sekisho.zstd import ZstdCompressor, compress

_LOG = logging.getLogger("sekisho.proxy")
_LEVEL = 3
"""Of zstd: 19 would take a hundred times as long, for a fifth less."""

_MARK = 32
"""Bytes that tell a row from every other."""

SECTIONS = ("packages", "packages.conda")
"""Of a channel's files: the older format, and the newer (CEP 36)."""

Texts = tuple[bytes, bytes]
"""The members of each of ``SECTIONS``, separated by commas."""


class Row(NamedTuple):
    """One file: its record as it is served, and what it says of run_exports, ``None`` where nobody said."""

    filename: str
    record: Mapping[str, Any]
    exports: Mapping[str, Any] | None

    @classmethod
    def of(cls, artifact: Artifact) -> "Row":
        """Return what an approval says of a file; raise ``BadInputError`` where that cannot be read."""
        record = conda_record(artifact)
        exports: Mapping[str, Any] | None = record.pop(EXPORTS, None)
        return cls(artifact.filename, record, exports)

    @property
    def section(self) -> int:
        """Return under which of ``SECTIONS`` it stands."""
        return int(self.filename.endswith(".conda"))

    @property
    def stamp(self) -> int:
        """Return when it was built, as its channel says."""
        return int(self.record.get("timestamp", 0))

    def packed(self) -> dict[str, Any]:
        """Return it as a shard has it: hashes as bytes (CEP 16), run_exports inside (CEP 21)."""
        record = dict(self.record)
        for key in ("sha256", "md5"):
            if key in record:
                record[key] = bytes.fromhex(record[key])
        return record if self.exports is None else {**record, EXPORTS: self.exports}


class Newest(NamedTuple):
    """What ``channeldata.json`` says of the newest row: when it was built, its members, and these as written."""

    stamp: int
    members: tuple[tuple[str, str], ...]
    text: str


class Piece:
    """The rows of one name in one subdir, as bytes. ``marks`` are of its rows, 32 bytes each."""

    __slots__ = ("__weakref__", "digest", "exports", "marks", "name", "newest", "shard", "texts")

    def __init__(
        self, name: str, rows: Sequence[Row], marks: bytes = b"", packer: ZstdCompressor | None = None
    ) -> None:
        self.name = name
        self.marks = marks
        self.texts = _texts((row.section, _member(row.filename, row.record)) for row in rows)
        self.exports = _texts(
            (row.section, _member(row.filename, {EXPORTS: row.exports})) for row in rows if row.exports is not None
        )
        self.newest = _newest(rows)
        self.shard = _shard(rows, packer or ZstdCompressor(_LEVEL))
        self.digest = sha256(self.shard).digest()

    def __len__(self) -> int:
        return len(self.marks) // _MARK

    def is_within(self, other: "Piece") -> bool:
        """Tell whether every row is one of ``other``."""
        return _split(self.marks) <= _split(other.marks)


def _split(marks: bytes) -> set[bytes]:
    return {marks[at : at + _MARK] for at in range(0, len(marks), _MARK)}


def _texts(members: Iterable[tuple[int, bytes]]) -> Texts:
    found: tuple[list[bytes], list[bytes]] = ([], [])
    for section, text in members:
        found[section].append(text)
    return b",".join(found[0]), b",".join(found[1])


def _newest(rows: Sequence[Row]) -> Newest | None:
    if not rows:
        return None
    row = max(rows, key=lambda row: (row.stamp, row.filename))
    members = [(key, json.dumps(row.record[key])) for key in ("version", "license") if key in row.record]
    exports = {row.record["version"]: row.exports} if row.exports is not None else {}
    members.append(("run_exports", json.dumps(exports)))
    return Newest(row.stamp, tuple(members), _joined(members))


def _shard(rows: Sequence[Row], packer: ZstdCompressor) -> bytes:
    """Write a shard (CEP 16)."""
    sections: dict[str, Any] = {section: {} for section in SECTIONS}
    for row in rows:
        sections[SECTIONS[row.section]][row.filename] = row.packed()
    return packer.compress(msgspec.msgpack.encode({**sections, "removed": []}), ZstdCompressor.FLUSH_FRAME)


class Pieces:
    """Makes pieces, and remembers those that somebody still serves."""

    def __init__(self) -> None:
        self._pieces: WeakValueDictionary[bytes, Piece] = WeakValueDictionary()
        self._told: set[str] = set()
        self._packer = ZstdCompressor(_LEVEL)
        self._lock = threading.Lock()

    def of(self, name: str, artifacts: Iterable[Artifact]) -> Piece | None:
        """Return the piece of files of one name and subdir, sorted by file name; ``None`` where none is left.

        An artifact whose record cannot be read is left out, and the log says so once.
        """
        with self._lock:
            files = list(artifacts)
            marks = b"".join(map(_mark, files))
            piece = self._pieces.get(marks)
            if piece is None:
                rows = [(row, artifact) for artifact in files if (row := self._row(artifact))]
                if not rows:
                    return None
                marks = b"".join(_mark(artifact) for _, artifact in rows)
                piece = self._pieces.get(marks)
                if piece is None:
                    piece = self._pieces[marks] = Piece(name, [row for row, _ in rows], marks, self._packer)
            return piece

    def _row(self, artifact: Artifact) -> Row | None:
        try:
            return Row.of(artifact)
        except BadInputError as error:
            if artifact.sha256 not in self._told and len(self._told) < 1000:
                self._told.add(artifact.sha256)
                _LOG.error("an approved package is in no index of a channel: %s", error)
            return None


def _mark(artifact: Artifact) -> bytes:
    """Return what differs where anything that is served of a file does."""
    told = artifact.source, artifact.path, artifact.sha256, artifact.size, artifact.uploaded, artifact.index.get(RECORD)
    return blake2b(repr(told).encode(), digest_size=_MARK).digest()


def shard_index(subdir: str, pieces: Iterable[Piece]) -> bytes:
    """Write ``repodata_shards.msgpack.zst`` (CEP 16); everything is where the index is."""
    info = {"base_url": "./", "shards_base_url": "./", "subdir": subdir}
    shards = {piece.name: piece.digest for piece in pieces}
    return compress(msgspec.msgpack.encode({"version": 1, "info": info, "shards": shards}), _LEVEL)


def repodata(subdir: str, pieces: Sequence[Piece]) -> Iterator[bytes]:
    """Write ``repodata.json`` (CEP 36)."""
    return _document({"subdir": subdir}, [piece.texts for piece in pieces], b',"removed":[],"repodata_version":1')


def run_exports(subdir: str, pieces: Sequence[Piece]) -> Iterator[bytes]:
    """Write ``run_exports.json`` (CEP 12): what is known, and nothing of a file of which nobody said."""
    return _document({"subdir": subdir, "version": 1}, [piece.exports for piece in pieces], b"")


def channeldata(subdirs: Mapping[str, Mapping[str, Piece]]) -> bytes:
    """Write ``channeldata.json`` (CEP 38): of each name what its newest file by time of build says."""
    packages: dict[str, list[tuple[str, Newest]]] = {}
    for subdir, pieces in subdirs.items():
        for name, piece in pieces.items():
            if piece.newest:
                packages.setdefault(name, []).append((subdir, piece.newest))
    shown = ", ".join(f"{json.dumps(name)}: {_told(packages[name])}" for name in sorted(packages))
    return f'{{"channeldata_version": 1, "packages": {{{shown}}}, "subdirs": {json.dumps(sorted(subdirs))}}}'.encode()


def _told(rows: Sequence[tuple[str, Newest]]) -> str:
    """Write what is told of a name in all of its subdirs; what the newest does not say, one before it may."""
    stamp, text = rows[0][1].stamp, rows[0][1].text
    if len(rows) > 1:
        members: dict[str, str] = {}
        stamp = -1
        for _, newest in rows:
            if newest.stamp > stamp:
                stamp = newest.stamp
                members.update(newest.members)
        text = _joined(members.items())
    return f'{{"subdirs": {json.dumps([subdir for subdir, _ in rows])}, "timestamp": {stamp}{text}}}'


def _joined(members: Iterable[tuple[str, str]]) -> str:
    return "".join(f', "{key}": {value}' for key, value in members)


def _document(info: Mapping[str, Any], parts: Sequence[Texts], end: bytes) -> Iterator[bytes]:
    yield b'{"info":' + json.dumps(info).encode()
    for number, section in enumerate(SECTIONS):
        comma = b""
        yield b',"' + section.encode() + b'":{'
        for part in parts:
            if part[number]:
                yield comma
                yield part[number]
                comma = b","
        yield b"}"
    yield end + b"}\n"


def _member(filename: str, value: object) -> bytes:
    return json.dumps(filename).encode() + b":" + json.dumps(value, separators=(",", ":")).encode()
