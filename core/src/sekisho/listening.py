"""What services stand on: a socket and an event loop."""

import asyncio
import resource
import socket
from collections.abc import Coroutine
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from sekisho.errors import ConflictError

_MOST_DESCRIPTORS = 65_536


def listen(host: str, port: int, *, service: str) -> socket.socket:
    """Return a listening socket; raise ``ConflictError`` naming the setting of ``service`` that cannot be had."""
    setting = f"SEKISHO_{service.upper()}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConflictError(f"{host!r} is no address to listen on", where=f"{setting}_HOST") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
        listener.setblocking(False)  # noqa: FBT003 (positional only)
    except OSError as error:
        listener.close()
        raise ConflictError(
            f"the {service} cannot listen on {host}:{port}: {error.strerror}",
            where=f"{setting}_PORT",
            todo="stop what uses the port, or choose another one",
        ) from error
    return listener


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a service to its end, on uvloop where a distribution brought it along."""
    _allow_descriptors()
    factory = import_module("uvloop").new_event_loop if find_spec("uvloop") else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)


def _allow_descriptors() -> None:
    """Raise how many descriptors this process may hold: at the usual 1,024, silent connections would take them all."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # some systems have another limit behind this one
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
