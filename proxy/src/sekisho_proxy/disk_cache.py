"""Small derived values on disk. They can be thrown away, so nothing is flushed; each carries its own checksum."""

import hashlib
import logging
import os
import threading
import uuid
from pathlib import Path

from sekisho.disk import DISK, disk_errors, sweep
from sekisho.errors import StorageFullError

_LOG = logging.getLogger("sekisho.proxy")
_DIGEST = hashlib.sha256().digest_size


class DiskCache:
    """A folder of values by key; one that was half-written or changed is as good as absent.

    ``memory`` is how many bytes of values are kept in memory as well, the newest ones.
    """

    def __init__(self, root: Path, *, memory: int = 0) -> None:
        self._root = root
        self._incoming = root / "incoming"
        self._memory = memory
        self._known: dict[str, bytes] = {}
        self._size = 0
        self._lock = threading.Lock()  # values come from threads, and the sum has to be theirs
        sweep(self._incoming)

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._root / name[:2] / name

    def known(self, key: str) -> bytes | None:
        """Return the value if it is in memory; no disk is asked."""
        return self._known.get(key)

    def get(self, key: str) -> bytes | None:
        """Return the value, or ``None``."""
        known = self.known(key)
        if known is not None:
            return known
        try:
            data = self._path(key).read_bytes()
        except FileNotFoundError:
            return None
        value = data[_DIGEST:]
        if hashlib.sha256(value).digest() != data[:_DIGEST]:
            return None
        self._remember(key, value)
        return value

    def put(self, key: str, value: bytes) -> None:
        """Keep a value, if the disk has room for it; readers see all of it or none."""
        try:
            with disk_errors(self._root):
                self._write(self._path(key), hashlib.sha256(value).digest() + value)
        except StorageFullError as error:  # whoever asked has the value; it is only worked out again the next time
            _LOG.warning("a derived value is not kept: %s", error)
        else:  # what is in memory would never come to the disk once there is room
            self._remember(key, value)

    def drop(self, key: str) -> None:
        """Forget a value."""
        with self._lock:
            self._size -= len(self._known.pop(key, b""))
        DISK.remove(self._path(key))

    def _write(self, path: Path, data: bytes) -> None:
        for folder in (self._incoming, path.parent):
            folder.mkdir(parents=True, exist_ok=True)
        half = self._incoming / uuid.uuid4().hex
        handle = DISK.create(half)
        try:
            DISK.write(handle, data)
            DISK.rename(half, path)
        finally:
            DISK.remove(half)
            os.close(handle)

    def _remember(self, key: str, value: bytes) -> None:
        with self._lock:
            self._size -= len(self._known.pop(key, b""))
            if len(value) > self._memory:
                return
            while self._size + len(value) > self._memory:
                self._size -= len(self._known.pop(next(iter(self._known))))
            self._known[key] = value
            self._size += len(value)
