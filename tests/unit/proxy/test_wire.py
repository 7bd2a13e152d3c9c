"""A response's head leaves with the first bytes behind it, and never stays behind."""

import asyncio
from contextlib import asynccontextmanager

import uvicorn

from sekisho_proxy.wire import BoundedProtocol


class Recording:
    """A transport that notes each write; anything else is the real one's."""

    def __init__(self, transport, writes):
        self._transport, self._writes = transport, writes

    def write(self, data):
        self._writes.append(bytes(data))
        self._transport.write(data)

    def writelines(self, parts):
        self._writes.append(b"".join(parts))
        self._transport.writelines(parts)

    def __getattr__(self, name):
        return getattr(self._transport, name)


@asynccontextmanager
async def served(app):
    writes = []

    class Protocol(BoundedProtocol):
        def connection_made(self, transport):
            super().connection_made(Recording(transport, writes))

    config = uvicorn.Config(app, lifespan="off", log_config=None, http=Protocol)
    config.load()
    server = uvicorn.Server(config)
    make = lambda: Protocol(config=config, server_state=server.server_state, app_state={})  # noqa: E731
    listening = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1], writes
    finally:
        listening.close()
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        await listening.wait_closed()


async def talk(port, sent):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


def app(status, body, *, reads=False):
    async def answer(scope, receive, send):
        if reads:
            while (await receive()).get("more_body"):
                pass
        length = [] if status == 304 else [(b"content-length", b"%d" % sum(map(len, body)))]
        await send({"type": "http.response.start", "status": status, "headers": length})
        parts = [b""] if scope["method"] == "HEAD" else body
        for number, part in enumerate(parts, 1):
            await send({"type": "http.response.body", "body": part, "more_body": number < len(parts)})

    return answer


def exchange(application, sent):
    async def run():
        async with served(application) as (port, writes):
            return await talk(port, sent), writes

    return asyncio.run(run())


def test_head_and_body_are_one_write():
    answer, writes = exchange(app(200, [b"page"]), b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"\r\n\r\npage")
    assert writes == [answer]


def test_what_comes_later_of_a_body_is_not_waited_for():
    answer, writes = exchange(app(200, [b"one", b"two"]), b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert [write[-3:] for write in writes] == [b"one", b"two"]
    assert b"".join(writes) == answer


def test_a_head_without_a_body_leaves_at_once():
    for method, status in (("HEAD", 200), ("GET", 304)):
        sent = f"{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
        answer, writes = exchange(app(status, [b""]), sent)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert writes == [answer]


def test_two_requests_sent_at_once_are_answered_in_order():
    one = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    last = b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answer, writes = exchange(app(200, [b"page"]), one + last)
    assert answer.count(b"HTTP/1.1 200 OK") == len(writes) == 2
    assert writes[0].endswith(b"page")


def test_a_client_that_waits_to_send_its_body_is_told_to_go_on():
    sent = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
    answer, writes = exchange(app(200, [b"ok"], reads=True), sent)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
    assert len(writes) == 2
