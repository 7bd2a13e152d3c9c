"""Who reads a channel's one file: this process if it is small, and else one that starts while the file comes."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from sekisho_proxy.conda.importing import Done, Job, attempt

_SLOWEST_IMPORT = 300.0
_SMALL, _SMALL_UNPACKED = 256 << 10, 8 << 20
"""Bytes of what is not worth a process of its own."""

_COMMAND = (sys.executable, "-I", "-m", "sekisho_proxy.conda.importing")


class Worker:
    """Does one job. As a context: nothing of it is left afterwards."""

    def __init__(self) -> None:
        self._starting: asyncio.Task[Process] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._starting is None:
            return
        with suppress(OSError):
            process = await self._starting
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def expect(self, size: int) -> None:
        """Let the process start, and load what it needs, if a file has so many bytes that it will be wanted."""
        if size > _SMALL and self._starting is None:
            self._starting = asyncio.create_task(_start())

    async def do(self, job: Job) -> Done:
        """Do the job."""
        if self._starting is None:
            done = await asyncio.to_thread(_try_here, job)
            if not done.too_much:
                return done
            self._starting = asyncio.create_task(_start())
        process = await self._starting
        try:
            async with asyncio.timeout(_SLOWEST_IMPORT):
                said, _ = await process.communicate(msgspec.json.encode(job))
            return msgspec.json.decode(said, type=Done)
        except TimeoutError:
            return Done(error="reading it took too long")
        except msgspec.MsgspecError:
            return Done(error="the process that read it did not survive it")


async def _start() -> Process:
    return await asyncio.create_subprocess_exec(
        *_COMMAND, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}, start_new_session=True
    )


def _try_here(job: Job) -> Done:
    if Path(job.file).stat().st_size > _SMALL:
        return Done(too_much=True)
    return attempt(msgspec.structs.replace(job, limit=_SMALL_UNPACKED))
