"""Asking a channel for one subdir: the index of shards, and where there is none the file of all records."""

import asyncio
import fcntl
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin

import msgspec

from sekisho.disk import DISK, disk_errors, sweep
from sekisho.errors import CorruptError, NotFoundError, UpstreamError
from sekisho_proxy.conda.catalogue import Catalogue, Pieces
from sekisho_proxy.conda.elsewhere import Elsewhere, elsewhere
from sekisho_proxy.conda.importing import Job
from sekisho_proxy.conda.reading import Reading, Sharded, Whole
from sekisho_proxy.conda.shards import INDEX, INDEX_LIMIT, read_index
from sekisho_proxy.conda.stated import Refused
from sekisho_proxy.conda.worker import Worker
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.upstream.advice import TAMPERED
from sekisho_proxy.upstream.fetcher import Answer, Fetcher
from sekisho_proxy.upstream.source import Kept

_SHARDS, _WHOLE = "shards", "whole"
_FORMS = ("repodata.json.zst", "repodata.json")
_INCOMING = "incoming"
_PACKED_LIMIT = 512 << 20


class Place(NamedTuple):
    """Which subdir it is, of which source, and the folders of what is kept of it."""

    source: str
    subdir: str
    folder: Path
    seen: Path


class Asking:
    """What is kept of one subdir, and how it is asked for again."""

    def __init__(self, place: Place, fetcher: Fetcher, disk: DiskCache, clock: Callable[[], float]) -> None:
        self._place = place
        self._fetcher = fetcher
        self._disk = disk
        self._clock = clock
        self._pieces = Pieces(place.folder)
        self.where = f"{fetcher.place.index}{place.subdir}/"
        self._key = f"subdir {self.where}"

    def load(self) -> Reading | None:
        """Return what was kept, if it can be read. Reads the disk."""
        data = self._disk.get(self._key)
        with suppress(CorruptError):
            return self._reading(Kept.load(data)) if data else None
        return None

    def forget(self) -> None:
        """Do not use what is kept again."""
        self._disk.drop(self._key)

    def _reading(self, kept: Kept) -> Reading:
        """Read what was kept; raise ``CorruptError`` for what cannot be used any more."""
        if kept.content_type == _WHOLE:
            return self._whole(Catalogue.load(kept.body), kept)
        read = self._sharded(kept)
        if isinstance(read, Refused):
            raise CorruptError(read.why, where=kept.url)
        return read

    def _whole(self, catalogue: Catalogue, kept: Kept) -> Whole:
        return Whole(catalogue, self._elsewhere("base_url", catalogue.packages, self.where), kept, self._pieces)

    def _sharded(self, kept: Kept) -> Sharded | Refused:
        """Read an index of shards; return why none of them can be had where it says that they are elsewhere."""
        index = read_index(kept.body, url=kept.url, subdir=self._place.subdir)
        beside = urljoin(kept.url, "./")
        shards = self._elsewhere("shards_base_url", index.shards, beside)
        packages = self._elsewhere("base_url", index.packages, self.where)
        if shards.refused:
            return shards.refused
        return Sharded(index, shards.base or beside, packages, kept, self._fetcher, self._disk)

    def _elsewhere(self, key: str, stated: object, beside: str) -> Elsewhere:
        return elsewhere(key, stated, beside=beside, place=self._fetcher.place)

    async def ask(self, known: Reading | None) -> Reading:
        """Return what the channel says now: ``known`` itself with another time if that is what it says.

        Nothing that is kept is touched by what cannot be read. Raises ``NotFoundError`` where no form is there.
        """
        url = f"{self.where}{INDEX}"
        headers = _if_changed(known, _SHARDS, url)
        answer = await self._fetcher.get(url, limit=INDEX_LIMIT, headers=headers, raw=True)
        if answer.status_code == 304 and known and headers:
            return await self._still(known)
        if answer.status_code in {404, 410}:
            return await self._ask_whole(known, ())
        self._fetcher.require(answer, url, 200)
        kept = Kept(answer.url, answer.headers.get("etag", ""), _SHARDS, self._clock(), answer.content)
        read = await asyncio.to_thread(self._sharded, kept)
        if isinstance(read, Refused):
            return await self._ask_whole(known, (read,))
        await asyncio.to_thread(self._disk.put, self._key, kept.dump())
        return read

    async def _still(self, known: Reading) -> Reading:
        known.kept = replace(known.kept, checked=self._clock())
        await asyncio.to_thread(self._disk.put, self._key, known.kept.dump())
        return known

    async def _ask_whole(self, known: Reading | None, refused: tuple[Refused, ...]) -> Reading:
        missing: NotFoundError | None = None
        for form in _FORMS:
            url = self.where + form
            try:
                return await self._take_whole(known, url, refused)
            except NotFoundError as error:
                missing = error
        if known is None:
            self._leave_nothing()
        if refused:
            raise UpstreamError(
                f"source {self._place.source!r} has its shards elsewhere: {refused[0].why}",
                where=self.where,
                todo="see docs/how-to/channels.md on where a channel's files may be",
            )
        raise missing or NotFoundError("there is no such subdir", where=self.where)

    def _leave_nothing(self) -> None:
        """Remove the folders of a subdir that is not there, if nothing is in them: its name may be made up."""
        for folder in (self._place.folder / _INCOMING, self._place.folder):
            with suppress(OSError):
                folder.rmdir()

    async def _take_whole(self, known: Reading | None, url: str, refused: tuple[Refused, ...]) -> Reading:
        incoming = self._place.folder / _INCOMING
        DISK.settle(incoming)
        with _alone(incoming, self._place.source):
            sweep(incoming)
            return await self._take_into(incoming, known, url, refused)

    async def _take_into(
        self, incoming: Path, known: Reading | None, url: str, refused: tuple[Refused, ...]
    ) -> Reading:
        came = incoming / uuid.uuid4().hex
        made = came.with_suffix(".catalogue")
        old = came.with_suffix(".old")
        headers = _if_changed(known, _WHOLE, url)

        async def prepare() -> Job:
            now = known or await asyncio.to_thread(self.load)
            if isinstance(now, Whole):
                await asyncio.to_thread(old.write_bytes, now.kept.body)
            return self._job(came, old, made, url)

        try:
            async with Worker(prepare) as worker:
                answer = await self._download(url, came, headers, worker)
                if answer.status_code == 304 and known:
                    return await self._still(known)
                await self._import(url, worker)
            catalogue = Catalogue.load(await asyncio.to_thread(made.read_bytes))
        finally:
            DISK.remove(came)
            DISK.remove(made)
            DISK.remove(old)
        catalogue = msgspec.structs.replace(catalogue, refused=(*refused, *catalogue.refused))
        kept = Kept(url, answer.headers.get("etag", ""), _WHOLE, self._clock(), catalogue.dump())
        await asyncio.to_thread(self._disk.put, self._key, kept.dump())
        self._pieces.sweep(catalogue)
        whole = self._whole(catalogue, kept)
        whole.noted = True
        return whole

    async def _download(self, url: str, came: Path, headers: dict[str, str], worker: Worker) -> Answer:
        def write() -> Callable[[bytes], None]:
            file.seek(0)
            file.truncate()
            worker.begin()
            return take

        def take(chunk: bytes) -> None:
            with disk_errors(came):
                file.write(chunk)
            worker.tell(file.tell())

        with came.open("wb", buffering=0) as file:
            return await self._fetcher.download(url, write, limit=_PACKED_LIMIT, headers=headers)

    def _job(self, came: Path, old: Path, made: Path, url: str) -> Job:
        return Job(
            file=str(came),
            packed=url.endswith(".zst"),
            where=url,
            folder=str(self._place.folder),
            old=str(old),
            new=str(made),
            seen=str(self._place.seen),
            source=self._place.source,
            subdir=self._place.subdir,
        )

    async def _import(self, url: str, worker: Worker) -> None:
        """Have pieces made of a file, from what was had before; raise ``CorruptError`` for what is none."""
        done = await worker.do(int(self._clock()))
        if done.error:
            raise CorruptError(
                f"source {self._place.source!r} sent what is no repodata: {done.error}", where=url, todo=TAMPERED
            )


@contextmanager
def _alone(folder: Path, source: str) -> Iterator[None]:
    """Be the only process that reads into a folder: an export may run beside a proxy."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise UpstreamError(f"source {source!r} is being read by another process", todo="try again") from error
    finally:
        os.close(handle)


def _if_changed(known: Reading | None, form: str, url: str) -> dict[str, str]:
    fits = known and known.kept.content_type == form and known.kept.etag and known.kept.url == url
    return {"if-none-match": known.kept.etag} if known and fits else {}
