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
        before = _shown(client, site.door, revoked=False)
        site.approver.revoke(_REVOKED, reason="to see what else goes")
        shown = _shown(client, site.door, revoked=True)
        pins = [f"{name}=={release}" for name in shown for release in _releases(client, site.door, name)]
    failed = [pin for pin in pins if not _resolves(site.door, pin, folder)]
    note = f"{_REVOKED} revoked: {len(shown)} of {len(before)} projects are shown, {len(pins)} releases"
    told = f"; {', '.join(failed[:5])}" if failed else ""
    return [Row("releases that are shown and do not install", len(failed), "", 0, "lower", note=note + told)]


def _shown(client: httpx2.Client, door: str, *, revoked: bool) -> list[str]:
    """Return the projects that the door shows, once it follows."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        answer = client.get(door)
        answer.raise_for_status()
        names = [row["name"] for row in answer.json()["projects"]]
        if (_REVOKED in names) is not revoked:
            return names
        time.sleep(0.1)
    raise MeasureError(f"the door does not follow: {_REVOKED} was {'revoked' if revoked else 'approved'}")


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
