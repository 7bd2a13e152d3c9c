"""Small derived values on disk. They can be thrown away, so nothing is flushed; each carries its own checksum."""

import hashlib
import uuid
from pathlib import Path

from sekisho.store import disk_errors

_DIGEST = hashlib.sha256().digest_size


class DiskCache:
    """A folder of values by key; one that was half-written or changed is as good as absent.

    ``memory`` is how many values are kept in memory as well.
    """

    def __init__(self, root: Path, *, memory: int = 0) -> None:
        self._root = root
        self._memory = memory
        self._known: dict[str, bytes] = {}

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._root / name[:2] / name

    def get(self, key: str) -> bytes | None:
        """Return the value, or ``None``."""
        if key in self._known:
            return self._known[key]
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
        """Keep a value; readers see all of it or none."""
        path = self._path(key)
        with disk_errors(self._root):
            path.parent.mkdir(parents=True, exist_ok=True)
            half = path.with_name(f".{uuid.uuid4().hex}")
            try:
                half.write_bytes(hashlib.sha256(value).digest() + value)
                half.rename(path)
            finally:
                half.unlink(missing_ok=True)
        self._remember(key, value)

    def _remember(self, key: str, value: bytes) -> None:
        if self._memory:
            while len(self._known) >= self._memory:
                self._known.pop(next(iter(self._known)))
            self._known[key] = value
