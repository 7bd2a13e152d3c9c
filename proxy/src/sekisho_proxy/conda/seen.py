"""When a file of a channel was first seen here: durable, because no channel says it and cooldowns lean on it.

A name's digest stands for everything that its channel says of it (a shard's sha256). A file that is found in it has
been there at least since that digest was first seen, whenever it was read. Bytes are known by their own sha256, so a
file that is replaced under its old name is new, and one that comes back is not.
"""

import sqlite3
import struct
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from sekisho.disk import DISK, disk_errors

FILE = "first-seen.sqlite"
"""Below the proxy's state. A backup takes it along."""

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
_OF = "SELECT digest, since, files FROM names WHERE source = ? AND subdir = ? AND name = ?"
_KEEP = """
INSERT INTO names (source, subdir, name, digest, since, files) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET files = excluded.files
"""


class Stamps(NamedTuple):
    """When each file was first seen, by sha256, in seconds of the epoch; and when the first of the name's was."""

    at: Mapping[str, int]
    first: int


class FirstSeen:
    """The stamps of all channels, in one SQLite file. Every answer is durable before it is given."""

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
            self._open.execute("PRAGMA synchronous = FULL")
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
        with self._lock, self._connection() as connection:
            rows = connection.execute(
                "SELECT name, digest FROM names WHERE source = ? AND subdir = ?", (source, subdir)
            )
            known = dict(rows.fetchall())
            fresh = [
                (source, subdir, name, digest, now) for name, digest in digests.items() if known.get(name) != digest
            ]
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_NOTE, fresh)
            connection.execute("COMMIT")
        return len(fresh)

    def of(self, source: str, subdir: str, name: str, digest: bytes, hashes: Iterable[str], now: int) -> Stamps:
        """Return the stamps of the files that ``digest`` stands for; one that is new gets the digest's own."""
        key = source, subdir, name
        with self._lock, self._connection() as connection:
            found = connection.execute(_OF, key).fetchone()
            noted, since, packed = found or (digest, now, b"")
            at = unpack_stamps(packed)
            stamp = since if noted == digest else now
            wanted = {sha256: bytes.fromhex(sha256)[:16] for sha256 in hashes}
            fresh = set(wanted.values()) - at.keys()
            if fresh:
                at |= dict.fromkeys(fresh, stamp)
                connection.execute(_KEEP, (*key, digest, stamp, pack_stamps(at)))
        return Stamps({sha256: at[short] for sha256, short in wanted.items()}, min(at.values(), default=stamp))


def pack_stamps(at: Mapping[bytes, int]) -> bytes:
    """Return the form that is kept: 20 bytes a file."""
    return b"".join(_STAMP.pack(*row) for row in sorted(at.items()))


def unpack_stamps(packed: bytes) -> dict[bytes, int]:
    """Read that form."""
    return dict(_STAMP.iter_unpack(packed))
