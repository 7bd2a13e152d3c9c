"""Layers on disk, named by what they are made from: the same wheels in the same place are never packed twice."""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sekisho.disk import DISK
from sekisho.errors import BadInputError
from sekisho.model import Record, Sha256, canonical_json, sha256_hex
from sekisho.store import write_atomically
from sekisho_builder.assemble.layer import BuiltLayer, Owned
from sekisho_builder.assemble.layer_series import part_path

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


class KeptLayers(Record):
    """The layers of one key, lowest first: one, but where it would have been too large."""

    layers: tuple[KeptLayer, ...]


class LayerCache:
    """A folder of ``<key>.tar.gz`` (``1.<key>.tar.gz``, …) and ``<key>.json``, which is written last and counts.

    Opening it removes half-written layers that are older than a day: no process is still at them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for half in folder.glob(".*"):
            with suppress(FileNotFoundError):
                if time.time() - half.stat().st_mtime > _ABANDONED:
                    half.unlink()

    def path(self, key: str, number: int = 0) -> Path:
        """Return where the layers of a key are, or would be."""
        return part_path(self._folder / f"{key}.tar.gz", number)

    def get(self, key: str) -> list[BuiltLayer] | None:
        """Return kept layers, or nothing when one is absent, cut short or cannot be read."""
        facts = self._folder / f"{key}.json"
        try:
            kept = KeptLayers.parse_json(facts.read_bytes(), where=str(facts)).layers
            whole = all(self.path(key, number).stat().st_size == one.size for number, one in enumerate(kept))
        except (FileNotFoundError, BadInputError):
            return None
        if not whole:
            return None
        return [
            BuiltLayer(one.sha256, one.diff_id, one.size, one.unpacked, [Owned(*row) for row in one.owned])
            for one in kept
        ]

    def keep(self, key: str, layers: Sequence[BuiltLayer]) -> None:
        """Make layers count whose files are already at ``path(key, …)``."""
        DISK.flush_folder(self._folder)
        kept = tuple(
            KeptLayer(
                sha256=layer.digest,
                diff_id=layer.diff_id,
                size=layer.size,
                unpacked=layer.unpacked,
                owned=tuple(layer.owned),
            )
            for layer in layers
        )
        write_atomically(self._folder / f"{key}.json", KeptLayers(layers=kept).canonical())


def layer_key(*inputs: object) -> str:
    """Return the name of the layer that is made from ``inputs``, which must be JSON-like."""
    return sha256_hex(canonical_json([LAYER_FORMAT, *inputs]))
