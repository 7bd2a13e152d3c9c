"""A source that answers with any bytes at all: a socket, what an honest index would say, and a fault on top of it."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from urllib.parse import unquote

from tests.fake_upstream import FakeUpstream

_REASON = b"HTTP/1.1 %d Whatever\r\n"


@dataclass(frozen=True)
class Honest:
    """What an honest index answers; ``length`` is what it states, if that is not the body's."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    path: str

    def head(self, *, length: int | str | None = -1, more: tuple[tuple[str, str], ...] = ()) -> bytes:
        """Return the head. ``length`` is what it states, ``None`` for nothing."""
        stated = () if length is None else (("content-length", str(len(self.body) if length == -1 else length)),)
        lines = b"".join(f"{name}: {value}\r\n".encode() for name, value in (*self.headers, *stated, *more))
        return _REASON % self.status + lines + b"connection: close\r\n\r\n"

    def whole(self) -> bytes:
        return self.head() + self.body

    def other(self, status: int, **headers: str) -> "Honest":
        return replace(self, status=status, headers=tuple(headers.items()), body=b"no")

    def having(self, body: bytes, *more: tuple[str, str]) -> "Honest":
        return replace(self, body=body, headers=(*self.headers, *more))


class Wire:
    """The connection of one request."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def reset(self) -> None:
        """End the connection by RST, as a machine that fell over does."""
        linger = struct.pack("ii", 1, 0)
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._writer.transport.abort()


Fault = Callable[[Honest, Wire], Awaitable[None]]


class RawSource:
    """``faults`` maps a path to what happens there; ``asked`` are the paths of all requests."""

    def __init__(self, honest: FakeUpstream) -> None:
        self.honest = honest
        self.faults: dict[str, Fault] = {}
        self.asked: list[str] = []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            path = head[0].split(" ")[1]
            self.asked.append(path)
            pairs = (line.partition(":") for line in head[1:] if line)
            headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
            status, more, body = self.honest._answer(unquote(path), headers)
            honest = Honest(status, tuple(more.items()), body, path)
            wire = Wire(writer)
            fault = self.faults.get(path)
            await (fault(honest, wire) if fault else wire.send(honest.whole()))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # whoever asked has left, or the test is over
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    @contextlib.contextmanager
    def run(self) -> Iterator[str]:
        """Serve from a thread; give the address."""
        ready, held = threading.Event(), []

        async def serve() -> None:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            stop = asyncio.Event()
            held.extend((asyncio.get_running_loop(), stop, server.sockets[0].getsockname()[1]))
            ready.set()
            await stop.wait()
            server.close()
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        thread.start()
        assert ready.wait(10)
        try:
            yield f"http://127.0.0.1:{held[2]}"
        finally:
            held[0].call_soon_threadsafe(held[1].set)
            thread.join(20)
            assert not thread.is_alive()
