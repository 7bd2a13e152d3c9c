"""A wheel's METADATA without the wheel: a few ranged reads instead of the whole file.

A zip's directory is at its end, so one range from the end usually holds the directory and METADATA as well. What
comes of this is only ever used to resolve: the file itself is fetched and inspected before anyone may have it.
"""

import hashlib
import io
import re
import zipfile
import zlib

from sekisho.errors import CorruptError, NotFoundError
from sekisho_proxy.inspect.metadata import extract_metadata
from sekisho_proxy.upstream.fetcher import Fetcher
from sekisho_proxy.upstream.listing import UpstreamFile

_TAIL = 64 << 10
_SMALL = 128 << 10
_MOST_ROUNDS = 8
_DIRECTORY_LIMIT = 64 << 20
_METADATA_LIMIT = 16 << 20
_CONTENT_RANGE = re.compile(r"^bytes (\d{1,15})-(\d{1,15})/(\d{1,15})$", re.ASCII)


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
        self._size = size
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
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            message = "before the start"
            raise ValueError(message)
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        end = self._size if size is None or size < 0 else min(self._at + size, self._size)
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
    for _ in range(_MOST_ROUNDS):
        try:
            sparse.seek(0)
            return extract_metadata(sparse, file.filename)  # type: ignore[arg-type]
        except _MissingError as missing:
            end = min(max(missing.end, missing.start + _TAIL), total)
            data, _ = await _range(fetcher, file, f"bytes={missing.start}-{end - 1}", limit=_DIRECTORY_LIMIT)
            sparse.add(missing.start, data)
        except (zlib.error, zipfile.LargeZipFile) as error:
            raise CorruptError(f"no METADATA can be read: {error}", where=file.path) from error
    raise CorruptError("METADATA is spread over too much of the wheel", where=file.path)


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
        raise CorruptError(f"source {fetcher.place.id!r} sent another range than it states", where=file.path)
    asked = re.match(r"^bytes=(\d+)-", wanted)
    if asked and int(asked.group(1)) != first:
        raise CorruptError(f"source {fetcher.place.id!r} sent another range than was asked for", where=file.path)
    return response.content, total
