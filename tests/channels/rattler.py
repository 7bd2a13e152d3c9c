"""py-rattler, an unmodified client, in a process of its own: a line of JSON asks, a line answers.

It lives as long as the ``with`` that started it and then ends by ``os._exit``, because py-rattler may crash while an
interpreter ends.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

REPOSITORY = Path(__file__).parents[2]


class RattlerError(Exception):
    """What py-rattler raised, in its own words."""


@dataclass(frozen=True)
class Solved:
    """One package that the solver chose, and where the client would fetch it."""

    name: str
    version: str
    build: str
    filename: str
    url: str
    channel: str
    sha256: str


class Rattler:
    """One process with py-rattler. ``folder`` holds its caches."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        bare = {
            key: value
            for key, value in os.environ.items()
            if not key.upper().startswith(("CONDA", "MAMBA", "RATTLER", "PIXI")) and not key.lower().endswith("_proxy")
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.channels.rattler_worker"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=bare | {"HOME": str(self.folder), "RATTLER_AUTH_FILE": str(self.folder / "logins.json")},
        )
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        assert process
        assert process.stdin
        assert process.stdout
        process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)
        process.stdout.close()
        self._process = None

    def login(self, host: str, login: Mapping[str, Any]) -> None:
        """Let the client log in at ``host``: ``{"BearerToken": …}``, ``{"CondaToken": …}``, ``{"BasicHTTP": {…}}``."""
        (self.folder / "logins.json").write_text(json.dumps({host: login}))

    def solve(self, channels: Sequence[str], specs: Sequence[str], **options: Any) -> list[Solved]:
        """Solve and return what was chosen, sorted by name.

        Options: ``sharded`` (True), ``platform``, ``cache`` (a folder's name; ``None`` is a new one), ``relations``
        (the client's default), ``exclude_newer`` (days), ``virtual`` (``{name: version}``; else this machine's).
        """
        return [Solved(**row) for row in self._ask("solve", channels=list(channels), specs=list(specs), **options)]

    def install(self, channels: Sequence[str], specs: Sequence[str], prefix: Path, **options: Any) -> list[Solved]:
        """Solve and install into ``prefix``; ``packages`` names the package cache (``None`` is a new one)."""
        rows = self._ask(
            "install", channels=list(channels), specs=list(specs), prefix=str(prefix.absolute()), **options
        )
        return [Solved(**row) for row in rows]

    def names(self, channels: Sequence[str], **options: Any) -> list[str]:
        """Return every name that the channels have, as the client sees it."""
        return self._ask("names", channels=list(channels), **options)

    def index(self, folder: Path) -> None:
        """Index a folder of packages as py-rattler does, with shards."""
        self._ask("index", folder=str(folder))

    def _ask(self, verb: str, **options: Any) -> Any:
        process = self._process
        assert process, "use it in a with statement"
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps({"verb": verb, "folder_of_caches": str(self.folder), **options}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise RattlerError(f"the process ended with {process.wait(20)}")
        answer = json.loads(line)
        if "error" in answer:
            raise RattlerError(answer["error"])
        return answer["result"]
