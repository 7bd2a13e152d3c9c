"""The proxy as a service: one loop, one socket, until told to stop."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from sekisho.listening import listen as open_socket
from sekisho.settings import Settings
from sekisho_proxy.asgi import App
from sekisho_proxy.compose import open_app
from sekisho_proxy.wire import BoundedProtocol

_GRACE = 5
_MOST_CONNECTIONS = 512


class _Server(uvicorn.Server):
    """A uvicorn that leaves signals alone: several services share this process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing; whoever runs the services stops them."""
        yield


async def serve(settings: Settings, stop: asyncio.Event, *, listen: socket.socket | None = None) -> None:
    """Serve until ``stop`` is set. Raises ``ConflictError`` if the port is taken; ``listen`` is a socket to use."""
    listener = listen or open_socket(settings.proxy_host, settings.proxy_port, service="proxy")
    with listener:
        async with open_app(settings) as app:
            await answer(app, listener, stop)


async def answer(app: App, listener: socket.socket, stop: asyncio.Event) -> None:
    """Answer who comes to ``listener`` until ``stop`` is set."""
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
        http=BoundedProtocol,
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
