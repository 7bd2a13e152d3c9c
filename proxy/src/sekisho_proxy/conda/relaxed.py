"""Channels behind the doors of workspaces that do not enforce: what is approved, and whatever else a channel lists.

Nothing is decided here: each file is shown to the door, and what is barred in every mode is left out. Of a large
channel there are shards alone, named by keys as the candidate mount names them; of a small one every representation.
A solver reads shards of hundreds of names of which it takes none, so only packages are counted.
"""

import asyncio
import hashlib
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

from sekisho.errors import BadInputError, ConflictError, NotFoundError, SekishoError
from sekisho.model import Artifact
from sekisho.model.conda import KNOWN_SUBDIRS, PackageName
from sekisho.policy import Door
from sekisho.policy.rules import Denied
from sekisho_proxy.conda.bodies import ASK_AGAIN, KEEP, ZSTD
from sekisho_proxy.conda.book import INDEX, SHARD, Subdir
from sekisho_proxy.conda.candidate import Denials, key_of, packed_index, reply_with
from sekisho_proxy.conda.channel import Names
from sekisho_proxy.conda.channels import Channels
from sekisho_proxy.conda.decision import KIND
from sekisho_proxy.conda.pieces import Piece, Pieces
from sekisho_proxy.exchange import Headers, Reply, Request
from sekisho_proxy.follow import Held
from sekisho_proxy.gate import Gate, View
from sekisho_proxy.pages.relaxed import MODE_HEADER

_FEW = 500
"""Names of a channel that is given in every representation: all of its records are read for that."""

_MOST = 2000
"""Pieces that are kept."""

_MOST_INDEXES = 32


_WHOLE = "repodata.json"


class ManyNamesError(ConflictError):
    """A channel has too many names for one file. conda takes 404 for a subdir without packages, and says nothing."""

    http_status = 406


class _Known(NamedTuple):
    """The index of one view and subdir: the name of each key, and the bytes."""

    made_of: tuple[object, ...]
    names: Mapping[str, str]
    data: bytes


