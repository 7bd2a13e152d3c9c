"""A real devpi-server on loopback, and the real clients of the people who publish to it."""

import os
import subprocess
import sys
from pathlib import Path

from tests.integration.line.site import ROOT, Process, free_port
from tests.integration.proxy.house import bare_environment

SERVER = ROOT / ".venv-peers" / "bin"
CLIENTS = ROOT / ".venv-clients" / "bin"
USER, PASSWORD = "acme", "only for tests"
_WARNINGS = {"PYTHONWARNINGS": "ignore"}


class Devpi:
    """One server with one user, whose stages inherit from nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"
        self._environment = bare_environment(folder) | _WARNINGS
        self._environment["DEVPI_CLIENTDIR"] = str(folder / "client")
        data = ["--serverdir", str(folder / "server")]
        self._run([str(SERVER / "devpi-init"), *data, "--no-root-pypi", "--root-passwd", PASSWORD])
        port = self.url.rpartition(":")[2]
        command = [str(SERVER / "devpi-server"), *data, "--host", "127.0.0.1", "--port", port, "--threads", "8"]
        command += ["--restrict-modify", f"root,{USER}"]
        self._process = Process(command, self._environment, folder, "devpi")
        try:
            self._process.wait_for(f"{self.url}/+api")
            self.client("use", self.url)
            self.client("login", "root", "--password", PASSWORD)
            self.client("user", "-c", USER, f"password={PASSWORD}", "email=packages@acme.example")
            self.client("login", USER, "--password", PASSWORD)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._process.end()

    def _run(self, command: list[str], folder: Path | None = None, **more: str) -> str:
        done = subprocess.run(
            command, env=self._environment | more, cwd=folder or self.folder, capture_output=True, text=True,
            check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def client(self, *arguments: str) -> str:
        """Run ``devpi …`` as the user."""
        return self._run([str(CLIENTS / "devpi"), *arguments])

    def index(self, name: str, *options: str) -> str:
        """Make an index of the user; return the address of its pages, as a source names it."""
        self.client("index", "-c", f"{USER}/{name}", *options)
        return f"{self.url}/{USER}/{name}/+simple/"

    def build(self, name: str, release: str, *requires: str) -> list[Path]:
        """Build a wheel and an sdist as people do, from a pyproject.toml."""
        folder = self.folder / f"{name}-{release}"
        (folder / "dist").mkdir(parents=True)
        module = name.replace("-", "_")
        (folder / f"{module}.py").write_text(f'"""In-house."""\n\n__version__ = "{release}"\n')
        (folder / "pyproject.toml").write_text(
            '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n'
            f'[project]\nname = "{name}"\nversion = "{release}"\ndescription = "In-house."\nlicense = "MIT"\n'
            f'requires-python = ">=3.8"\ndependencies = {list(requires)!r}\n'
        )
        build = "from flit_core import buildapi; buildapi.build_wheel('dist'); buildapi.build_sdist('dist')"
        self._run([sys.executable, "-c", build], folder)
        return sorted((folder / "dist").iterdir())

    def upload(self, name: str, *files: Path) -> str:
        """Upload with twine, its login in the environment."""
        return self._run(
            [str(CLIENTS / "twine"), "upload", "--non-interactive", "--disable-progress-bar", *map(os.fspath, files)],
            TWINE_REPOSITORY_URL=f"{self.url}/{USER}/{name}/", TWINE_USERNAME=USER, TWINE_PASSWORD=PASSWORD,
        )  # fmt: skip

    def push(self, pin: str, *, source: str, target: str) -> str:
        """Move a release from one stage to another."""
        return self.client("push", "--index", f"{USER}/{source}", pin, f"{USER}/{target}")
