"""The world outside a site: an index with tiny wheels that can be slow, lie, hold back, or be gone and come back."""

import asyncio
import contextlib
import socket
import threading
import time

import uvicorn

from tests.fake_upstream import FakeUpstream
from tests.wheels import Wheel, make_wheel

ODD_LICENCE = "License-Expression: LicenseRef-Acme\n"
"""No rule allows it, so a person has to decide."""


def usual_wheels() -> list[Wheel]:
    """Return ``alpha``, which needs ``beta``; ``gamma``, whose licence a person has to look at; and ``delta``."""
    return [
        make_wheel("alpha", "1.2", requires=("beta>=1",)),
        make_wheel("beta", "2.0"),
        make_wheel("gamma", "3.0", extra=ODD_LICENCE),
        make_wheel("delta", "4.0"),
    ]


class Outside(FakeUpstream):
    """A fake upstream whose ``ends`` maps the end of a path to a fault.

    ``hold`` and ``slow`` wait for ``release``; nothing else of the fake's own faults is changed.
    """

    def __init__(self, wheels: list[Wheel] | None = None) -> None:
        super().__init__(wheels=usual_wheels() if wheels is None else wheels)
        self.ends: dict[str, str] = {}
        self.held = threading.Event()
        self._freed = threading.Event()

    def spoil(self, end: str, fault: str) -> None:
        """Meet every path that ends so with a fault, until ``release``."""
        self.held.clear()
        self._freed.clear()
        self.ends[end] = fault

    def hold(self, end: str) -> None:
        """Answer nothing to paths that end so, until ``release``; ``held`` is set when the first asks."""
        self.spoil(end, "hold")

    def release(self) -> None:
        self.ends.clear()
        self._freed.set()

    def _fault(self, path: str) -> str:
        return next((fault for end, fault in self.ends.items() if path.endswith(end)), "")

    async def __call__(self, scope, receive, send) -> None:
        if self._fault(scope["path"]) in {"hold", "slow"}:
            self.held.set()
            await asyncio.to_thread(self._freed.wait, 120)
        await super().__call__(scope, receive, send)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):
        yield


class Served:
    """An ASGI app on one loopback port, which stays its own while it is down."""

    def __init__(self, app) -> None:
        self.app = app
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self._running: tuple[_Server, threading.Thread] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port))
        config = uvicorn.Config(
            self.app, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        server = _Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        self._running = server, thread

    def stop(self) -> None:
        """Refuse connections from now on."""
        if self._running is None:
            return
        server, thread = self._running
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()
        self._running = None


@contextlib.contextmanager
def serving(app):
    """Serve ``app`` for the block."""
    served = Served(app)
    served.start()
    try:
        yield served
    finally:
        served.stop()


def until(condition, *, seconds: float = 60.0, what: str = "what was waited for"):
    """Wait for something that another process does, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    message = f"{what} did not happen within {seconds} s"
    raise AssertionError(message)
