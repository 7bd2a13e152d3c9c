"""Single flight: of many that want the same thing at once, one goes and all get its answer."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Flights:
    """The work under way, by key. A flight goes on when those who wait for it leave."""

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[Any]] = {}

    async def once(self, key: Hashable, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return what ``work`` answers, starting it only if no flight for ``key`` is under way."""
        return await asyncio.shield(self.start(key, work))

    def start(self, key: Hashable, work: Callable[[], Awaitable[Answer]]) -> asyncio.Task[Answer]:
        """Return the flight for ``key``, starting it if none is under way. Whoever waits must not cancel it."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.ensure_future(work())
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._land(key, done))
        return task

    def _land(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(key, None)
        if not task.cancelled():
            task.exception()  # whoever waited has it; nobody else needs to hear of it

    async def cancel(self) -> None:
        """Stop everything under way."""
        for task in list(self._tasks.values()):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
