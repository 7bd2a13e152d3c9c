"""Where the benchmark keeps its things: under build/bench, and what was once taken from PyPI in the user's cache."""

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
PEERS = ROOT / ".venv-peers" / "bin"

Say = Callable[[str], None]
"""Tells whoever waits what is being done."""


class MeasureError(Exception):
    """A figure could not be taken; says which, and why."""


class Place(NamedTuple):
    """The benchmark's folders."""

    home: Path = ROOT / "build" / "bench"
    cache: Path = Path("~/.cache/sekisho/bench").expanduser()

    @property
    def work(self) -> Path:
        """Return the folder that every run begins anew."""
        return self.home / "work"


def free_port() -> int:
    """Return a loopback port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def bare_environment(home: Path, **more: str) -> dict[str, str]:
    """Return an environment in which no client or server knows anything but what it is told."""
    dropped = ("PIP_", "UV_", "SEKISHO_", "PROXPI_", "DEVPI")
    kept = {key: value for key, value in os.environ.items() if not key.upper().startswith(dropped)}
    return {
        **kept,
        "PIP_CONFIG_FILE": os.devnull,
        "UV_NO_CONFIG": "1",
        "HOME": str(home),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        **more,
    }
