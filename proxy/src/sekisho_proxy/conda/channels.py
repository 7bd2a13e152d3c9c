"""The channels of the snapshot in force: what each lists, of names that it may provide."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from sekisho.errors import NotFoundError, SekishoError
from sekisho.model import Artifact, sha256_hex
from sekisho.model.conda import is_subdir
from sekisho.policy import Snapshot
from sekisho.sources import Ownership, Source
from sekisho_proxy.conda.asking import Asking, Place
from sekisho_proxy.conda.channel import Names, Subdir
from sekisho_proxy.conda.elsewhere import Elsewhere
from sekisho_proxy.conda.seen import FILE, FirstSeen
from sekisho_proxy.conda.value import Listed
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.upstream.sources import Upstreams

_MOST_SUBDIRS = 64
"""Subdirs that are known at a time, and as many that are known to be missing: names come from whoever asks."""

_MISSING, _MISSING_INSIDE = 60.0, 5.0
"""Seconds for which a subdir that was not there is not asked for again."""


class Channels:
    """What channels list. Nothing is decided here but whose a name is."""

    def __init__(self, upstreams: Upstreams, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._upstreams = upstreams
        self._folder = folder
        self._disk = DiskCache(folder / "channels")
        self._seen = FirstSeen(folder / FILE)
        self._clock = clock
        self._subdirs: dict[tuple[Source, str], Subdir] = {}
        self._missing: dict[tuple[Source, str], float] = {}
        self._provided: dict[tuple[str, str], tuple[Ownership, Mapping[str, bytes], Names]] = {}

    async def close(self) -> None:
        """Stop what is being asked."""
        for subdir in self._subdirs.values():
            await subdir.close()
        await asyncio.to_thread(self._seen.close)

    async def names(self, snapshot: Snapshot, source: str, subdir: str) -> Names:
        """Return the names of a subdir that its channel may provide, each with a digest of what it lists.

        Raises ``NotFoundError`` where there is no such channel or subdir.
        """
        asked = self._subdir(snapshot, source, subdir)
        key = self._upstreams.channel(snapshot, source)[0], subdir
        self._require(key)
        try:
            found = await asked.names()
        except NotFoundError:
            self._miss(key)
            if not asked.is_known:
                self._forget(asked)
            raise
        ownership = self._upstreams.owners(snapshot)
        of, digests, names = self._provided.get((source, subdir), (None, None, found))
        if of is not ownership or digests is not found.digests:
            names = found._replace(digests=_provided(ownership, source, found.digests))
            self._provided[source, subdir] = ownership, found.digests, names
        return found._replace(digests=names.digests)

    async def listed(self, snapshot: Snapshot, source: str, subdir: str, name: str) -> Listed:
        """Return what a channel lists of a name; raise ``NotFoundError`` for one that it does not provide."""
        if name not in (await self.names(snapshot, source, subdir)).digests:
            raise NotFoundError(
                f"source {source!r} provides no {name[:80]} in {subdir[:40]}",
                where=f"{source}/{subdir}",
                todo="check the spelling, and `owns` in sources.yaml",
            )
        return await self._subdir(snapshot, source, subdir).listed(name)

    async def packages(self, snapshot: Snapshot, artifact: Artifact, *, ask: bool) -> Elsewhere:
        """Return where a package's channel says that it is; by what is known here alone, unless ``ask``.

        It raises nothing: where the channel cannot be asked, it has said nothing.
        """
        with suppress(SekishoError):
            subdir = self._subdir(snapshot, artifact.source, artifact.path.partition("/")[0])
            return await subdir.packages(ask=ask)
        return Elsewhere()

    def _require(self, key: tuple[Source, str]) -> None:
        """Raise ``NotFoundError`` for a subdir that was not there a moment ago: asking takes three requests."""
        source, subdir = key
        patience = _MISSING_INSIDE if source.owns else _MISSING
        if 0 <= self._clock() - self._missing.get(key, -patience) < patience:
            raise NotFoundError(
                f"source {source.id!r} has no {subdir}",
                where=f"{source.id}/{subdir}",
                todo="if its operator has just made it, try again in a minute",
            )

    def _miss(self, key: tuple[Source, str]) -> None:
        self._missing.pop(key, None)
        while len(self._missing) >= _MOST_SUBDIRS:
            self._missing.pop(next(iter(self._missing)))
        self._missing[key] = self._clock()

    def _forget(self, missing: Subdir) -> None:
        """Keep nothing of a subdir that is not there: its name may be made up, and one that is there has its place."""
        for key in [key for key, subdir in self._subdirs.items() if subdir is missing]:
            del self._subdirs[key]

    def _subdir(self, snapshot: Snapshot, source_id: str, subdir: str) -> Subdir:
        source, fetcher = self._upstreams.channel(snapshot, source_id)
        if not is_subdir(subdir):
            raise NotFoundError(f"{subdir[:40]!r} is no subdir of a channel", todo="as in noarch or linux-64")
        found = self._subdirs.pop((source, subdir), None)
        if found is None:
            kept = sha256_hex(f"{fetcher.place.index}{subdir}".encode())[:32]
            place = Place(source.id, subdir, self._folder / "channels" / "pieces" / kept, self._folder / FILE)
            asking = Asking(place, fetcher, self._disk, self._clock)
            found = Subdir(source, subdir, asking, self._seen, self._clock)
        while len(self._subdirs) >= _MOST_SUBDIRS:
            self._subdirs.pop(next(iter(self._subdirs)))
        self._subdirs[source, subdir] = found
        return found


def _provided(ownership: Ownership, source: str, digests: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Return the names that ``source`` may be asked for: its own, and those of nobody if it serves any."""
    rows = [row for row in ownership.sources if row.kind == "conda"]
    serves_any = any(row.id == source and row.serves_any for row in rows)
    if serves_any and not any(row.owns for row in rows):
        return digests
    owners = {name: ownership.owner("conda", name) for name in digests}
    return {
        name: digest
        for name, digest in digests.items()
        if (owner.id == source if (owner := owners[name]) else serves_any)
    }
