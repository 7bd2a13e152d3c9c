"""The servers that are measured: each ends with the benchmark, and tells what it has used."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import httpx2

from bench.place import MeasureError

_PR_SET_PDEATHSIG = 1
_TICK = os.sysconf("SC_CLK_TCK")


class Memory(NamedTuple):
    """MiB of the largest process of a server: now, and at its highest."""

    resident: float
    peak: float


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Server:
    """One server: a process and its descendants."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.log = folder / f"{name}.log"
        self._command, self._environment, self._folder = command, environment, folder
        self.began = 0.0
        self._child = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self.began = time.perf_counter()
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self._folder,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 (one system call)
            )

    def restart(self) -> None:
        """End the server and start it again, on what it left on disk."""
        self.stop()
        self._child = self._start()

    def wait_for(self, url: str, *, seconds: float = 90.0, accept: str = "*/*") -> float:
        """Return the seconds from the start of the process until ``url`` answers 200."""
        with httpx2.Client(timeout=seconds, trust_env=False, headers={"accept": accept}) as client:
            while time.perf_counter() - self.began < seconds:
                if self._child.poll() is not None:
                    break
                try:
                    if client.get(url).status_code == 200:
                        return time.perf_counter() - self.began
                except httpx2.TransportError:
                    pass
                time.sleep(0.01)
        said = self.log.read_text(errors="replace").strip().splitlines()
        raise MeasureError(f"{self.name} did not answer at {url} in {seconds:.0f} s; it said: {' | '.join(said[-4:])}")

    def cpu(self) -> float:
        """Return the CPU seconds of the server so far, its descendants and those that have ended included."""
        ticks = 0
        for pid in tree_of(self._child.pid):
            fields = _stat(pid)
            if fields:  # utime, stime, and of children that were waited for: cutime, cstime (proc(5))
                ticks += sum(int(field) for field in fields[11:15])
        return ticks / _TICK

    def memory(self) -> Memory:
        """Return the memory of the largest process."""
        found = [status_of(pid) for pid in tree_of(self._child.pid)]
        return Memory(max(row.resident for row in found), max(row.peak for row in found))

    def stop(self) -> None:
        """End the server."""
        self._child.terminate()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait(10)


class Servers:
    """All servers of a run, ended newest first."""

    def __init__(self) -> None:
        self._started: list[Server] = []

    def start(self, name: str, command: list[str], environment: dict[str, str], folder: Path) -> Server:
        """Start a server whose output goes to a log in ``folder``."""
        server = Server(name, command, environment, folder)
        self._started.append(server)
        return server

    def stop(self, server: Server) -> None:
        """End one server."""
        self._started.remove(server)
        server.stop()

    def stop_all(self) -> None:
        """End every server that still runs."""
        while self._started:
            self._started.pop().stop()


def timed(what: Callable[[], object]) -> float:
    """Return how many seconds a call took."""
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat from the third on, or nothing for a process that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def tree_of(pid: int) -> list[int]:
    """Return a process and its descendants."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def status_of(pid: int) -> Memory:
    """Return the memory of one process; nothing is used by one that has ended."""
    values = {"VmRSS": 0.0, "VmHWM": 0.0}
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            key, _, value = line.partition(":")
            if key in values:
                values[key] = int(value.split()[0]) / 1024
    except OSError:
        pass
    return Memory(values["VmRSS"], values["VmHWM"])
