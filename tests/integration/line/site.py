"""A whole site on loopback: a git repository, `sekisho up` as a process, and the commands that people run."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import yaml

from tests.integration.line.outside import until

ROOT = Path(__file__).parents[3]
SEKISHO = str(Path(sys.executable).with_name("sekisho"))

DEAD_ENGINE = "unix:///nowhere/docker.sock"
PEOPLE = {"ana": ("requester",), "ben": ("approver",), "cleo": ("requester", "approver"), "ada": ("admin",)}


def free_port() -> int:
    """Return a port that nothing uses now; those of the demo are left alone."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = int(probe.getsockname()[1])
        if not 8470 <= port <= 8480:
            return port


class Process:
    """A command that serves until it is told to stop, in a process group of its own, with a log."""

    def __init__(self, command: list[str], environment: dict[str, str], folder: Path, name: str) -> None:
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def wait_for(self, url: str) -> None:
        """Wait until 200 comes from ``url``; fail with the log when the process ends instead."""

        def ready() -> bool:
            assert self._child.poll() is None, self.log.read_text()
            try:
                return httpx2.get(url, timeout=5, trust_env=False).status_code == 200
            except httpx2.TransportError:
                return False

        until(ready, what=f"an answer from {url}")

    def end(self, number: signal.Signals = signal.SIGTERM, *, alone: bool = False) -> int:
        """Send a signal to the group, as a terminal does, or to the process ``alone``; return its exit status."""
        if self._child.poll() is None:
            (os.kill if alone else os.killpg)(self._child.pid, number)
            try:
                self._child.wait(40)
            except subprocess.TimeoutExpired:
                os.killpg(self._child.pid, signal.SIGKILL)
                self._child.wait(10)
                message = f"{number.name} did not end it:\n{self.log.read_text()}"
                raise AssertionError(message) from None
        return self._child.returncode


