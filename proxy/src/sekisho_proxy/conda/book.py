"""What each workspace is served of each channel: decided once, and then the source of every representation.

A decision is of one snapshot and lives until its earliest expiry. The next one is made from the same pieces, so that it
costs what changed.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sekisho.model import Artifact, Kind
from sekisho.model.conda import NOARCH
from sekisho_proxy.conda.bodies import Body, as_it_is, as_zstd, negotiated, shard_reply
from sekisho_proxy.conda.pieces import Piece, Pieces, channeldata, repodata, run_exports, shard_index
from sekisho_proxy.exchange import Reply, Request
from sekisho_proxy.follow import Held
from sekisho_proxy.gate import Gate, View
from sekisho_proxy.holdings import Holdings
from sekisho_proxy.upstream.reach import Reach

KIND: Kind = "conda"
INDEX = "repodata_shards.msgpack.zst"
SHARD = ".msgpack.zst"
_MOST_OLDER = 1000
_MANY = 500
"""Names from which on a decision is made in a thread."""

_MOST = 64
"""Decisions that are kept; frozen ones have as many of their own, since dates are made up by who asks."""

Offered = Mapping[str, Mapping[str, Piece]]
"""The piece of each name, by subdir."""


class Subdir:
    """What is served of one subdir. ``older`` are shards by digest of decisions before this one."""

    def __init__(self, subdir: str, pieces: Mapping[str, Piece], older: Mapping[str, Piece]) -> None:
        self.pieces = pieces
        self._older = older
        in_order = [pieces[name] for name in sorted(pieces)]
        rows = sum(len(piece.rows) for piece in in_order)
        self._index = Body(lambda: shard_index(subdir, {piece.name: piece for piece in in_order}), len(in_order) // 10)
        self._repodata = Body(lambda: repodata(subdir, in_order), rows)
        self._exports = Body(lambda: run_exports(subdir, in_order), rows)
        self._shards: dict[str, Piece] | None = None

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
        told = [piece for piece in self.pieces.values() if piece.is_packed]
        kept = {}
        for piece in (*self._older.values(), *told):
            there = now.get(piece.name)
            if there is not None and there is not piece and set(piece.rows) <= set(there.rows):
                kept[piece.digest.hex()] = piece
        return dict(list(kept.items())[-_MOST_OLDER:])


class Channel:
    """What is served of one channel, by subdir."""

    def __init__(self, offered: Offered, before: "Channel | None") -> None:
        self._offered = offered
        self._subdirs = {
            name: Subdir(name, pieces, before.older(name, pieces) if before else {}) for name, pieces in offered.items()
        }
        self._data = Body(lambda: channeldata(offered), sum(map(len, offered.values())))

    def older(self, subdir: str, pieces: Mapping[str, Piece]) -> dict[str, Piece]:
        """Return which shards of this decision are still good where ``pieces`` are served."""
        known = self._subdirs.get(subdir)
        return known.shards_to_keep(pieces) if known else {}

    def subdir(self, name: str) -> Subdir:
        """Return a subdir; one of which nothing is served is valid and empty (CEP 36)."""
        return self._subdirs.get(name) or Subdir(name, {}, {})

    async def data(self, request: Request) -> Reply:
        """Answer with ``channeldata.json``."""
        return await negotiated(request, self._data)


class _Decision(NamedTuple):
    channel: Channel
    end: datetime | None
    turn: object


class ChannelBook:
    """Decisions by view and channel. On a replica, and of a channel that is away, they list what is here."""

    def __init__(self, held: Held, gate: Gate, holdings: Holdings, reach: Reach | None) -> None:
        self._held = held
        self._gate = gate
        self._holdings = holdings
        self._reach = reach
        self._pieces = Pieces()
        self._decided: dict[tuple[View, str], _Decision] = {}
        self._frozen: dict[tuple[View, str], _Decision] = {}
        self._one = asyncio.Lock()

    async def channel(self, view: View, source: str, now: datetime) -> Channel:
        """Return what a view is served of a channel now."""
        if found := self._find(view, source, now):
            return found
        if len(self._gate.door(view).names(KIND)) < _MANY:
            return self._decide(view, source, now)
        async with self._one:
            if found := self._find(view, source, now):
                return found
            return await asyncio.to_thread(self._decide, view, source, now)

    def _find(self, view: View, source: str, now: datetime) -> Channel | None:
        shared = self._shared(view, source)
        found = self._shelf(shared).get((shared, source))
        good = found and found.turn == self._turn() and (found.end is None or now < found.end)
        return found.channel if found and good else None

    def _decide(self, view: View, source: str, now: datetime) -> Channel:
        turn, door, shared = self._turn(), self._gate.door(view), self._shared(view, source)
        shelf = self._shelf(shared)
        before = shelf.get((shared, source))
        offered: dict[str, dict[str, Piece]] = {NOARCH: {}}
        ends = []
        for name in door.projects(KIND, now, source=source):
            artifacts = [row.artifact for row in door.admitted(KIND, name, now, source=source)]
            self._offer(offered, name, [artifact for artifact in artifacts if self._is_near(artifact)])
            ends.append(door.next_expiry(KIND, name, now, source=source))
        channel = Channel(offered, before.channel if before else None)
        if ends:  # a workspace without any may be made up, and costs nothing
            shelf.pop((shared, source), None)
            while len(shelf) >= _MOST:
                shelf.pop(next(iter(shelf)))
            shelf[shared, source] = _Decision(channel, min(filter(None, ends), default=None), turn)
        return channel

    def _offer(self, offered: dict[str, dict[str, Piece]], name: str, artifacts: Sequence[Artifact]) -> None:
        for subdir in sorted({artifact.path.partition("/")[0] for artifact in artifacts}):
            there = [artifact for artifact in artifacts if artifact.path.startswith(f"{subdir}/")]
            if piece := self._pieces.of(name, there):
                offered.setdefault(subdir, {})[name] = piece

    def _is_near(self, artifact: Artifact) -> bool:
        return self._reach.offers(artifact) if self._reach else self._holdings.has(artifact.sha256)

    def _shared(self, view: View, source: str) -> View:
        """Return the view whose decision ``view`` shares: many dates have the same."""
        return View(view.workspace, self._gate.door(view).settled_channel(source) if view.as_of is not None else None)

    def _shelf(self, shared: View) -> dict[tuple[View, str], _Decision]:
        return self._decided if shared.as_of is None else self._frozen

    def _turn(self) -> object:
        return self._held.turn, self._reach.turn if self._reach else None
