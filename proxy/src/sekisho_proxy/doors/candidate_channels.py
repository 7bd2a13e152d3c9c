"""The candidate mount's channels, ``/candidates/conda/<channel>/<subdir>/…``: what is not denied, and never files."""

import asyncio

from sekisho.errors import NotFoundError, RefusedError
from sekisho.model.conda import ENDINGS
from sekisho.policy import Snapshot
from sekisho.ports import Clock
from sekisho.zstd import compress
from sekisho_proxy.conda.candidate import Denials, Index, Keys, reply_with, repodata, shard
from sekisho_proxy.conda.channel import Names
from sekisho_proxy.conda.channels import Channels
from sekisho_proxy.conda.shards import INDEX
from sekisho_proxy.exchange import Headers, Reply, Request, json_reply
from sekisho_proxy.follow import Held

_SHARD = ".msgpack.zst"
_WHOLE = frozenset({"repodata.json", "repodata.json.zst"})
_MOST = 64
_FEW = 2000
"""Names that are put into one file: of each the shard is read for that."""

_ASK_AGAIN: Headers = ((b"cache-control", b"no-cache"), (b"content-type", b"application/octet-stream"))
_KEEP: Headers = (
    (b"cache-control", b"private, max-age=31536000, immutable"),
    (b"content-type", b"application/octet-stream"),
)


class ChannelCandidates:
    """Answers what is below ``/candidates/conda/``. Whoever calls it has looked at the token."""

    def __init__(self, held: Held, channels: Channels, clock: Clock, salt: bytes) -> None:
        self._held = held
        self._channels = channels
        self._clock = clock
        self._salt = salt
        self._turn = -1
        self._denials: Denials | None = None
        self._indexes: dict[tuple[str, str], tuple[Denials, Index]] = {}

    async def __call__(self, request: Request, tail: str) -> Reply:
        """Answer for ``<channel>/<subdir>/…``."""
        source, _, rest = tail.partition("/")
        subdir, _, rest = rest.partition("/")
        snapshot = self._held.present()
        names = await self._channels.names(snapshot, source, subdir)
        denials = self._denied(snapshot)
        if rest == INDEX:
            index = await self._index(source, subdir, names, denials)
            return reply_with(request, index.data, (*_ASK_AGAIN, *_stale(names)), index.etag)
        if rest.endswith(_SHARD):
            return await self._shard(request, snapshot, source, subdir, names, rest.removesuffix(_SHARD))
        if rest in _WHOLE:
            return await self._repodata(request, snapshot, source, subdir, names, packed=rest.endswith(".zst"))
        part, _, name = rest.partition("/")
        if part in {"artifacts", "refused"} and name:
            listed = await self._channels.listed(snapshot, source, subdir, name)
            if part == "refused":
                return json_reply([row._asdict() for row in listed.refused])
            now = self._clock()

            def rows() -> Reply:
                left = denials.left(listed, now)
                return json_reply([(artifact or listed.artifact(row)).plain() for row, artifact in left])

            return await asyncio.to_thread(rows)
        if rest == "refused":
            return json_reply([row._asdict() for row in names.refused])
        if rest.endswith(ENDINGS):
            raise RefusedError(
                "the candidate mount has no files",
                where=request.path,
                todo="install from /w/<workspace>/conda/<channel> once the file is approved",
            )
        raise NotFoundError("there is nothing at this address", where=request.path, todo="read its shards (CEP 16)")

    async def _repodata(
        self, request: Request, snapshot: Snapshot, source: str, subdir: str, names: Names, *, packed: bool
    ) -> Reply:
        """Answer with everything in one file, for clients that read no shards; of a large channel there is none."""
        denials = self._denied(snapshot)
        left = names.digests.keys() - denials.whole()
        if len(left) > _FEW:
            raise NotFoundError(
                f"{len(left)} names are not put into one file", where=request.path, todo="read its shards (CEP 16)"
            )
        listed = await asyncio.gather(*(self._channels.listed(snapshot, source, subdir, name) for name in sorted(left)))
        data = await asyncio.to_thread(repodata, subdir, listed, denials, self._clock())
        return reply_with(request, await asyncio.to_thread(compress, data) if packed else data, _ASK_AGAIN)

    def _denied(self, snapshot: Snapshot) -> Denials:
        if self._denials is None or self._turn != self._held.turn:
            self._turn, self._denials = self._held.turn, Denials(snapshot.policy)
        return self._denials

    async def _index(self, source: str, subdir: str, names: Names, denials: Denials) -> Index:
        known = self._indexes.get((source, subdir))
        keys = known[1].keys if known and known[1].keys.digests is names.digests else None
        if known and keys and known[0] is denials:
            return known[1]
        if keys is None:
            keys = await asyncio.to_thread(Keys, names.digests, self._salt)
        index = await asyncio.to_thread(Index, subdir, keys, denials)
        while len(self._indexes) >= _MOST:
            self._indexes.pop(next(iter(self._indexes)))
        self._indexes[source, subdir] = denials, index
        return index

    async def _shard(
        self, request: Request, snapshot: Snapshot, source: str, subdir: str, names: Names, key: str
    ) -> Reply:
        denials = self._denied(snapshot)
        name = (await self._index(source, subdir, names, denials)).name_of(key)
        if name is None:
            raise NotFoundError("there is no such shard", where=request.path, todo="read the index of shards again")
        listed = await self._channels.listed(snapshot, source, subdir, name)
        return reply_with(request, await asyncio.to_thread(shard, listed, denials, self._clock()), _KEEP)


def _stale(names: Names) -> Headers:
    return ((b"warning", b'110 - "Response is Stale"'),) if names.stale else ()