class Site:
    """One installation. ``settings`` are more ``SEKISHO_…`` values, by their name in small letters."""

    def __init__(self, folder: Path, source: str, **settings: object) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.repository = folder / "repository"
        self.allowlists = self.repository / "allowlists"
        self.images = self.repository / "images"
        self.portal, self.proxy = (f"http://127.0.0.1:{port}" for port in (free_port(), free_port()))
        self.engine: str | None = DEAD_ENGINE
        self.tokens: dict[str, str] = {}
        self._process: Process | None = None
        self.settings = {
            "data": self.data, "allowlists": self.allowlists, "images": self.images,
            "portal_port": self.portal.rpartition(":")[2], "proxy_port": self.proxy.rpartition(":")[2],
            "upstream_timeout": 20, "base_cache": folder / "bases", **settings,
        }  # fmt: skip
        self.data.mkdir(parents=True, exist_ok=True)
        self._lay(source)

    def _lay(self, source: str) -> None:
        self.allowlists.mkdir(parents=True)
        policy = yaml.safe_load((ROOT / "allowlists" / "policy.yaml").read_text())
        policy["feeds"] = {"osv": "absent"}
        (self.allowlists / "policy.yaml").write_text(yaml.safe_dump(policy, sort_keys=False))
        sources = {"sources": [{"id": "fake", "kind": "pypi", "url": f"{source}/simple/"}]}
        (self.allowlists / "sources.yaml").write_text(yaml.safe_dump(sources))
        for base in ("debian-12-python", "debian-12-build"):
            shutil.copytree(ROOT / "images" / base, self.images / base)
        self.git("init", "--quiet")
        self.commit("Begin")

    def define(self, name: str, requirements: list[str], base: dict[str, str], **more: Any) -> None:
        """Write and commit an image definition, which accepts what is Debian's."""
        why = "Debian's own, and only a test"
        accept = [{"gate": gate, "what": "deb/*", "reason": why} for gate in ("licences", "advisories")]
        accept.append({"gate": "sbom", "what": "base", "reason": "a base may be one file here"})
        target = {"python": "3.11.2", "glibc": "2.36"}
        accept += more.pop("accept", [])
        value = {"name": name, "base": base, "target": target, "accept": accept, **more}
        path = self.images / name / "image.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump({**value, "requirements": requirements}))
        self.commit(f"Define {name}")

    # git

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.repository), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        """Commit everything, as a person would; return the revision."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    # processes

    def environment(self, who: str = "") -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("SEKISHO_", "DOCKER_"))}
        mine = {f"SEKISHO_{key.upper()}": str(value) for key, value in self.settings.items() if value is not None}
        engine = {"DOCKER_HOST": self.engine} if self.engine else {}
        return {**kept, **mine, **engine, **({"SEKISHO_TOKEN": self.tokens[who]} if who else {})}

    def up(self) -> None:
        """Start all three services, and make the people's tokens the first time."""
        self._process = Process([SEKISHO, "up"], self.environment(), self.folder, "up")
        self._process.wait_for(f"{self.portal}/readyz")
        self._process.wait_for(f"{self.proxy}/readyz")
        for name, roles in PEOPLE.items():
            if name not in self.tokens:
                given = [part for role in roles for part in ("--role", role)]
                self.tokens[name] = self.ok("token", "issue", name, *given).stdout.strip()

    def down(self, number: signal.Signals = signal.SIGTERM, *, alone: bool = False) -> int:
        """End the services; return their exit status."""
        assert self._process is not None
        return self._process.end(number, alone=alone)

    def log(self) -> str:
        return (self.folder / "up.log").read_text()

    # commands

    def run(self, *arguments: str, who: str = "") -> subprocess.CompletedProcess[str]:
        """Run ``sekisho …`` as a person, or as the operator without a token."""
        return subprocess.run(
            [SEKISHO, *arguments], env=self.environment(who), cwd=self.folder, capture_output=True, text=True,
            check=False, timeout=180,
        )  # fmt: skip

    def ok(self, *arguments: str, who: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command that must succeed."""
        done = self.run(*arguments, who=who)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}{self.log()[-4000:]}"
        assert "Traceback" not in done.stderr
        return done

    def refused(self, *arguments: str, who: str = "") -> str:
        """Run a command that must fail as promised: status 1, a sentence, what to do now; return what it said."""
        done = self.run(*arguments, who=who)
        assert done.returncode == 1, f"{done.stdout}{done.stderr}{self.log()[-4000:]}"
        assert done.stderr.startswith("sekisho: ")
        assert "Traceback" not in done.stderr
        return done.stderr

    def ask(self, *names: str, who: str = "ana") -> dict[str, Any]:
        """Ask for packages without waiting; return the status."""
        asked = ("--image", names[0]) if (self.images / names[0]).is_dir() else ("--python", "3.11.2", *names)
        return json.loads(self.ok("request", *asked, "--reason", "tests", "--json", who=who).stdout)

    def status(self, request: str) -> dict[str, Any]:
        """Return a request's status, straight from the API: cheaper than a command, for looking often."""
        return self._api(f"requests/{request}")

    def newest(self) -> dict[str, Any]:
        """Return the newest request's status."""
        return self.status(self._api("requests")[0]["id"])

    def _api(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.tokens['ana']}"}
        return httpx2.get(f"{self.portal}/api/{path}", headers=headers, timeout=30, trust_env=False).json()

    def reach(self, request: str, *states: str, seconds: float = 60.0) -> dict[str, Any]:
        """Wait until a request is in one of ``states``; return its status."""

        def there() -> dict[str, Any] | None:
            status = self.status(request)
            if status["state"] in states:
                return status
            assert status["state"] != "failed", status["problem"]
            return None

        return until(there, seconds=seconds, what=f"request {request} in state {' or '.join(states)}")

    # what is true afterwards

    def policy(self) -> dict[str, Any]:
        """Return what the portal says of the policy in force."""
        return self._api("policy")

    def in_force(self, revision: str) -> None:
        """Wait until portal and proxy both follow the commit ``revision``."""

        def followed() -> bool:
            mine = self.policy()
            theirs = httpx2.get(f"{self.proxy}/api/policy", timeout=10, trust_env=False).json()
            return mine["revision"] == revision and theirs["sequence"] == mine["sequence"]

        until(followed, what=f"policy {revision[:12]} in force")

    def problem(self, revision: str) -> dict[str, str]:
        """Wait until the portal has refused the commit ``revision``; return what it says of it."""

        def told() -> dict[str, str] | None:
            problem = self.policy()["problem"]
            return problem if problem and problem["revision"] == revision else None

        return until(told, what=f"commit {revision[:12]} refused")

    def until_mended(self) -> None:
        """Wait until the portal has no problem with the newest commit."""
        until(lambda: self.policy()["problem"] is None, what="the tree mended")

    def leftovers(self) -> list[str]:
        """Return every file that is half of something."""
        found = []
        for root in (self.data, Path(str(self.settings["base_cache"]))):
            for path in root.rglob("*"):
                half = path.name.startswith(".") or path.name.endswith(".tmp") or path.parent.name == "incoming"
                layout = path.name == "blobs" and path.is_dir() and (path / "sha256").is_dir()
                partial = layout and path.parent.parent.name == "images" and not (path.parent / "index.json").is_file()
                if half or partial or (path.suffix == ".tar" and path.parent.name == "builder"):
                    found.append(str(path.relative_to(root)))
        return found

    def settled(self) -> None:
        """Nothing half-written stays, and the ledger holds. The services are running, so a write may be under way."""
        until(lambda: not self.leftovers(), seconds=10, what="an end of every write")
        assert "rows hold" in self.ok("audit", "verify").stdout


def kinds(status: dict[str, Any]) -> list[str]:
    """Return what happened to a request, in order."""
    return [row["kind"] for row in status["events"]]
