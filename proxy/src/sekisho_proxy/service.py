"""The proxy as a service: one loop, one socket, until told to stop."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from sekisho.errors import ConflictError
from sekisho.settings import Settings
from sekisho_proxy.compose import open_app

_GRACE = 5
_MOST_CONNECTIONS = 512
_LARGEST_HEAD = 16 << 10


class _Server(uvicorn.Server):
    """A uvicorn that leaves signals alone: several services share this process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing; whoever runs the services stops them."""
        yield


async def serve(settings: Settings, stop: asyncio.Event, *, listen: socket.socket | None = None) -> None:
    """Serve until ``stop`` is set. Raises ``ConflictError`` if the port is taken; ``listen`` is a socket to use."""
    listener = listen or bind(settings.proxy_host, settings.proxy_port)
    with listener:
        async with open_app(settings) as app:
            config = uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                ws="none",
                timeout_graceful_shutdown=_GRACE,
                timeout_keep_alive=60,
                limit_concurrency=_MOST_CONNECTIONS,
                h11_max_incomplete_event_size=_LARGEST_HEAD,
            )
            server = _Server(config)
            task = asyncio.create_task(server.serve(sockets=[listener]))
            waiting = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
                server.should_exit = True
                await task


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; raise ``ConflictError`` naming the port if it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConflictError(f"{host!r} is no address to listen on", where="SEKISHO_PROXY_HOST") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
        listener.setblocking(False)  # noqa: FBT003 (positional only)
    except OSError as error:
        listener.close()
        raise ConflictError(
            f"port {port} on {host} cannot be used: {error.strerror}",
            where="SEKISHO_PROXY_PORT",
            todo="stop what listens there, or set another",
        ) from error
    return listener
