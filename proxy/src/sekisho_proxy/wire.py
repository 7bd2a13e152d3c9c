"""HTTP/1.1 on the wire: uvicorn's parser with bounds on what a client may make us hold, and for how long."""

import asyncio
from collections.abc import Iterable
from typing import Any, Self

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

LARGEST_HEAD = 16 << 10
SLOWEST_HEAD = 20.0
"""Seconds from the first byte of a connection or request until its head is complete, and from an answer until the rest
of a request that was answered early has come."""

SLOWEST_READER = 60.0
"""Seconds that a client may leave unread what was sent."""

MOST_IN_LINE = 64
"""Requests that a client may send before it has the answer to its first."""


class HeadTooLargeError(Exception):
    """A parser's callback raises this, and the parser answers 400."""


class TooManyInLineError(Exception):
    """A parser's callback raises this, and the connection ends."""


class _Together:
    """What one response is written to: its head waits for the first bytes behind it, so that both are one write."""

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._transport = cycle.transport
        self._ended = cycle.on_response
        self._head: bytes | None = None
        self._begun = False
        cycle.transport, cycle.on_response = self, self._end  # type: ignore[assignment]

    def write(self, data: bytes) -> None:
        """Hold the head back; write whatever else there is."""
        if self._head is not None:
            head, self._head = self._head, None
            self._transport.writelines((head, data))
        elif self._cycle.response_started and not self._begun:
            self._begun, self._head = True, data
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Close the connection once all is written."""
        self._flush()
        self._transport.close()

    def _end(self) -> None:
        self._flush()
        self._ended()

    def _flush(self) -> None:
        if self._head is not None:
            self.write(b"")

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (all else is the transport's)
        return getattr(self._transport, name)


class BoundedProtocol(HttpToolsProtocol):
    """A connection that is closed when a request is too large, does not come to its end, or is one of too many.

    Where all connections are taken, one that waits for a request makes room: the one that has waited longest.
    """

    _head: int | None = 0
    _patience: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _in_body = False
    _idle_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._idle_since = self.loop.time()
        if self.limit_concurrency and len(self.connections) >= self.limit_concurrency:
            self._make_room(each for each in self.connections if isinstance(each, type(self)))
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        if self._stalled:
            self._stalled.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; answer 400 when the head goes on beyond its bound."""
        super().data_received(data)
        if self._head is not None:
            self._head += len(data)
            if self._head > LARGEST_HEAD and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        """Begin a head; a connection is its own first one."""
        super().on_message_begin()
        self._head = self._head or 0
        if self._patience is None:
            self._wait_for_head()

    def on_headers_complete(self) -> None:
        """End the head; raise ``HeadTooLargeError``, which becomes a 400, for one that came whole but too large."""
        self._stop_waiting()
        self._head = None
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > LARGEST_HEAD:
            raise HeadTooLargeError
        if len(self.pipeline) >= MOST_IN_LINE:
            raise TooManyInLineError
        self._in_body = True
        super().on_headers_complete()
        _Together(self.cycle)

    def on_message_complete(self) -> None:
        """End a request."""
        self._in_body = False
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin to wait for what is left of a request that was answered before it had come."""
        super().on_response_complete()
        self._idle_since = self.loop.time()
        if self._in_body and not self.pipeline and not self.transport.is_closing():
            self._stop_waiting()
            self._wait_for_head()

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not read."""
        super().pause_writing()
        self._stalled = self.loop.call_later(SLOWEST_READER, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop waiting."""
        super().resume_writing()
        if self._stalled:
            self._stalled.cancel()
            self._stalled = None

    def send_400_response(self, msg: str) -> None:
        """Answer 400, or end the connection at once where that would stand in the middle of another answer."""
        if self.is_waiting:
            super().send_400_response(msg)
        else:
            self.transport.abort()

    def _make_room(self, connections: Iterable[Self]) -> None:
        waiting = [each for each in connections if each is not self and each.is_waiting]
        if waiting:
            longest = min(waiting, key=lambda each: each._idle_since)  # noqa: SLF001 (of the same class)
            self.connections.discard(longest)
            longest.transport.abort()

    @property
    def is_waiting(self) -> bool:
        """Tell whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _wait_for_head(self) -> None:
        self._patience = self.loop.call_later(SLOWEST_HEAD, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._patience:
            self._patience.cancel()
            self._patience = None
