"""The forms in which a subdir's records are had: shards, each fetched when it is wanted, or the pieces of one file."""

import asyncio
from collections.abc import Mapping
from itertools import chain
from typing import Protocol

import msgspec

from sekisho.errors import CorruptError
from sekisho_proxy.conda.catalogue import Catalogue, Pieces
from sekisho_proxy.conda.elsewhere import Elsewhere
from sekisho_proxy.conda.packed import read_json
from sekisho_proxy.conda.shards import SHARD_LIMIT, ShardIndex, read_shard
from sekisho_proxy.conda.stated import Refused, Stated
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.upstream.fetcher import Fetcher
from sekisho_proxy.upstream.source import Kept

Records = tuple[list[tuple[str, Stated]], list[Refused]]
"""What is listed of a name, by file name; and what of it is dropped."""


class LostError(CorruptError):
    """What was kept here is not whole any more, and has to be had again."""


class Reading(Protocol):
    """What is known of a subdir: a digest for each name. ``kept`` says how it was had, ``packages`` where files are.

    ``noted`` tells that its digests were stamped when it was had just now.
    """

    names: Mapping[str, bytes]
    refused: tuple[Refused, ...]
    kept: Kept
    packages: Elsewhere
    noted: bool

    async def records(self, name: str) -> Records:
        """Return what is listed of a name."""
        ...


class Sharded:
    """Shards (CEP 16). One that was verified is kept; none is shown whose bytes are not what the index says."""

    def __init__(
        self, index: ShardIndex, base: str, packages: Elsewhere, kept: Kept, fetcher: Fetcher, disk: DiskCache
    ) -> None:
        self.names, self.refused, self.kept = index.names, _with(index.refused, packages), kept
        self.packages = packages
        self.noted = False
        self._base, self._fetcher, self._disk = base, fetcher, disk

    async def records(self, name: str) -> Records:
        """Return what is listed of a name; its shard is fetched if it is not here."""
        sha256 = self.names[name]
        key, url = f"shard {sha256.hex()}", f"{self._base}{sha256.hex()}.msgpack.zst"
        data = await asyncio.to_thread(self._disk.get, key)
        if data is not None:
            return await asyncio.to_thread(read_shard, data, sha256, where=url)
        answer = await self._fetcher.get(url, limit=SHARD_LIMIT, raw=True)
        self._fetcher.require(answer, url, 200)
        read = await asyncio.to_thread(read_shard, answer.content, sha256, where=url)  # before it is kept
        await asyncio.to_thread(self._disk.put, key, answer.content)
        return read


class Whole:
    """The pieces of one file of all records."""

    def __init__(self, catalogue: Catalogue, packages: Elsewhere, kept: Kept, pieces: Pieces) -> None:
        self.names: Mapping[str, bytes] = catalogue.digests()
        self.refused, self.kept = _with(catalogue.refused, packages), kept
        self.packages = packages
        self.noted = False
        self._catalogue, self._pieces = catalogue, pieces

    async def records(self, name: str) -> Records:
        """Return what is listed of a name; raise ``LostError`` if its piece is not whole."""
        return await asyncio.to_thread(self._read, name), []

    def _read(self, name: str) -> list[tuple[str, Stated]]:
        try:
            parts = self._pieces.read(self._catalogue, name)
        except CorruptError as error:
            raise LostError(error.what, where=error.where, todo="ask again: the channel is read anew") from error
        rows = (read_json(b"{%b}" % part, dict[str, msgspec.Raw], where=name).items() for part in parts)
        return [(filename, Stated(raw, msgspec.json.decode)) for filename, raw in chain.from_iterable(rows)]


def _with(refused: tuple[Refused, ...], packages: Elsewhere) -> tuple[Refused, ...]:
    return (*refused, packages.refused) if packages.refused else refused
