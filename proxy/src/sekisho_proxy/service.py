"""The proxy as a service: one loop, one socket, until told to stop."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from sekisho.listening import listen as open_socket
from sekisho.settings import Settings
from sekisho.tls import Tls, open_tls
from sekisho_proxy.asgi import App
from sekisho_proxy.compose import open_app
from sekisho_proxy.wire import BoundedProtocol

_GRACE = 5
_MOST_CONNECTIONS = 512
_SLOWEST_HANDSHAKE = 20.0
"""Seconds from the first byte of a connection until TLS is agreed on; then the head's own bound begins."""


class _Server(uvicorn.Server):
    """A uvicorn that leaves signals alone: several services share this process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing; whoever runs the services stops them."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen as uvicorn does, except that a handshake has a bound of ours (uvicorn leaves it at a minute)."""
        if self.config.ssl is None:
            await super().startup(sockets)
            return
        state, config = self.server_state, self.config
        loop = asyncio.get_running_loop()
        self.servers = [
            await loop.create_server(
                lambda: BoundedProtocol(config=config, server_state=state, app_state={}),
                sock=listener,
                ssl=config.ssl,
                ssl_handshake_timeout=_SLOWEST_HANDSHAKE,
            )
            for listener in sockets or ()
        ]
        self.started = True


async def serve(settings: Settings, stop: asyncio.Event, *, listen: socket.socket | None = None) -> None:
    """Serve until ``stop`` is set. Raises ``ConflictError`` if the port is taken; ``listen`` is a socket to use."""
    tls = await asyncio.to_thread(open_tls, settings)
    listener = listen or open_socket(settings.proxy_host, settings.proxy_port, service="proxy")
    with listener:
        async with open_app(settings) as app:
            await answer(app, listener, stop, tls)


async def answer(app: App, listener: socket.socket, stop: asyncio.Event, tls: Tls | None = None) -> None:
    """Answer who comes to ``listener`` until ``stop`` is set."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # what another server in front says of itself is in the settings, not in a request
        ws="none",
        timeout_graceful_shutdown=_GRACE,
        timeout_keep_alive=60,
        limit_concurrency=_MOST_CONNECTIONS,
        http=BoundedProtocol,
        ssl_context_factory=(lambda *_: tls.context) if tls else None,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    others = [asyncio.create_task(stop.wait()), *([asyncio.create_task(tls.keep())] if tls else [])]
    try:
        await asyncio.wait({task, *others}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for other in others:
            other.cancel()
        server.should_exit = True
        await task
