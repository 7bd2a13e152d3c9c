"""The process that holds the solver: ``python -m sekisho_builder.conda.worker ROOM``, asked over its standard input.

It ends with the builder: when its input ends, whatever it is doing. It leaves by ``os._exit``, since the library may
crash when the interpreter ends in order.
"""

import asyncio
import os
import queue
import resource
import shutil
import sys
import threading
from typing import Any

from sekisho.errors import BadInputError, SekishoError
from sekisho_builder.conda.frames import frame, receive
from sekisho_builder.conda.universe import Universe

_MOST_MEMORY = 4 << 30
"""Bytes of data that the process may have; beyond that an allocation fails, and the process with it."""


class Worker:
    """What was read, by the names that the builder gives it."""

    def __init__(self) -> None:
        self._universes: dict[str, Universe] = {}

    async def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """Do what a message says; raise a ``SekishoError`` that the builder is to hear."""
        operation, name = message.get("op"), str(message.get("id"))
        if operation == "open":
            self._universes[name] = found = await Universe.read(message)
            return {"records": len(found), "names": found.names()}
        if operation == "close":
            self._universes.pop(name, None)
            return {}
        universe = self._universes.get(name)
        if universe is None:
            return {"unknown": True}
        if operation == "solve":
            return await universe.solve(message)
        if operation == "forced":
            return {"forced": universe.forced(message)}
        if operation == "offered":
            return {"offered": universe.offered(message["names"])}
        raise BadInputError(f"the solver has no operation {operation!r}")

    def __len__(self) -> int:
        return len(self._universes)


async def serve(messages: "queue.SimpleQueue[dict[str, Any] | None]", out: int) -> None:
    """Answer one message after the other."""
    worker = Worker()
    while (message := messages.get()) is not None:
        try:
            answer = await worker.answer(message)
        except SekishoError as error:
            answer = {"problem": error.diagnostics()}
        except Exception as error:  # noqa: BLE001 (the builder hears of it, and decides)
            answer = {"problem": {"code": "error", "title": f"the solver failed: {type(error).__name__}: {error}"}}
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        _write(out, frame({**answer, "memory": memory, "open": len(worker)}))


def _write(out: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(out, left) :]


def _listen(messages: "queue.SimpleQueue[dict[str, Any] | None]", room: str) -> None:
    def read(count: int) -> bytes:
        found = bytearray()
        while len(found) < count and (more := os.read(0, min(count - len(found), 1 << 20))):
            found += more
        return bytes(found)

    try:
        while (message := receive(read)) is not None:
            messages.put(message)
    finally:  # the builder is gone, or wants this process gone
        shutil.rmtree(room, ignore_errors=True)
        os._exit(0)


def main(room: str) -> None:
    """Serve until the input ends; ``room`` is a folder of this process's own, and goes with it."""
    os.chdir(room)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (_MOST_MEMORY, _MOST_MEMORY))
    out = os.dup(1)
    os.dup2(2, 1)  # what the library prints is no answer
    sys.stdout = sys.stderr
    messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(messages, room), daemon=True).start()
    try:
        asyncio.run(serve(messages, out))
    finally:
        os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
