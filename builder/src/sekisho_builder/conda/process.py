"""The process that holds the solver of conda packages: started when it is first asked, and again when it died.

The solver is a library of native code that may crash a process, and does at times when its interpreter ends. So it is
kept out of the builder: no exit status of it counts, only what it answered.
"""

import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

from sekisho.errors import ConflictError, SekishoError, UpstreamError, from_diagnostics
from sekisho_builder.conda.frames import frame, receive
from sekisho_builder.solver import believed

_PASSED_ON = ("PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "LANG", "LC_ALL")
"""No ``*_PROXY`` and no ``CONDA_*`` among them: a channel is the proxy itself."""

_TIMEOUT = 300.0
_MOST_MEMORY = 1 << 30
"""Bytes that a process may hold between two requests; one that holds more is replaced."""

_ENDING = 10.0

COMMAND = (sys.executable, "-I", "-m", "sekisho_builder.conda.worker")


class LostError(UpstreamError):
    """The process died, or was ended because it took too long; what it had read is gone."""


class SolverProcess:
    """At most one process, asked by one thread at a time. ``timeout`` is in seconds for one answer.

    ``ca`` is a file with the authorities that channels' certificates may be of, beside those of the environment.
    """

    def __init__(
        self, command: tuple[str, ...] = COMMAND, *, timeout: float = _TIMEOUT, ca: Path | None = None
    ) -> None:
        self._command = command
        self._ca = ca
        self._timeout = timeout
        self._turn = threading.Lock()
        self._state = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None
        self._room: tempfile.TemporaryDirectory[str] | None = None
        self._ended = False

    @property
    def pid(self) -> int | None:
        """Return the id of the process that runs now."""
        running = self._running
        return running.pid if running else None

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a message.

        Raises the error that the process tells of, ``LostError`` if it ends without an answer or takes too long, and
        ``ConflictError`` once ``end`` was called.
        """
        with self._turn:
            process = self._present()
            try:
                answer = self._exchange(process, frame(message))
            except BaseException:
                self._drop(process)
                raise
            if int(answer.get("memory", 0)) > _MOST_MEMORY and not answer.get("open"):
                self._drop(process)
        if problem := answer.get("problem"):
            raise from_diagnostics(problem)
        return answer

    def end(self) -> None:
        """End the process, and start no more; whoever waits for it sees it end."""
        with self._state:
            self._ended = True
            process = self._running
        if process is not None:
            _kill(process)
            if self._turn.acquire(timeout=_ENDING):
                try:
                    self._drop(process)
                finally:
                    self._turn.release()

    def _present(self) -> subprocess.Popen[bytes]:
        with self._state:
            if self._ended:
                raise ConflictError("the builder is being stopped")
            if self._running is not None and self._running.poll() is None:
                return self._running
        if self._running is not None:
            self._drop(self._running)
        room = tempfile.TemporaryDirectory(prefix="sekisho-conda-")
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        if self._ca is not None:
            kept["SSL_CERT_FILE"] = str(believed(self._ca, kept.get("SSL_CERT_FILE"), Path(room.name)))
        process = subprocess.Popen(
            (*self._command, room.name),
            env={**kept, "HOME": room.name, "MALLOC_ARENA_MAX": "2"},
            cwd=room.name,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the services, which end it in their order
            bufsize=0,
        )
        with self._state:
            self._running, self._room = process, room
            ended = self._ended
        if ended:
            self._drop(process)
            raise ConflictError("the builder is being stopped")
        return process

    def _exchange(self, process: subprocess.Popen[bytes], sent: bytes) -> dict[str, Any]:
        end = time.monotonic() + self._timeout
        writing, reading = (cast("IO[bytes]", pipe).fileno() for pipe in (process.stdin, process.stdout))
        os.set_blocking(writing, False)

        def read(count: int) -> bytes:
            found = bytearray()
            while len(found) < count:
                if not select.select([reading], [], [], max(0.0, end - time.monotonic()))[0]:
                    raise self._late()
                more = os.read(reading, min(count - len(found), 1 << 20))
                if not more:
                    break
                found += more
            return bytes(found)

        try:
            self._send(writing, sent, end)
            answer = receive(read)
        except (OSError, ValueError) as error:
            raise self._lost(str(error)) from error
        if answer is None:
            raise self._lost("it ended")
        return answer

    def _send(self, writing: int, sent: bytes, end: float) -> None:
        left = memoryview(sent)
        while left:
            if not select.select([], [writing], [], max(0.0, end - time.monotonic()))[1]:
                raise self._late()
            left = left[os.write(writing, left[: 1 << 16]) :]

    def _late(self) -> SekishoError:
        return UpstreamError(
            f"solving took more than {self._timeout:g} seconds", todo="try again, or ask for fewer packages at once"
        )

    def _lost(self, why: str) -> SekishoError:
        if self._ended:
            return ConflictError("the builder is being stopped")
        return LostError(f"the solver of conda packages stopped: {why}", todo="see the builder's log, and ask again")

    def _drop(self, process: subprocess.Popen[bytes]) -> None:
        _kill(process)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        with self._state:
            room, self._room, self._running = self._room, None, None
        if room is not None:
            with suppress(OSError):
                room.cleanup()


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
