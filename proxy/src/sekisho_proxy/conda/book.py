"""What each workspace is served of each channel: decided once, and then the source of every representation.

A decision is of one snapshot and lives until its earliest expiry. The next one is made from the same pieces, so that it
costs what changed.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sekisho.model import Artifact
from sekisho.policy import Door
from sekisho_proxy.conda.bodies import Body, as_it_is, as_zstd, negotiated, shard_reply
from sekisho_proxy.conda.decision import KIND, Decision, Offered, decide
from sekisho_proxy.conda.pieces import Piece, Pieces, channeldata, repodata, run_exports, shard_index
from sekisho_proxy.exchange import Reply, Request
from sekisho_proxy.follow import Held
from sekisho_proxy.gate import Gate, View
from sekisho_proxy.holdings import Holdings
from sekisho_proxy.index import Index
from sekisho_proxy.shelf import Shelf
from sekisho_proxy.upstream.reach import Reach

INDEX = "repodata_shards.msgpack.zst"
SHARD = ".msgpack.zst"
_MOST_OLDER = 1000
_MANY = 500
"""Names from which on a decision is made in a thread."""

_MOST = 64
"""Present decisions that are kept."""

_MOST_FROZEN_ROWS = 80_000
"""Some 60 MB of frozen decisions, at 700 bytes for a row in all forms: dates are made up by whoever asks."""


class Subdir:
    """What is served of one subdir. ``older`` are shards by digest of decisions before this one."""

    def __init__(self, subdir: str, pieces: Mapping[str, Piece], older: Mapping[str, Piece]) -> None:
        self.pieces = pieces
        self._older = older
        in_order = [pieces[name] for name in sorted(pieces)]
        rows = sum(map(len, in_order))
        self._index = Body(lambda: [shard_index(subdir, in_order)], len(in_order) // 10)
        self._repodata = Body(lambda: repodata(subdir, in_order), rows)
        self._exports = Body(lambda: run_exports(subdir, in_order), rows)
        self._shards: dict[str, Piece] | None = None

    def warm(self, before: "Subdir | None") -> None:
        """Write the index of shards if it was asked for ``before``: it is what clients ask first."""
        if before and before._index.is_made:  # noqa: SLF001 (of the same class)
            self._index.make()

    @property
    def shards(self) -> Mapping[str, Piece]:
        """Return the pieces by the sha256 of their shards."""
        if self._shards is None:
            self._shards = {piece.digest.hex(): piece for piece in self.pieces.values()}
        return self._shards

    async def answer(self, request: Request, name: str) -> Reply | None:
        """Answer for a file of the index; nothing for one that there is not."""
        if name == INDEX:
            return await as_it_is(request, self._index)
        if name.endswith(SHARD):
            return self._shard(request, name.removesuffix(SHARD))
        stem, ending = (name.removesuffix(".zst"), as_zstd) if name.endswith(".zst") else (name, negotiated)
        if stem in {"repodata.json", "current_repodata.json"}:
            return await ending(request, self._repodata)
        return await ending(request, self._exports) if stem == "run_exports.json" else None

    def _shard(self, request: Request, key: str) -> Reply | None:
        piece = self.shards.get(key) or self._older.get(key)
        return shard_reply(request, piece.digest, piece.shard) if piece else None

    def shards_to_keep(self, now: Mapping[str, Piece]) -> dict[str, Piece]:
        """Return the shards that a client may still ask for: nothing in them is missing from ``now``."""
        told = self.pieces.values() if self._index.is_made else ()
        kept = {}
        for piece in (*self._older.values(), *told):
            there = now.get(piece.name)
            if there is not None and there is not piece and piece.is_within(there):
                kept[piece.digest.hex()] = piece
        return dict(list(kept.items())[-_MOST_OLDER:])


class Channel:
    """What is served of one channel, by subdir."""

    def __init__(self, offered: Offered, before: "Channel | None") -> None:
        self._offered = offered
        self._subdirs = {
            name: Subdir(name, pieces, before.older(name, pieces) if before else {}) for name, pieces in offered.items()
        }
        self._data = Body(lambda: [channeldata(offered)], sum(map(len, offered.values())))
        self.rows = sum(len(piece) for pieces in offered.values() for piece in pieces.values())

    def older(self, subdir: str, pieces: Mapping[str, Piece]) -> dict[str, Piece]:
        """Return which shards of this decision are still good where ``pieces`` are served."""
        known = self._subdirs.get(subdir)
        return known.shards_to_keep(pieces) if known else {}

    def warm(self, before: "Channel") -> None:
        """Write what clients of ``before`` will ask first."""
        for name, subdir in self._subdirs.items():
            subdir.warm(before._subdirs.get(name))  # noqa: SLF001 (of the same class)

    def subdir(self, name: str) -> Subdir:
        """Return a subdir; one of which nothing is served is valid and empty (CEP 36)."""
        return self._subdirs.get(name) or Subdir(name, {}, {})

    async def data(self, request: Request) -> Reply:
        """Answer with ``channeldata.json``."""
        return await negotiated(request, self._data)


class _Standing(NamedTuple):
    decision: Decision
    channel: Channel
    end: datetime | None
    turn: int


class ChannelBook:
    """Decisions by view and channel. On a replica, and of a channel that is away, they list what is here."""

    def __init__(self, held: Held, gate: Gate, holdings: Holdings, reach: Reach | None) -> None:
        self._held = held
        self._gate = gate
        self._holdings = holdings
        self._reach = reach
        self._pieces = Pieces()
        self._present: dict[tuple[View, str], _Standing] = {}
        self._frozen = Shelf[_Standing](_MOST_FROZEN_ROWS)
        self._coming: tuple[Index, dict[tuple[View, str], _Standing]] | None = None
        self._one = asyncio.Lock()

    async def channel(self, view: View, source: str, now: datetime) -> Channel:
        """Return what a view is served of a channel now."""
        if found := self._find(view, source, now):
            return found
        if len(self._gate.door(view).names(KIND)) < _MANY:
            return self._keep(view, source, self._decide(view, source, now, self._known(view, source)))
        async with self._one:
            if found := self._find(view, source, now):
                return found
            known = self._known(view, source)
            return self._keep(view, source, await asyncio.to_thread(self._decide, view, source, now, known))

    def prepare(self, index: Index) -> None:
        """Decide by a snapshot that is about to come into force whatever somebody asked for by the one before.

        It runs beside the event loop. So a change costs no request anything but the bytes that it changes.
        """
        made, now = {}, self._held.now()
        for key, standing in list(self._present.items()):
            view, source = key
            made[key] = self._stand(index.door(view.workspace), source, now, standing, self._held.turn + 1)
            made[key].channel.warm(standing.channel)
        self._coming = index, made

    def _find(self, view: View, source: str, now: datetime) -> Channel | None:
        if self._coming and self._coming[0] is self._held.index():
            self._present.update(self._coming[1])
            self._coming = None
        found = self._known(view, source)
        good = found and found.turn == self._held.turn and found.decision.here == self._here()
        return found.channel if found and good and (found.end is None or now < found.end) else None

    def _decide(self, view: View, source: str, now: datetime, known: _Standing | None) -> _Standing:
        turn, door = self._held.turn, self._gate.door(view)
        return self._stand(door, source, now, known, turn)

    def _known(self, view: View, source: str) -> _Standing | None:
        """Return the last decision for a view, though it may be of another policy, or over."""
        key = self._shared(view, source), source
        return self._present.get(key) if key[0].as_of is None else self._frozen.get(key)

    def _keep(self, view: View, source: str, standing: _Standing) -> Channel:
        """Keep a decision; one that is frozen and large beyond the shelf is there by itself."""
        key = self._shared(view, source), source
        if not standing.decision.names:  # a workspace without any may be made up, and costs nothing
            return standing.channel
        if key[0].as_of is not None:
            self._frozen.put(key, standing, None, weight=min(standing.channel.rows + 1, _MOST_FROZEN_ROWS))
            return standing.channel
        self._present.pop(key, None)
        while len(self._present) >= _MOST:
            self._present.pop(next(iter(self._present)))
        self._present[key] = standing
        return standing.channel

    def _stand(self, door: Door, source: str, now: datetime, before: _Standing | None, turn: int) -> _Standing:
        known = before.decision if before else None
        made = decide(door, source, now, self._pieces, self._is_near, here=self._here(), before=known)
        channel = Channel(made.offered(), before.channel if before else None)
        return _Standing(made, channel, made.end, turn)

    def _is_near(self, artifact: Artifact) -> bool:
        return self._reach.offers(artifact) if self._reach else self._holdings.has(artifact.sha256)

    def _here(self) -> object:
        """Return what changes when other files can be had. On a replica each import may bring some."""
        return self._reach.turn if self._reach else self._held.turn

    def _shared(self, view: View, source: str) -> View:
        """Return the view whose decision ``view`` shares: many dates have the same."""
        return View(view.workspace, self._gate.door(view).settled_channel(source) if view.as_of is not None else None)
