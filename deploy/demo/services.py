"""The processes that the demo starts: each ends with the demo, whatever happens to it, unless it is kept."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
from place import Place, sekisho

_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Services:
    """Child processes, ended in reverse order. Their ids are on disk, so that a later run can end kept ones."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._file = place.home / "processes.json"
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: list[str], environment: dict[str, str], *, keep: bool = False) -> None:
        """Start a process with its output in ``logs/<name>.log``; only one to ``keep`` outlives the demo."""
        self._place.logs.mkdir(parents=True, exist_ok=True)
        with (self._place.logs / f"{name}.log").open("wb") as log:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=self._place.home,
                start_new_session=True,
                preexec_fn=None if keep else _die_with_parent,  # noqa: PLW1509 (no threads yet, one system call)
            )
        self._children[name] = child
        self._remember()

    def _remember(self) -> None:
        pids = [child.pid for child in self._children.values()]
        self._file.write_text(json.dumps({str(pid): _began(pid) for pid in pids}))

    def check(self) -> None:
        """Raise if a process has failed, with the end of its log."""
        for name, child in self._children.items():
            if child.poll():
                log = (self._place.logs / f"{name}.log").read_text(errors="replace").strip().splitlines()
                raise ChildProcessError(f"{name} ended with status {child.returncode}: {' | '.join(log[-4:])}")

    def ended(self, name: str) -> bool:
        """Tell whether a process has done its work; raise if it failed."""
        self.check()
        return self._children[name].poll() == 0

    def said(self, name: str) -> str:
        """Return what a process has printed."""
        return (self._place.logs / f"{name}.log").read_text(errors="replace")

    def stop(self, *keep: str) -> None:
        """End every child that is still there, newest first, except those to ``keep``."""
        for name in reversed([name for name in self._children if name not in keep]):
            child = self._children.pop(name)
            _end(child.pid, lambda child=child: child.poll() is not None)  # type: ignore[misc]
        if self._children:
            self._remember()
        else:
            self._file.unlink(missing_ok=True)

    def stop_kept(self) -> int:
        """End what an earlier run left or kept; return how many processes that were."""
        try:
            kept = {int(pid): began for pid, began in json.loads(self._file.read_text()).items()}
        except (OSError, ValueError, AttributeError):
            return 0
        mine = [pid for pid, began in kept.items() if began and _began(pid) == began]
        for pid in reversed(mine):
            _end(pid, lambda pid=pid: _began(pid) != kept[pid])  # type: ignore[misc]
        self._file.unlink(missing_ok=True)
        return len(mine)


def _began(pid: int) -> str:
    """Return when a process began, in the kernel's ticks, or nothing for one that has ended: pids are used again."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _end(pid: int, gone: Callable[[], bool]) -> None:
    for number, seconds in ((signal.SIGTERM, 8.0), (signal.SIGKILL, 2.0)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if gone():
                return
            time.sleep(0.05)


def answers(url: str) -> bool:
    """Tell whether something answers 200 at ``url``."""
    try:
        return httpx2.get(url, timeout=2).status_code == 200
    except httpx2.TransportError:
        return False


def free_port(wanted: int) -> int:
    """Return ``wanted`` if nothing listens there, or else any free port."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return wanted


def registry_command(place: Place) -> list[str]:
    """Write the registry's configuration and return the command that serves it on loopback."""
    folder = place.home / "registry"
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{place.registry}"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    return ["docker-registry", "serve", str(folder / "config.json")]


def up_command() -> list[str]:
    """Return the command that starts portal, proxy and builder in one process."""
    return [sekisho(), "up"]
