"""A wheel's METADATA without the wheel: a few ranged reads instead of the whole file.

A zip's directory is at its end, so one range from the end usually holds the directory and METADATA as well. What
comes of this is only ever used to resolve: the file itself is fetched and inspected before anyone may have it.
"""

import asyncio
import hashlib
import io
import re
import zipfile
from collections.abc import Callable
from typing import TypeVar

from sekisho.errors import CorruptError, NotFoundError
from sekisho_proxy.inspect.metadata import UNREADABLE, dist_info, read_bounded
from sekisho_proxy.upstream.advice import LATER, TAMPERED
from sekisho_proxy.upstream.fetcher import Fetcher
from sekisho_proxy.upstream.listing import UpstreamFile

_TAIL = 64 << 10
_SMALL = 128 << 10
_MOST_ROUNDS = 8
_DIRECTORY_LIMIT = 8 << 20
_METADATA_LIMIT = 16 << 20
_CONTENT_RANGE = re.compile(r"^bytes (\d{1,15})-(\d{1,15})/(\d{1,15})$", re.ASCII)

Result = TypeVar("Result")


class WholeFileNeededError(Exception):
    """The upstream ignores ranges."""


class _MissingError(Exception):
    def __init__(self, start: int, end: int) -> None:
        super().__init__(start, end)
        self.start = start
        self.end = end


class _Sparse(io.RawIOBase):
    """A file of which only some segments are here; reading any other says which bytes are missing."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._at = 0
        self._segments: list[tuple[int, bytes]] = []

    def add(self, start: int, data: bytes) -> None:
        self._segments.append((start, data))

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            message = "before the start"
            raise ValueError(message)
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        end = self.size if size is None or size < 0 else min(self._at + size, self.size)
        if end <= self._at:
            return b""
        for start, data in self._segments:
            if start <= self._at and end <= start + len(data):
                part = data[self._at - start : end - start]
                self._at = end
                return part
        raise _MissingError(self._at, end)


async def fetch_metadata(fetcher: Fetcher, file: UpstreamFile) -> bytes:
    """Return the METADATA of an upstream wheel: the index's own copy (PEP 658), else read out of the wheel.

    Raises ``CorruptError`` for one that does not match what the index states, ``WholeFileNeededError`` where the
    upstream knows no ranges.
    """
    if file.core_metadata is not None:
        try:
            return await _advertised(fetcher, file)
        except NotFoundError:
            pass
    return await _extracted(fetcher, file)


async def _advertised(fetcher: Fetcher, file: UpstreamFile) -> bytes:
    url = f"{file.url}.metadata"
    response = fetcher.require(await fetcher.get(url, limit=_METADATA_LIMIT, raw=True), url, 200)
    found = hashlib.sha256(response.content).hexdigest()
    if file.core_metadata and found != file.core_metadata:
        raise CorruptError(
            f"source {fetcher.place.id!r} sent metadata that hashes to sha256:{found}, not sha256:{file.core_metadata}",
            where=f"{file.path}.metadata",
            todo=TAMPERED,
        )
    return response.content


async def _extracted(fetcher: Fetcher, file: UpstreamFile) -> bytes:
    if file.size and file.size <= _SMALL:
        data, total = await _range(fetcher, file, f"bytes=0-{file.size - 1}", limit=_SMALL)
        start = 0
    else:
        data, total = await _range(fetcher, file, f"bytes=-{_TAIL}", limit=_TAIL)
        start = total - len(data)
    sparse = _Sparse(total)
    sparse.add(start, data)
    reader = _Reader(fetcher, file, sparse)
    archive = await reader.read(lambda: zipfile.ZipFile(sparse))
    folder = await asyncio.to_thread(lambda: dist_info(archive.namelist(), file.filename))
    return await reader.read(lambda: read_bounded(archive, f"{folder}/METADATA"))


class _Reader:
    """Does something with a sparse file, in a thread, fetching what turns out to be missing."""

    def __init__(self, fetcher: Fetcher, file: UpstreamFile, sparse: _Sparse) -> None:
        self._fetcher = fetcher
        self._file = file
        self._sparse = sparse

    async def read(self, work: Callable[[], Result]) -> Result:
        """Return what ``work`` returns; zipfile reads a directory in one piece, so nothing is parsed twice."""
        where, source = self._file.path, self._fetcher.place.id
        for _ in range(_MOST_ROUNDS):
            self._sparse.seek(0)
            try:
                return await asyncio.to_thread(work)
            except _MissingError as missing:
                await self._supply(missing)
            except UNREADABLE as error:
                raise CorruptError(
                    f"source {source!r} sent a wheel of which no METADATA can be read: {error}",
                    where=where,
                    todo=TAMPERED,
                ) from error
        raise CorruptError(
            f"source {source!r} has a wheel whose METADATA is spread over too much of it", where=where, todo=TAMPERED
        )

    async def _supply(self, missing: _MissingError) -> None:
        end = min(max(missing.end, missing.start + _TAIL), self._sparse.size)
        if end - missing.start > _DIRECTORY_LIMIT:
            raise CorruptError(
                f"source {self._fetcher.place.id!r} has a wheel whose directory or METADATA is larger than"
                f" {_DIRECTORY_LIMIT} bytes",
                where=self._file.path,
                todo=TAMPERED,
            )
        wanted = f"bytes={missing.start}-{end - 1}"
        data, _ = await _range(self._fetcher, self._file, wanted, limit=_DIRECTORY_LIMIT)
        self._sparse.add(missing.start, data)


async def _range(fetcher: Fetcher, file: UpstreamFile, wanted: str, *, limit: int) -> tuple[bytes, int]:
    """Return (bytes, size of the whole file)."""
    response = await fetcher.range(file.url, wanted, limit=limit)
    if response is None:
        raise WholeFileNeededError
    match = _CONTENT_RANGE.match(response.headers.get("content-range", ""))
    if not match:
        raise WholeFileNeededError
    first, last, total = map(int, match.groups())
    if last - first + 1 != len(response.content) or (file.size and total != file.size):
        raise CorruptError(
            f"source {fetcher.place.id!r} sent another range than it states", where=file.path, todo=LATER
        )
    asked = re.match(r"^bytes=(\d+)-", wanted)
    if asked and int(asked.group(1)) != first:
        raise CorruptError(
            f"source {fetcher.place.id!r} sent another range than was asked for", where=file.path, todo=LATER
        )
    return response.content, total
