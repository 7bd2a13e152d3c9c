"""What a door still shows once something that much else needs is gone, and whether uv resolves each of it."""

import subprocess
import tempfile
import time
from pathlib import Path

import httpx2

from bench.judging import workbench
from bench.judging.site import Site
from bench.peers import JSON
from bench.place import MeasureError, bare_environment
from bench.rows import Row

_REVOKED = "scipy"
_PATIENCE = 30.0


def measure_visible(site: Site, folder: Path) -> list[Row]:
    """Revoke one package of the approved workbench; have uv resolve every release that the door shows then."""
    with httpx2.Client(trust_env=False, headers={"accept": JSON}, timeout=60) as client:
        before = len(_projects(client, site.door))
        site.approver.revoke(_REVOKED, reason="to see what else goes")
        end = time.monotonic() + _PATIENCE
        while _REVOKED in (shown := _projects(client, site.door)):
            if time.monotonic() > end:
                raise MeasureError(f"{_REVOKED} was revoked, and the door still shows it")
            time.sleep(0.1)
        pins = [f"{name}=={release}" for name in shown for release in _releases(client, site.door, name)]
    failed = [pin for pin in pins if not _resolves(site.door, pin, folder)]
    note = f"{_REVOKED} revoked: {len(shown)} of {before} projects are shown, {len(pins)} releases"
    told = f"; {', '.join(failed[:5])}" if failed else ""
    return [Row("releases that are shown and do not install", len(failed), "", 0, "lower", note=note + told)]


def _projects(client: httpx2.Client, door: str) -> list[str]:
    answer = client.get(door)
    answer.raise_for_status()
    return [row["name"] for row in answer.json()["projects"]]


def _releases(client: httpx2.Client, door: str, project: str) -> list[str]:
    answer = client.get(f"{door}{project}/")
    answer.raise_for_status()
    return list(answer.json()["versions"])


def _resolves(door: str, pin: str, folder: Path) -> bool:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        wanted = Path(scratch) / "one.in"
        wanted.write_text(pin)
        command = workbench.uv_compile(door, wanted, Path(scratch) / "one.txt")
        done = subprocess.run(
            command, capture_output=True, check=False, timeout=120, env=bare_environment(Path(scratch))
        )
    return done.returncode == 0