class RelaxedChannels:
    """Answers for channels as sources list them, where a view's mode is not ``enforce``."""

    def __init__(self, held: Held, gate: Gate, channels: Channels, salt: bytes) -> None:
        self._held = held
        self._gate = gate
        self._channels = channels
        self._salt = salt
        self._pieces = Pieces()
        self._kept: dict[str, Piece | None] = {}
        self._indexes: dict[tuple[View, str, str], _Known] = {}
        self._lock = threading.Lock()

    async def answer(
        self, request: Request, view: View, source: str, subdir: str, name: str, now: datetime
    ) -> Reply | None:
        """Answer for a file of an index; nothing where the view enforces, or its source has no such subdir.

        A subdir that no client knows is nobody's: names are made up by whoever asks. Raises ``UpstreamError`` where the
        source cannot be asked, with fewer files a solver would take an older one; and ``ManyNamesError`` or
        ``NotFoundError`` for a form in which a large channel is not given.
        """
        if subdir not in KNOWN_SUBDIRS or self._gate.mode(view) == "enforce":
            return None
        try:
            names = await self._channels.names(self._held.present(), source, subdir)
        except NotFoundError:
            return None
        known = await asyncio.to_thread(self._index, view, source, subdir, names, now)
        if len(known.names) <= _FEW:
            found = {one: await self._piece(view, source, subdir, one, key, now) for key, one in known.names.items()}
            whole = Subdir(subdir, {one: piece for one, piece in found.items() if piece}, {})
            return self._marked(view, await whole.answer(request, name))
        if name == INDEX:
            return self._marked(view, reply_with(request, known.data, (*ZSTD, *ASK_AGAIN)))
        if name.endswith(SHARD) and (one := known.names.get(key := name.removesuffix(SHARD))):
            piece = await self._piece(view, source, subdir, one, key, now)
            shard = piece.shard if piece else Piece(one, ()).shard
            return self._marked(view, reply_with(request, shard, (*ZSTD, *KEEP)))
        raise self._too_many(view, source, len(known.names), name, request.path)

    def _too_many(self, view: View, source: str, count: int, name: str, where: str) -> SekishoError:
        """Return why there is no such file: what is approved alone would look like all that there is.

        A client that tries several forms takes 404 for the next one, until the last.
        """
        error = ManyNamesError if name == _WHOLE else NotFoundError
        return error(
            f"channel {source} has {count} names here, which are in shards and not in one file, since workspace"
            f" {view.workspace} has mode {self._gate.mode(view)}",
            where=where,
            todo="use a client that reads shards (CEP 16), as mamba from 2.6, pixi and conda of 2026 do, or let the"
            " workspace enforce: what is approved comes in every form",
        )

    async def find(self, view: View, source: str, path: str) -> Artifact | None:
        """Return the file at a path as its channel lists it; nothing where the view enforces, or nobody lists it."""
        subdir, _, filename = path.partition("/")
        if subdir not in KNOWN_SUBDIRS or self._gate.mode(view) == "enforce":
            return None
        with suppress(BadInputError, NotFoundError):
            name = PackageName.parse(filename).name
            listed = await self._channels.listed(self._held.present(), source, subdir, name)
            return next((listed.artifact(row) for row in listed.rows if row.filename == filename), None)
        return None

    def _marked(self, view: View, reply: Reply | None) -> Reply | None:
        """Say in a header of which mode an answer is."""
        if reply is None:
            return None
        mode: Headers = ((MODE_HEADER, self._gate.mode(view).encode()),)
        return Reply(reply.status, (*reply.headers, *mode), reply.body, reply.refusal)

    def _index(self, view: View, source: str, subdir: str, names: Names, now: datetime) -> _Known:
        door, where = self._gate.door(view), (view, source, subdir)
        made_of = (self._held.turn, door, names.digests, _ends(door, source, now))
        with self._lock:
            known = self._indexes.pop(where, None)
        if known is None or not _same(known.made_of, made_of):
            known = self._make(door, made_of, source, subdir, names, now)
        with self._lock:  # others do the same in their threads
            while len(self._indexes) >= _MOST_INDEXES:
                self._indexes.pop(next(iter(self._indexes)))
            self._indexes[where] = known
        return known

    def _make(
        self, door: Door, made_of: tuple[object, ...], source: str, subdir: str, names: Names, now: datetime
    ) -> _Known:
        snapshot = door.snapshot
        denials = Denials(snapshot.policy)
        hard = sorted(one.sha256 for one in snapshot.denied if one.hard)
        others = [rule.digest() for rule in snapshot.policy.rules if rule.hard and not isinstance(rule, Denied)]
        rest = repr((door.workspace, source, hard, others, snapshot.revision if others else "")).encode()
        salt = hashlib.sha256(self._salt + rest).digest()
        approved = {
            name: "".join(row.artifact.sha256 for row in door.admitted(KIND, name, now, source=source)).encode()
            for name in door.projects(KIND, now, source=source)
        }
        denied, marks = denials.whole(), (denials.mark, approved.get)
        keys = {
            name: key_of(salt, names.digests.get(name, b""), *(mark(name) or b"" for mark in marks))
            for name in (*names.digests, *(approved.keys() - names.digests.keys()))
            if name not in denied
        }
        return _Known(made_of, {key.hex(): name for name, key in keys.items()}, packed_index(subdir, keys))

    async def _piece(self, view: View, source: str, subdir: str, name: str, key: str, now: datetime) -> Piece | None:
        if key in self._kept:
            return self._kept[key]
        door = self._gate.door(view)
        artifacts: tuple[Artifact, ...] = ()
        with suppress(NotFoundError):  # approved, and not listed any more
            listed = await self._channels.listed(self._held.present(), source, subdir, name)
            artifacts = await asyncio.to_thread(listed.artifacts)
        piece = await asyncio.to_thread(self._join, door, source, subdir, name, artifacts, now)
        while len(self._kept) >= _MOST:
            self._kept.pop(next(iter(self._kept)))
        self._kept[key] = piece
        return piece

    def _join(
        self, door: Door, source: str, subdir: str, name: str, listed: Iterable[Artifact], now: datetime
    ) -> Piece | None:
        admitted = [row.artifact for row in door.admitted(KIND, name, now, source=source)]
        found = {artifact.path: artifact for artifact in admitted if artifact.path.startswith(f"{subdir}/")}
        for artifact in listed:
            if artifact.path not in found and door.barred(artifact, now) is None:
                found[artifact.path] = artifact
        return self._pieces.of(name, [found[path] for path in sorted(found)])


def _ends(door: Door, source: str, now: datetime) -> frozenset[str]:
    """Return the approved names that have something to show now: an approval may end between two requests."""
    return frozenset(door.projects(KIND, now, source=source))


def _same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    turn, door, digests, ends = one
    return (turn, ends) == (other[0], other[3]) and door is other[1] and digests is other[2]
