"""Programs that a stage runs outside this process, and their end: none of them outlives the builder."""

import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from sekisho.errors import ConflictError

_PR_SET_PDEATHSIG = 1
_CLEANING_UP = 20.0
"""Seconds that a program has for its own cleanup once it was told to end."""

_LIBC = ctypes.CDLL(None)


class Said(NamedTuple):
    """How a program ended. Without a pipe of its own, ``errors`` are part of ``output``."""

    status: int
    output: str
    errors: str


class Run(Protocol):
    """Runs one program to its end: ``Programs.run``, or a test's own."""

    def __call__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        timeout: float,
        given: str = "",
        folder: Path | None = None,
        mixed: bool = False,
    ) -> Said:
        """See ``Programs.run``."""


class Programs:
    """Those that run now. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._ended = False

    def run(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        timeout: float,
        given: str = "",
        folder: Path | None = None,
        mixed: bool = False,
    ) -> Said:
        """Run a program in a session of its own: Ctrl-C is for the services, which end it in their order.

        ``given`` is its standard input; ``mixed`` puts errors into the output as they come. Whatever interrupts it,
        the program's own cleanup is waited for. The kernel ends it when this process is killed. Raises ``OSError`` if
        it cannot start, ``subprocess.TimeoutExpired``, and ``ConflictError`` once ``end`` was called.
        """
        with self._lock:
            if self._ended:
                raise ConflictError("the builder is being stopped")
            process = subprocess.Popen(
                command,
                env=environment,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if mixed else subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
                umask=0o022,
                preexec_fn=_die_with_this_process,  # noqa: PLW1509 (one system call, of a library that is loaded)
            )
            self._running.add(process)
        with process:
            try:
                output, errors = process.communicate(given, timeout=timeout)
            except BaseException:
                _end(process)
                raise
            finally:
                with self._lock:
                    self._running.discard(process)
        return Said(process.returncode, output, errors or "")

    def end(self) -> None:
        """Tell every program to end, and start no more; whoever ran one sees it end."""
        with self._lock:
            self._ended = True
            for process in self._running:
                _signal(process, signal.SIGTERM)


def _die_with_this_process() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(process: subprocess.Popen[str]) -> None:
    _signal(process, signal.SIGTERM)
    try:
        process.communicate(timeout=_CLEANING_UP)
    except subprocess.TimeoutExpired:
        _signal(process, signal.SIGKILL)


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
