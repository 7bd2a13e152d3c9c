"""What is served of one name in one subdir of a channel, written once for every representation.

A row is what an approval says of one file. A piece is the rows of a name, and the bytes that each representation has of
them: so whole files are concatenations, and what did not change is not written again.
"""

import json
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from sekisho.errors import BadInputError
from sekisho.model import Artifact
from sekisho.model.conda import EXPORTS, RECORD, conda_record
from sekisho.zstd import compress

_LOG = logging.getLogger("sekisho.proxy")
_LEVEL = 3
"""Of zstd: 19 would take a hundred times as long, for a fifth less."""

SECTIONS = ("packages", "packages.conda")
"""Of a channel's files: the older format, and the newer (CEP 36)."""


class Row:
    """One file: its record as it is served, and what it says of run_exports, ``None`` where nobody said."""

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        record = conda_record(artifact)
        self.exports: Mapping[str, Any] | None = record.pop(EXPORTS, None)
        self.record = record

    @property
    def section(self) -> str:
        """Return under which key of a channel's files it stands."""
        return SECTIONS[self.artifact.filename.endswith(".conda")]

    @cached_property
    def text(self) -> bytes:
        """Return it as a member of ``packages`` in ``repodata.json``."""
        return _member(self.artifact.filename, self.record)

    def packed(self) -> dict[str, Any]:
        """Return it as a shard has it: hashes as bytes (CEP 16), run_exports inside (CEP 21)."""
        record = dict(self.record)
        for key in ("sha256", "md5"):
            if key in record:
                record[key] = bytes.fromhex(record[key])
        return record if self.exports is None else {**record, EXPORTS: self.exports}


class Piece:
    """The rows of one name in one subdir."""

    def __init__(self, name: str, rows: tuple[Row, ...]) -> None:
        self.name = name
        self.rows = rows

    @cached_property
    def shard(self) -> bytes:
        """Return the shard (CEP 16)."""
        sections: dict[str, Any] = {section: {} for section in SECTIONS}
        for row in self.rows:
            sections[row.section][row.artifact.filename] = row.packed()
        return compress(msgspec.msgpack.encode({**sections, "removed": []}), _LEVEL)

    @cached_property
    def digest(self) -> bytes:
        """Return the shard's sha256."""
        return sha256(self.shard).digest()

    @property
    def is_packed(self) -> bool:
        """Tell whether the shard was written: nobody has heard of another."""
        return "digest" in self.__dict__

    @cached_property
    def texts(self) -> Mapping[str, bytes]:
        """Return the members of each section, separated by commas."""
        return {section: b",".join(row.text for row in self.rows if row.section == section) for section in SECTIONS}

    @cached_property
    def exports(self) -> Mapping[str, bytes]:
        """Return the members of each section of ``run_exports.json`` (CEP 12): files of which anybody said."""
        rows = [row for row in self.rows if row.exports is not None]
        return {
            section: b",".join(
                _member(row.artifact.filename, {EXPORTS: row.exports}) for row in rows if row.section == section
            )
            for section in SECTIONS
        }


class Pieces:
    """Makes rows and pieces, and remembers those that somebody still serves."""

    def __init__(self) -> None:
        self._rows: WeakValueDictionary[tuple[object, ...], Row] = WeakValueDictionary()
        self._pieces: WeakValueDictionary[tuple[Row, ...], Piece] = WeakValueDictionary()
        self._told: set[str] = set()
        self._lock = threading.Lock()

    def of(self, name: str, artifacts: Iterable[Artifact]) -> Piece | None:
        """Return the piece of files of one name and subdir, sorted by file name; ``None`` where none is left.

        An artifact whose record cannot be read is left out, and the log says so once.
        """
        with self._lock:
            rows = tuple(row for artifact in artifacts if (row := self._row(artifact)))
            piece = self._pieces.get(rows)
            if piece is None and rows:
                piece = self._pieces[rows] = Piece(name, rows)
            return piece

    def _row(self, artifact: Artifact) -> Row | None:
        stated = artifact.index.get(RECORD)
        key = artifact.source, artifact.path, artifact.sha256, artifact.size, artifact.uploaded, stated
        row = self._rows.get(key)
        if row is None:
            try:
                row = self._rows[key] = Row(artifact)
            except BadInputError as error:
                if artifact.sha256 not in self._told and len(self._told) < 1000:
                    self._told.add(artifact.sha256)
                    _LOG.error("an approved package is in no index of a channel: %s", error)
        return row


def shard_index(subdir: str, pieces: Mapping[str, Piece]) -> bytes:
    """Write ``repodata_shards.msgpack.zst`` (CEP 16); everything is where the index is."""
    info = {"base_url": "./", "shards_base_url": "./", "subdir": subdir}
    shards = {name: piece.digest for name, piece in pieces.items()}
    return compress(msgspec.msgpack.encode({"version": 1, "info": info, "shards": shards}), _LEVEL)


def repodata(subdir: str, pieces: Sequence[Piece]) -> bytes:
    """Write ``repodata.json`` (CEP 36)."""
    return b"".join(
        _document({"subdir": subdir}, [piece.texts for piece in pieces], b',"removed":[],"repodata_version":1')
    )


def run_exports(subdir: str, pieces: Sequence[Piece]) -> bytes:
    """Write ``run_exports.json`` (CEP 12): what is known, and nothing of a file of which nobody said."""
    return b"".join(_document({"subdir": subdir, "version": 1}, [piece.exports for piece in pieces], b""))


def channeldata(subdirs: Mapping[str, Mapping[str, Piece]]) -> bytes:
    """Write ``channeldata.json`` (CEP 38): of each name what its newest file by time of build says."""
    packages: dict[str, dict[str, Any]] = {}
    for subdir, pieces in subdirs.items():
        for name, piece in pieces.items():
            newest = max(piece.rows, key=lambda row: (row.record.get("timestamp", 0), row.artifact.filename))
            known = packages.setdefault(name, {"subdirs": [], "timestamp": -1})
            known["subdirs"].append(subdir)
            stamp = newest.record.get("timestamp", 0)
            if stamp > known["timestamp"]:
                stated: dict[str, Any] = {
                    key: newest.record[key] for key in ("version", "license") if key in newest.record
                }
                exports = {newest.record["version"]: newest.exports} if newest.exports is not None else {}
                known.update(stated, timestamp=stamp, run_exports=exports)
    shown = {name: packages[name] for name in sorted(packages)}
    return json.dumps({"channeldata_version": 1, "packages": shown, "subdirs": sorted(subdirs)}).encode()


def _document(info: Mapping[str, Any], parts: Sequence[Mapping[str, bytes]], end: bytes) -> Iterator[bytes]:
    yield b'{"info":' + json.dumps(info).encode()
    for section in SECTIONS:
        yield b',"' + section.encode() + b'":{'
        yield b",".join(part[section] for part in parts if part[section])
        yield b"}"
    yield end + b"}\n"


def _member(filename: str, value: object) -> bytes:
    return json.dumps(filename).encode() + b":" + json.dumps(value, separators=(",", ":")).encode()
