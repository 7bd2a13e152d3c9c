"""Where the demo keeps its things: all under build/demo, so that the clone stays clean."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from sekisho.lock import LOCK_FILE

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "sklearn"


class Place(NamedTuple):
    """The demo's folders and addresses."""

    home: Path
    portal: int = 8470
    proxy: int = 8471
    registry: int = 8472

    @property
    def tree(self) -> Path:
        """Return the git repository with copies of allowlists/ and images/."""
        return self.home / "tree"

    @property
    def logs(self) -> Path:
        """Return the folder of the services' logs."""
        return self.home / "logs"

    @property
    def report(self) -> Path:
        """Return the report's file."""
        return self.home / "report.json"

    def environment(self, zone: str, **more: str) -> dict[str, str]:
        """Return the settings of the ``open`` or the ``closed`` zone, over this process's own environment."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SEKISHO_")}
        return {
            **kept,
            "SEKISHO_DATA": str(self.home / zone),
            "SEKISHO_ALLOWLISTS": str(self.tree / "allowlists"),
            "SEKISHO_IMAGES": str(self.tree / "images"),
            "SEKISHO_PORTAL_PORT": str(self.portal),
            "SEKISHO_PROXY_PORT": str(self.proxy),
            "SEKISHO_REGISTRY": f"127.0.0.1:{self.registry}",
            **more,
        }


def sekisho() -> str:
    """Return the command of this environment."""
    return str(Path(sys.executable).with_name("sekisho"))


def _git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=Sekisho demo", "-c", "user.email=demo@sekisho.invalid", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def lay_tree(place: Place) -> str:
    """Copy what the clone has into the demo's own repository, beside the approvals there; return its revision."""
    place.tree.mkdir(parents=True, exist_ok=True)
    if not (place.tree / ".git").exists():
        _git(place.tree, "init", "--quiet")
    for name in ("policy.yaml", "sources.yaml"):
        (place.tree / "allowlists").mkdir(exist_ok=True)
        shutil.copy(ROOT / "allowlists" / name, place.tree / "allowlists" / name)
    _do_without_advisories(place.tree / "allowlists" / "policy.yaml")
    for folder in (ROOT / "images").iterdir():
        if folder.is_dir():
            own = place.tree / "images" / folder.name
            kept = shutil.ignore_patterns(LOCK_FILE) if (own / LOCK_FILE).exists() else None  # the demo wrote it anew
            shutil.copytree(folder, own, dirs_exist_ok=True, ignore=kept)
    _git(place.tree, "add", "--all")
    if _git(place.tree, "status", "--porcelain"):
        _git(place.tree, "commit", "--quiet", "-m", "Allowlists and images of the clone")
    return _git(place.tree, "rev-parse", "HEAD").strip()


def _do_without_advisories(policy: Path) -> None:
    """Say in the policy that this site has no feed: the demo imports none, and would approve nothing by rules alone."""
    text = policy.read_text()
    found = re.sub(r"(?m)^  osv: \{days: \d+\}.*$", "  osv: absent # the demo imports no advisories", text)
    if found == text:
        raise RuntimeError(f"{policy} does not say how old the feed osv may be")
    policy.write_text(found)


def run_json(environment: dict[str, str], *arguments: str, expect: int = 0) -> Any:  # noqa: ANN401 (any JSON value)
    """Run ``sekisho … --json`` and return its result; raise ``CommandError`` for an unexpected status.

    It runs in the zone's own folder, where no ``sekisho.toml`` of the user can change anything.
    """
    folder = Path(environment["SEKISHO_DATA"])
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sekisho(), *arguments, "--json"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=900,
        cwd=folder,
    )
    if done.returncode != expect:
        raise CommandError(arguments, done)
    return json.loads(done.stdout)


class CommandError(Exception):
    """A command of the demo did not end as it should."""

    def __init__(self, arguments: tuple[str, ...], done: subprocess.CompletedProcess[str]) -> None:
        try:
            error = json.loads(done.stdout)["error"]
            said = "\n".join(filter(None, (error["title"], error.get("where"), error.get("todo"))))
        except (ValueError, KeyError, TypeError):
            said = (done.stderr or done.stdout).strip()
        super().__init__(f"sekisho {' '.join(arguments)} ended with status {done.returncode}:\n{said}")
