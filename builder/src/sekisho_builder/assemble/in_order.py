"""Work on a second thread, in the order in which it was given: hashing, which lets go of the interpreter's lock."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

SMALL = 1 << 14
"""Bytes below which a piece is not worth a call on another thread."""

_BATCH = 1 << 20
_AHEAD = 4

_Call = tuple[Callable[[bytes], object], bytes]


class InOrder:
    """Calls that happen later, one after the other, at most a few megabytes behind; the result of each is dropped.

    What a call raises comes out of a later ``later``, or of ``wait`` at the latest. Leaving it ends the thread.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._running: deque[Future[None]] = deque()
        self._batch: list[_Call] = []
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def later(self, call: Callable[[bytes], object], data: bytes) -> None:
        """Call with ``data`` after all that was given before."""
        self._batch.append((call, data))
        self._bytes += len(data)
        if self._bytes >= _BATCH:
            self._hand_over()

    def wait(self) -> None:
        """Return when everything has been done."""
        self._hand_over()
        while self._running:
            self._running.popleft().result()

    def _hand_over(self) -> None:
        while len(self._running) >= _AHEAD:
            self._running.popleft().result()
        self._running.append(self._pool.submit(_run, self._batch))
        self._batch = []
        self._bytes = 0


class Gathered:
    """Passes bytes on to ``give`` in order, small pieces joined: a call costs more than their copy."""

    def __init__(self, give: Callable[[bytes], object]) -> None:
        self._give = give
        self._held = bytearray()

    def add(self, data: bytes) -> None:
        """Take some bytes."""
        if len(data) < SMALL:
            self._held += data
            if len(self._held) >= _BATCH:
                self.flush()
        else:
            self.flush()
            self._give(data)

    def flush(self) -> None:
        """Pass on what is held."""
        if self._held:
            self._give(bytes(self._held))
            self._held.clear()


def _run(batch: list[_Call]) -> None:
    for call, data in batch:
        call(data)
