"""Who reads a channel's one file: this process if it is small, and else one that starts while the file comes."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from sekisho_proxy.conda.importing import Done, Job, attempt

_SLOWEST_IMPORT, _SLOWEST_END = 300.0, 5.0
_SMALL, _SMALL_UNPACKED = 256 << 10, 8 << 20
"""Bytes of what is not worth a process of its own."""

_STEP = 1 << 20
"""Bytes that come between two words of them."""

_COMMAND = (sys.executable, "-I", "-m", "sekisho_proxy.conda.importing")


class Worker:
    """Does one job, which ``prepare`` gives. As a context: nothing of it is left afterwards."""

    def __init__(self, prepare: Callable[[], Awaitable[Job]]) -> None:
        self._prepare = prepare
        self._starting: asyncio.Task[Process] | None = None
        self._process: Process | None = None
        self._told = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await _end(self._starting)

    def begin(self) -> None:
        """Have the file from its first byte: what is read of it so far counts no more."""
        self._told = 0
        if self._starting is not None:
            self._process = None
            self._starting = asyncio.create_task(self._start(self._starting))

    def tell(self, size: int) -> None:
        """Say that the file has so many bytes; a process reads along as soon as it is clear that it will be wanted."""
        if self._starting is None and size > _SMALL:
            self._starting = asyncio.create_task(self._start(None))
        if self._process and self._process.stdin and size - self._told >= _STEP:
            self._told = size
            if not self._process.stdin.is_closing():
                self._process.stdin.write(b"\n")

    async def do(self, now: int) -> Done:
        """Do the job; all of its file is there ``now``, in seconds of the epoch."""
        if self._starting is None:
            done = await asyncio.to_thread(_try_here, msgspec.structs.replace(await self._prepare(), now=now))
            if not done.too_much:
                return done
            self._starting = asyncio.create_task(self._start(None))
        process = await self._starting
        try:
            async with asyncio.timeout(_SLOWEST_IMPORT):
                said, _ = await process.communicate(b"%d\n" % now)
            return msgspec.json.decode(said, type=Done)
        except TimeoutError:
            return Done(error="reading it took too long")
        except msgspec.MsgspecError:
            return Done(error="the process that read it did not survive it")

    async def _start(self, before: asyncio.Task[Process] | None) -> Process:
        await _end(before)
        process = await asyncio.create_subprocess_exec(
            *_COMMAND, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}, start_new_session=True
        )
        try:
            job = await self._prepare()
        except BaseException:
            process.kill()
            raise
        if process.stdin:
            process.stdin.write(msgspec.json.encode(job) + b"\n")
        self._process = process
        return process


async def _end(starting: asyncio.Task[Process] | None) -> None:
    if starting is None:
        return
    with suppress(OSError):
        process = await starting
        try:
            if process.stdin:
                process.stdin.close()  # it takes back what it wrote, where more of the file was to come
            async with asyncio.timeout(_SLOWEST_END):
                await process.wait()
        except BaseException as error:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            if not isinstance(error, TimeoutError):
                raise


def _try_here(job: Job) -> Done:
    if Path(job.file).stat().st_size > _SMALL:
        return Done(too_much=True)
    return attempt(msgspec.structs.replace(job, limit=_SMALL_UNPACKED))
