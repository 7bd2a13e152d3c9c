"""A few slots that many share fairly: those who wait get one in turn by owner, not by who came first."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class Turns:
    """``size`` slots. An owner who waits for a thousand delays one who waits for a single one by no more than one."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def take(self, owner: Hashable) -> AsyncIterator[None]:
        """Hold a slot inside the context."""
        await self._wait(owner)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, owner: Hashable) -> None:
        if self._free:
            self._free -= 1
            return
        slot: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(slot)
        try:
            await slot
        except asyncio.CancelledError:
            if not slot.cancelled():  # it was handed over in the very moment
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            owner = next(iter(self._waiting))
            line = self._waiting.pop(owner)
            slot = line.popleft()
            if line:
                self._waiting[owner] = line
            if not slot.done():
                slot.set_result(None)
                return
        self._free += 1
