"""When a file of a channel was first seen here: durable, because no channel says it and cooldowns lean on it.

A name's digest stands for everything that its channel says of it (a shard's sha256). A file that is found in it has
been there at least since that digest was first seen, whenever it was read. Bytes are known by their own sha256, so a
file that is replaced under its old name is new, and one that comes back is not.
"""

import sqlite3
import struct
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sekisho.disk import DISK, disk_errors

FILE = "first-seen.sqlite"
"""Below the proxy's state. A backup takes it along."""

_PAGES = 1 << 14
"""Of the write-ahead log (64 MiB): no import of a few changes waits for the file itself."""

_STAMP = struct.Struct(">16sI")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS names (
  source TEXT NOT NULL, subdir TEXT NOT NULL, name TEXT NOT NULL,
  digest BLOB NOT NULL, since INTEGER NOT NULL, files BLOB NOT NULL DEFAULT x'',
  PRIMARY KEY (source, subdir, name)
) WITHOUT ROWID
"""
_NOTE = """
INSERT INTO names (source, subdir, name, digest, since) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET digest = excluded.digest, since = excluded.since
"""
_DIGESTS = "SELECT name, digest FROM names WHERE source = ? AND subdir = ?"
_PACKED = "SELECT files FROM names WHERE source = ? AND subdir = ? AND name = ?"
_FILES = "UPDATE names SET files = ? WHERE source = ? AND subdir = ? AND name = ?"
_OF = "SELECT digest, since, files FROM names WHERE source = ? AND subdir = ? AND name = ?"
_KEEP = """
INSERT INTO names (source, subdir, name, digest, since, files) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET files = excluded.files
"""


class Stamps(NamedTuple):
    """When each file was first seen, by sha256, in seconds of the epoch; and when the first of the name's was."""

    at: Mapping[str, int]
    first: int


def age(stamps: Stamps, sha256: str, stated: object) -> int:
    """Return since when a file counts as known, given its record where its source is trusted to say that.

    A channel's own stamp (``indexed_timestamp``, CEP 47) counts; the builder's ``timestamp`` only for what was there
    when the name was first read. Whatever is stated makes nothing younger, and what is said to come is not heeded.
    """
    seen = stamps.at[sha256]
    if not isinstance(stated, Mapping):
        return seen
    keys = ("indexed_timestamp", "timestamp") if seen == stamps.first else ("indexed_timestamp",)
    said = [value for key in keys if isinstance(value := stated.get(key), int) and not isinstance(value, bool)]
    return min([seen, *(value // 1000 for value in said if 0 < value <= seen * 1000)])


class FirstSeen:
    """The stamps of all channels, in one SQLite file.

    A failure of power may take the last ones back. What is stamped again is then younger than it was, never older.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._open: sqlite3.Connection | None = None

    def _connection(self) -> sqlite3.Connection:
        if self._open is None:
            with disk_errors(self._path):
                DISK.settle(self._path.parent)
            self._open = sqlite3.connect(self._path, timeout=30, check_same_thread=False, isolation_level=None)
            self._open.execute("PRAGMA journal_mode = WAL")
            self._open.execute("PRAGMA synchronous = NORMAL")
            self._open.execute(f"PRAGMA wal_autocheckpoint = {_PAGES}")
            self._open.execute(_SCHEMA)
        return self._open

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None

    def note(self, source: str, subdir: str, digests: Mapping[str, bytes], now: int) -> int:
        """Note what a channel says of its names now; return how many of them say something new."""
        return self.take(source, subdir, digests, (), now)

    def take(
        self,
        source: str,
        subdir: str,
        digests: Mapping[str, bytes],
        files: Iterable[tuple[str, Iterable[bytes]]],
        now: int,
    ) -> int:
        """Note the digests, and by name what is known by ``short`` of files that were read anyway."""
        with self._lock:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            with _committed(connection):
                known = dict(connection.execute(_DIGESTS, (source, subdir)))
                fresh = [name for name, digest in digests.items() if known.get(name) != digest]
                connection.executemany(_NOTE, [(source, subdir, name, digests[name], now) for name in fresh])
                stamped = []
                for name, hashes in files:
                    [packed] = connection.execute(_PACKED, (source, subdir, name)).fetchone()
                    new = {known_by for known_by in hashes if known_by} - {known_by for known_by, _ in _rows(packed)}
                    if new:
                        stamped.append((packed + pack_stamps(dict.fromkeys(new, now)), source, subdir, name))
                connection.executemany(_FILES, stamped)
        return len(fresh)

    def of(self, source: str, subdir: str, name: str, digest: bytes, hashes: Iterable[str], now: int) -> Stamps:
        """Return the stamps of the files that ``digest`` stands for; one that is new gets the digest's own."""
        key = source, subdir, name
        wanted = {sha256: short(sha256) for sha256 in hashes}
        with self._lock:
            connection = self._connection()
            at, stamp = _known(connection, key, digest, now)
            if not at.keys() >= set(wanted.values()):
                connection.execute("BEGIN IMMEDIATE")
                with _committed(connection):
                    at, stamp = _known(connection, key, digest, now)
                    at = dict.fromkeys(wanted.values(), stamp) | at
                    connection.execute(_KEEP, (*key, digest, stamp, pack_stamps(at)))
        return Stamps({sha256: at[known_by] for sha256, known_by in wanted.items()}, min(at.values(), default=stamp))


def _known(
    connection: sqlite3.Connection, key: tuple[str, str, str], digest: bytes, now: int
) -> tuple[dict[bytes, int], int]:
    """Return the stamps of a name's files, and the one of those that are not among them."""
    noted, since, packed = connection.execute(_OF, key).fetchone() or (digest, now, b"")
    return unpack_stamps(packed), since if noted == digest else now


@contextmanager
def _committed(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def short(sha256: str) -> bytes:
    """Return what a file is known by, and nothing for what is no sha256."""
    try:
        return bytes.fromhex(sha256)[:16].ljust(16, b"\0") if len(sha256) == 64 else b""
    except ValueError:
        return b""


def pack_stamps(at: Mapping[bytes, int]) -> bytes:
    """Return the form that is kept: 20 bytes a file."""
    return b"".join(_STAMP.pack(*row) for row in sorted(at.items()))


def unpack_stamps(packed: bytes) -> dict[bytes, int]:
    """Read that form."""
    return dict(_rows(packed))


def _rows(packed: bytes) -> Iterator[tuple[bytes, int]]:
    return _STAMP.iter_unpack(packed)
