"""HTTP/1.1 on the wire: uvicorn's parser with bounds on how large and how slow the head of a request may be."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD = 16 << 10
SLOWEST_HEAD = 20.0
"""Seconds from the first byte of a connection or request until its head is complete."""


SLOWEST_READER = 60.0
"""Seconds that a client may leave unread what was sent."""


class HeadTooLargeError(Exception):
    """A parser's callback raises this, and the parser answers 400."""


class BoundedProtocol(HttpToolsProtocol):
    """A connection that is closed when a head is too large or does not come to its end."""

    _head: int | None = 0
    _patience: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
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
        super().on_headers_complete()

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

    def _wait_for_head(self) -> None:
        self._patience = self.loop.call_later(SLOWEST_HEAD, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._patience:
            self._patience.cancel()
            self._patience = None
