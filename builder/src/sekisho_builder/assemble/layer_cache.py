"""Layers on disk, named by what they are made from: the same wheels in the same place are never packed twice."""

import time
from contextlib import suppress
from pathlib import Path

from sekisho.disk import DISK
from sekisho.errors import BadInputError
from sekisho.model import Record, Sha256, canonical_json, sha256_hex
from sekisho.store import write_atomically
from sekisho_builder.assemble.layer import BuiltLayer, Owned

_ABANDONED = 86400

LAYER_FORMAT = 1
"""Raise this whenever the same inputs give other bytes."""


class KeptLayer(Record):
    """What is known of a kept layer, without reading it."""

    sha256: Sha256
    diff_id: Sha256
    size: int
    unpacked: int
    owned: tuple[tuple[str, str, str], ...]


class LayerCache:
    """A folder of ``<key>.tar.gz`` and ``<key>.json``; the second is written last and makes the first count.

    Opening it removes half-written layers that are older than a day: no process is still at them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for half in folder.glob(".*"):
            with suppress(FileNotFoundError):
                if time.time() - half.stat().st_mtime > _ABANDONED:
                    half.unlink()

    def path(self, key: str) -> Path:
        """Return where the layer is, or would be."""
        return self._folder / f"{key}.tar.gz"

    def get(self, key: str) -> BuiltLayer | None:
        """Return a kept layer, or nothing when it is absent, cut short or cannot be read."""
        facts = self._folder / f"{key}.json"
        try:
            kept = KeptLayer.parse_json(facts.read_bytes(), where=str(facts))
            whole = self.path(key).stat().st_size == kept.size
        except (FileNotFoundError, BadInputError):
            return None
        if not whole:
            return None
        owned = [Owned(*row) for row in kept.owned]
        return BuiltLayer(kept.sha256, kept.diff_id, kept.size, kept.unpacked, owned)

    def keep(self, key: str, layer: BuiltLayer) -> None:
        """Make a layer count whose file is already at ``path(key)``."""
        DISK.flush_folder(self._folder)
        kept = KeptLayer(
            sha256=layer.digest,
            diff_id=layer.diff_id,
            size=layer.size,
            unpacked=layer.unpacked,
            owned=tuple(layer.owned),
        )
        write_atomically(self._folder / f"{key}.json", kept.canonical())


def layer_key(*inputs: object) -> str:
    """Return the name of the layer that is made from ``inputs``, which must be JSON-like."""
    return sha256_hex(canonical_json([LAYER_FORMAT, *inputs]))
