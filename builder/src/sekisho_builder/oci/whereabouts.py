"""Which repository of a registry had a blob last: from there it can be mounted, instead of being sent once more.

Only a memory: what it says may be wrong by now, the registry then takes the blob as if it had never been there.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from sekisho.model import canonical_json
from sekisho.store import write_atomically

_MOST = 20_000


class Whereabouts:
    """A file of {registry: {sha256: repository}}, the newest last; the oldest are forgotten."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def repository(self, registry: str, sha256: str) -> str | None:
        """Return where in the registry the blob was seen last, if it was."""
        return self._read().get(registry, {}).get(sha256)

    def note(self, registry: str, repository: str, blobs: Iterable[str]) -> None:
        """Remember that a repository has these blobs."""
        known = self._read()
        rows = known.get(registry, {})
        for sha256 in blobs:
            rows.pop(sha256, None)
            rows[sha256] = repository
        known[registry] = dict(list(rows.items())[-_MOST:])
        write_atomically(self._path, canonical_json(known))

    def _read(self) -> dict[str, dict[str, str]]:
        with suppress(OSError, ValueError):
            found = json.loads(self._path.read_bytes())
            if isinstance(found, dict) and all(isinstance(rows, dict) for rows in found.values()):
                return found
        return {}
