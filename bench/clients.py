"""The clients: pip and uv as people run them, and curl for single files."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin

import httpx2

from bench.peers import JSON, Peer
from bench.place import BIN, MeasureError, bare_environment
from bench.processes import timed
from bench.pypi import REQUIREMENTS, Wheel


class Fetched(NamedTuple):
    """What curl says of one file: status, bytes, and bytes a second."""

    status: int
    size: int
    speed: float


def uv_compile(index: str | None, folder: Path) -> float:
    """Return how many seconds uv needs to resolve the set, with no cache; ``None`` is PyPI as this machine knows it."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        wanted = Path(scratch) / "set.in"
        wanted.write_text("\n".join(REQUIREMENTS))
        command = [str(BIN / "uv"), "pip", "compile", "--quiet", "--no-cache", "--python", str(BIN / "python")]
        return _run(
            [*command, *_at(index), "--output-file", str(Path(scratch) / "set.txt"), str(wanted)], index, folder
        )


def pip_download(index: str | None, folder: Path) -> float:
    """Return how many seconds pip needs to resolve and download the set, with no cache."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = [str(BIN / "pip"), "download", "--quiet", "--no-cache-dir", "--disable-pip-version-check"]
        return _run([*command, *_at(index), "--dest", scratch, *REQUIREMENTS], index, folder)


def _at(index: str | None) -> list[str]:
    return ["--index-url", index] if index else []


def _run(command: list[str], index: str | None, folder: Path) -> float:
    environment = bare_environment(folder) if index else dict(os.environ)
    done: list[subprocess.CompletedProcess[str]] = []
    seconds = timed(
        lambda: done.append(
            subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, env=environment)
        )
    )
    if done[0].returncode:
        name = Path(command[0]).name
        raise MeasureError(f"{name} failed at {index or 'PyPI'}: {done[0].stderr.strip()[-400:]}")
    return seconds


def file_url(peer: Peer, wheel: Wheel) -> str:
    """Return where a server's own page says that a file is."""
    answer = httpx2.get(peer.page(wheel.project), headers={"accept": JSON}, trust_env=False, timeout=120)
    answer.raise_for_status()
    row = next(row for row in answer.json()["files"] if row["filename"] == wheel.row["filename"])
    return str(urljoin(str(answer.url), row["url"])).partition("#")[0]


def check_page(url: str, wanted: set[str]) -> None:
    """Raise ``MeasureError`` unless a page is JSON and has every file that it should; ours may explain some more."""
    answer = httpx2.get(url, headers={"accept": JSON, "accept-encoding": "gzip"}, trust_env=False, timeout=120)
    if answer.status_code != 200 or answer.headers["content-type"].partition(";")[0] != JSON:
        raise MeasureError(f"{url} answers {answer.status_code} {answer.headers.get('content-type')}")
    missing = wanted - {row["filename"] for row in answer.json()["files"]}
    if missing:
        raise MeasureError(f"{url} lacks {len(missing)} of {len(wanted)} files, as {min(missing)}")


def fetch(url: str, *, times: int = 1) -> list[Fetched]:
    """Fetch a file to nowhere with curl, ``times`` at once, over as many connections."""
    tool = shutil.which("curl")
    if not tool:
        raise MeasureError("curl is not installed; run `sh deploy/setup.sh bench`")
    command = [tool, "--silent", "--show-error", "--location", "--noproxy", "*", "--max-time", "120"]
    if times > 1:
        command += ["--parallel", "--parallel-immediate", "--parallel-max", str(times)]
    command += ["--write-out", "%{http_code} %{size_download} %{speed_download}\\n"]
    command += ["--output", os.devnull, url] * times
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=150)
    found = [Fetched(int(row[0]), int(row[1]), float(row[2])) for row in map(str.split, done.stdout.splitlines())]
    if len(found) != times:
        raise MeasureError(f"curl failed at {url}: {done.stderr.strip()[-300:]}")
    return found
