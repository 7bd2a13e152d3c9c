"""The text of one file of all records, as it is unpacked: step by step, and never more of it than is allowed."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sekisho.errors import CorruptError
from sekisho.zstd import ZstdDecompressor, ZstdError
from sekisho_proxy.conda.coming import Coming
from sekisho_proxy.upstream.advice import TAMPERED

_MOST_FRAMES = 10_000
_STEP = 1 << 20
_AHEAD = 4
"""Steps that may be unpacked before they are read."""


class TooMuchError(CorruptError):
    """There is more of it than the job allows."""


def text_of(path: Path, coming: Coming, *, packed: bool, limit: int, where: str) -> Iterator[bytes]:
    """Yield the text, a megabyte at most at a time; raise ``CorruptError`` for what is no zstd, or too much."""

    def read() -> bytes:
        while not (data := file.read(_STEP)) and coming.more():
            pass
        return data

    size = 0
    with path.open("rb", buffering=0) as file:
        for piece in _unpacked(read, where) if packed else iter(read, b""):
            size += len(piece)
            if size > limit:
                verb = "unpacks to" if packed else "has"
                raise TooMuchError(f"it {verb} more than {limit} bytes", where=where, todo=TAMPERED)
            yield piece


def _unpacked(read: Callable[[], bytes], where: str) -> Iterator[bytes]:
    frame, frames = ZstdDecompressor(), 1
    left = read()
    try:
        while left or not frame.needs_input:
            if frame.eof:
                frame, frames = ZstdDecompressor(), frames + 1
                if frames > _MOST_FRAMES:
                    raise CorruptError(f"it has more than {_MOST_FRAMES} frames", where=where, todo=TAMPERED)
            if piece := frame.decompress(left, max_length=_STEP):
                yield piece
            left = frame.unused_data if frame.eof else b""
            if not left and (frame.eof or frame.needs_input):
                left = read()
                if not left:
                    break
    except ZstdError as error:
        raise CorruptError(f"it cannot be unpacked: {error}", where=where, todo=TAMPERED) from error
    if not frame.eof:
        raise CorruptError("it ends in the middle", where=where, todo=TAMPERED)


def ahead(pieces: Iterator[bytes]) -> Generator[bytes, None, None]:
    """Yield the same, got by another thread while what came before is read."""
    pool = ThreadPoolExecutor(1)
    try:
        coming = deque(pool.submit(next, pieces, None) for _ in range(_AHEAD))
        while (piece := coming.popleft().result()) is not None:
            coming.append(pool.submit(next, pieces, None))
            yield piece
    finally:
        pool.shutdown(cancel_futures=True)
