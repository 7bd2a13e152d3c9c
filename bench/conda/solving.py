"""A data scientist's solve by an unmodified client, cold: through a door, through the candidate mount, and direct."""

import asyncio
import socket
import threading
from contextlib import suppress
from statistics import median

from bench.conda.approved import Served
from bench.conda.site import Site
from bench.conda.synthetic import ASKED
from bench.place import MeasureError
from bench.rows import Row

_ROUNDS = 5


class Relay:
    """A port that leads to another one, and counts what comes back."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.bytes = 0
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._done = asyncio.Event()
        self._thread = threading.Thread(target=self._run, args=(listener,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port, and what goes through it."""
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(10)

    def _run(self, listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(listener))

    async def _serve(self, listener: socket.socket) -> None:
        await asyncio.start_server(self._meet, sock=listener)
        await self._done.wait()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError):
            there, back = await asyncio.open_connection("127.0.0.1", self._port)
            await asyncio.gather(self._pass(reader, back, count=False), self._pass(there, writer, count=True))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, count: bool) -> None:
        with suppress(OSError):  # one of them has left
            while data := await reader.read(1 << 18):
                self.bytes += len(data) if count else 0
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        writer.close()


def measure(site: Site, served: Served) -> list[Row]:
    """Solve what a data scientist asks for, each time with a client that knows nothing."""
    door, candidates = f"w/everyone/conda/{served.source}", f"candidates/conda/{served.source}"
    seconds: dict[str, list[float]] = {}
    sizes: dict[str, float] = {}
    packages = set()
    for number in range(1, site.rounds(_ROUNDS) + 1):
        for name, port, path in (
            ("door", served.port, door),
            ("candidates", served.port, candidates),
            ("direct", int(site.url.rpartition(":")[2]), "sharded"),
        ):
            site.say(f"solve through {name}, round {number}")
            relay = Relay(port)
            try:
                found = site.once(
                    "solve",
                    channel=f"http://127.0.0.1:{relay.port}/{path}",
                    specs=list(ASKED),
                    cache=str(site.place.work / "clients" / f"{name}-{number}"),
                    token=served.token if name == "candidates" else "",
                )
            finally:
                relay.stop()
            seconds.setdefault(name if number > 1 or name != "candidates" else "candidates first", []).append(
                found["seconds"]
            )
            sizes[name] = relay.bytes / 1e6
            packages.add(found["packages"])
    if min(packages) < len(ASKED):
        raise MeasureError("the solver found less than it was asked for")
    middle = {name: median(found) for name, found in seconds.items()}
    what = f"cold solve of {', '.join(ASKED)} ({max(packages):.0f} packages)"
    rows = [
        Row(f"{what}: door", middle["door"], "s", 1, "lower", {"direct": middle["direct"]}),
        Row("its metadata", sizes["door"], "MB", 1, "lower", {"direct": sizes["direct"]}),
        Row("the same through the candidate mount, its metadata", sizes["candidates"], "MB", None, "lower"),
        Row("the same, shards not here yet", middle["candidates first"], "s", None, "lower"),
    ]
    if "candidates" in middle:
        rows.append(Row("the same, shards here", middle["candidates"], "s", None, "lower"))
    return rows
