"""Two inspectors, kept alive between jobs. One that dies or dawdles is replaced; its job is a problem, not a hang."""

import asyncio
import json
import sys
from collections.abc import Hashable
from contextlib import suppress
from pathlib import Path

from sekisho.errors import CorruptError
from sekisho.model import Facts
from sekisho_proxy.inspect.wheel import PATIENCE, Job, patience
from sekisho_proxy.turns import Turns

_COMMAND = (sys.executable, "-I", "-m", "sekisho_proxy.inspect.worker")
_LONGEST_ANSWER = 16 << 20


class NotInspectedError(CorruptError):
    """The inspector did not survive the file."""


class TooSlowError(NotInspectedError):
    """The file could not be inspected in time."""


class Inspectors:
    """A pool of inspector processes. ``patience`` is in seconds per job, its size apart."""

    def __init__(self, *, size: int = 2, patience: float = PATIENCE, command: tuple[str, ...] = _COMMAND) -> None:
        self._turns = Turns(size)
        self._idle: list[asyncio.subprocess.Process] = []
        self._patience = patience
        self._command = command

    async def inspect(self, job: Job, owner: Hashable = None) -> Facts:
        """Return the facts; raise ``NotInspectedError`` if the inspector did not survive the file.

        Those who wait take turns by ``owner``.
        """
        seconds = patience(job.filename, _size(job), self._patience)
        async with self._turns.take(owner):
            process = self._idle.pop() if self._idle else await self._start()
            try:
                async with asyncio.timeout(seconds):
                    line = await _ask(process, job)
            except TimeoutError as error:
                raise TooSlowError("the inspection took too long and was stopped", where=job.filename) from error
            else:
                if line:
                    self._idle.append(process)
                    return _facts(line, job)
                raise NotInspectedError("the inspector did not survive this file", where=job.filename)
            finally:
                if process not in self._idle:
                    await _stop(process)

    async def close(self) -> None:
        """End the idle inspectors."""
        while self._idle:
            await _stop(self._idle.pop())

    async def _start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
            limit=_LONGEST_ANSWER,
            start_new_session=True,
        )


async def _ask(process: asyncio.subprocess.Process, job: Job) -> bytes:
    if process.stdin is None or process.stdout is None:
        return b""
    try:
        process.stdin.write(job.canonical() + b"\n")
        await process.stdin.drain()
        line = await process.stdout.readline()
    except (OSError, ValueError):
        return b""
    return line if line.endswith(b"\n") else b""


def _size(job: Job) -> int:
    try:
        return Path(job.path).stat().st_size
    except OSError:
        return 0


def _facts(line: bytes, job: Job) -> Facts:
    facts = Facts.parse(json.loads(line)["facts"], where=job.filename)
    if facts.sha256 != job.sha256:
        raise CorruptError("the inspector answered for another file", where=job.filename)
    return facts


async def _stop(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.communicate()
