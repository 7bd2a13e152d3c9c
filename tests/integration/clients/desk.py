"""A person's desk: a home, a project folder, and the real clients, configured by `sekisho configure` alone."""

import logging
import os
import subprocess
import sys
from pathlib import Path

from tests.integration.clients.outside import Outside

ROOT = Path(__file__).resolve().parents[3]
CLIENTS = ROOT / ".venv-clients" / "bin"
_FOREIGN = ("PIP_", "UV_", "SEKISHO_", "PDM_", "POETRY_", "TWINE_", "XDG_", "SSL_", "REQUESTS_", "CURL_", "VIRTUAL_ENV")


class Desk:
    """``url`` is the proxy's address, ``data`` the folder of the installation whose authority may be trusted."""

    def __init__(self, folder: Path, url: str, data: Path, outside: Outside) -> None:
        self.home, self.project = folder / "home", folder / "project"
        self.home.mkdir()
        self.project.mkdir()
        self.outside = outside
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(_FOREIGN)}
        self.environment = {
            **kept,
            **outside.environment(),
            "HOME": str(self.home),
            "TMPDIR": str(folder),
            "PYTHONNOUSERSITE": "1",
            "NO_COLOR": "1",
            "COLUMNS": "300",
            "POETRY_NO_INTERACTION": "1",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            "SEKISHO_PROXY_URL": url,
            "SEKISHO_DATA": str(data),
        }

    def run(self, program: str | Path, *arguments: str, ok: bool | None = True) -> subprocess.CompletedProcess[str]:
        """Run a program in the project's folder; ``ok`` is whether it shall succeed, ``None`` if either will do."""
        done = subprocess.run(
            [str(program), *arguments],
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert ok is None or (done.returncode == 0) == ok, done.stdout + done.stderr
        return done

    def client(self, name: str, *arguments: str, ok: bool | None = True) -> subprocess.CompletedProcess[str]:
        """Run one of the clients that the tests drive."""
        own = Path(sys.executable).with_name("uv")
        return self.run(own if name == "uv" else CLIENTS / name, *arguments, ok=ok)

    def configure(self, client: str, *arguments: str, ok: bool = True) -> str:
        """Run ``sekisho configure``; do as it says about variables."""
        done = self.run(Path(sys.executable).with_name("sekisho"), "configure", client, *arguments, ok=ok)
        for line in done.stdout.splitlines():
            name, equals, value = line.partition("it also needs: export ")[2].partition("=")
            if equals:
                self.environment[name] = value.strip("'")
        return done.stdout + done.stderr

    def venv(self) -> Path:
        """Make a bare virtual environment and return its interpreter."""
        self.client("uv", "venv", "--quiet", "--no-project", "--python", sys.executable, str(self.project / ".venv"))
        return self.project / ".venv" / "bin" / "python"

    def has(self, *modules: str) -> bool:
        """Tell whether the environment in the project's folder imports these, and from there."""
        code = f"import {', '.join(modules)} as last; print(last.__file__)"
        done = self.run(self.project / ".venv" / "bin" / "python", "-I", "-c", code)
        return done.stdout.startswith(str(self.project))


def asked(caplog) -> list[str]:
    """Return what the proxy was asked so far, as ``GET /path``."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("sekisho.proxy")]


def listen_to_the_log(caplog) -> None:
    caplog.set_level(logging.INFO, logger="sekisho.proxy")
