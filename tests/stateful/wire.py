"""The same installation behind the server that is shipped, asked over real sockets with bytes as they are written."""

import asyncio
import socket

import h11

from sekisho_proxy.service import answer as serve_app
from tests.stateful.messages import Answer, Asked
from tests.stateful.open_doors import OpenDoors
from tests.stateful.world import World


class WireWorld(World):
    """Requests go over loopback, so that nothing stands between their spelling and the server's parser."""

    def __init__(self) -> None:
        super().__init__(patience=0.003)

    async def _start(self) -> None:
        await super()._start()
        self._stop = asyncio.Event()
        listener = socket.create_server(("127.0.0.1", 0))
        self._address = listener.getsockname()
        self._stack.callback(listener.close)
        self._stack.push_async_callback(self._end, asyncio.create_task(serve_app(self.app, listener, self._stop)))
        await asyncio.sleep(0.5)
        self._background = asyncio.all_tasks() - {asyncio.current_task()}

    async def _end(self, served: asyncio.Task) -> None:
        self._stop.set()
        await served

    async def send(self, asked: Asked) -> Answer:
        reader, writer = await asyncio.open_connection(*self._address[:2])
        headers = (("host", "door.test"), *asked.headers) if not asked.header("host") else asked.headers
        lines = [f"{asked.method} {asked.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        writer.write("\r\n".join([*lines, "connection: close", "", ""]).encode("latin-1"))
        try:
            return await _read(reader, asked.method)
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader, method: str) -> Answer:
    """Read an answer to the end of its connection; one that ends before its length says so is not whole."""
    parser = h11.Connection(h11.CLIENT)
    known = method if method in {"HEAD", "CONNECT"} else "GET"
    parser.send(h11.Request(method=known, target="/", headers=[("host", "door.test"), ("connection", "close")]))
    parser.send(h11.EndOfMessage())
    head, body = None, bytearray()
    while True:
        try:
            event = parser.next_event()
        except h11.RemoteProtocolError:
            assert head is not None, "the server closed the connection without an answer"
            return _answer(head, body, whole=False)
        if event is h11.NEED_DATA:
            try:
                parser.receive_data(await reader.read(1 << 16))
            except ConnectionResetError:
                parser.receive_data(b"")
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return _answer(head, body, whole=True)


def _answer(head: h11.Response, body: bytearray, *, whole: bool) -> Answer:
    headers = tuple((name.decode(), value.decode("latin-1")) for name, value in head.headers)
    return Answer(head.status_code, headers, bytes(body), whole=whole)


class WireDoors(OpenDoors):
    """The open doors, behind the real server."""

    def make_world(self) -> World:
        return WireWorld()
