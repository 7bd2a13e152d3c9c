"""A file that clients read while it arrives: never to its end before its digest is right.

A client that asks for a file which is not here yet gets its bytes as they come. The last block waits until the whole
file is verified, and until the very bytes that this client got hash to the artifact's sha256; otherwise the connection
is cut, which every client takes for what it is, because the length was promised.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from sekisho.errors import CorruptError
from sekisho.model import Artifact
from sekisho.store import Incoming

_CHUNK = 256 << 10
_HELD_BACK = 64 << 10


class Arrival:
    """One artifact on its way in, and those who read along. Another try of the fetch begins another file."""

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self._incoming: Incoming | None = None
        self._moved = asyncio.Event()

    def begin(self, incoming: Incoming) -> "Arrival":
        """Take note of the file that a try writes to."""
        self._incoming = incoming
        return self

    def __call__(self) -> None:
        """Wake those who wait for more."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def begun(self, flight: asyncio.Future[None]) -> None:
        """Wait until there is something to read; raise what the flight raises if nothing ever comes."""
        while not flight.done() and not (self._incoming and self._incoming.size):
            await self._more(flight)
        if flight.done():
            flight.result()

    async def chunks(self, flight: asyncio.Future[None], blob: Path) -> AsyncIterator[bytes]:
        """Yield the file, its end only after ``flight`` has landed; raise ``CorruptError`` rather than end wrongly."""
        whole, sent = hashlib.sha256(), 0
        while not flight.done():
            end = min(self._incoming.size if self._incoming else 0, self.artifact.size) - _HELD_BACK
            chunk = self._read(sent, min(end - sent, _CHUNK)) if end > sent else b""
            if chunk:
                whole.update(chunk)
                sent += len(chunk)
                yield chunk
            else:
                await self._more(flight)
        flight.result()
        with blob.open("rb") as file:
            file.seek(sent)
            while chunk := file.read(_CHUNK):
                whole.update(chunk)
                sent += len(chunk)
                if sent >= self.artifact.size and whole.hexdigest() != self.artifact.sha256:
                    raise CorruptError("the source sent other bytes at a second try", where=self.artifact.path)
                yield chunk

    def _read(self, start: int, length: int) -> bytes:
        """Return bytes that were written, or nothing once the file has become a blob: the flight is about to land."""
        if self._incoming is None:
            return b""
        try:
            with self._incoming.path.open("rb") as file:
                return os.pread(file.fileno(), length, start)
        except FileNotFoundError:
            return b""

    async def _more(self, flight: asyncio.Future[None]) -> None:
        moved = asyncio.create_task(self._moved.wait())
        either: set[asyncio.Future[Any]] = {moved, flight}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            moved.cancel()
