"""What PyPI had when it was asked once: the pages of a small set of projects, and the files that the set resolves to.

It is kept in the user's cache, so that every later run measures against the same, and asks PyPI for nothing of it.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from packaging.utils import parse_wheel_filename
from pypi_simple import ACCEPT_JSON_ONLY, PyPISimple
from requests import RequestException

from bench.place import BIN, MeasureError
from sekisho.model import Artifact

REQUIREMENTS = ("scikit-learn", "pandas", "fastapi")
_FORM = 1
"""Counts the changes of what is kept."""


class Wheel(NamedTuple):
    """A file of the set."""

    project: str
    release: str
    file: Path
    row: dict[str, Any]
    metadata: bytes

    @property
    def path(self) -> str:
        """Return where PyPI's file host keeps it."""
        return urlsplit(str(self.row["url"])).path.lstrip("/")

    def artifact(self, source: str) -> Artifact:
        """Return the file as an approval names it."""
        index = {"core-metadata": hashlib.sha256(self.metadata).hexdigest()}
        return artifact_of(source, self.project, self.release, self.row, index)


class Taken(NamedTuple):
    """Pages (JSON, as they came) by project, and the files of the set."""

    pages: dict[str, dict[str, Any]]
    wheels: tuple[Wheel, ...]


def artifact_of(source: str, project: str, release: str, row: dict[str, Any], index: dict[str, str]) -> Artifact:
    """Return a row of a page as the artifact that an approval names."""
    required = row.get("requires-python")
    return Artifact(
        source=source,
        project=project,
        release=release,
        filename=row["filename"],
        path=urlsplit(row["url"]).path.lstrip("/"),
        sha256=row["hashes"]["sha256"],
        size=row["size"],
        uploaded=datetime.fromisoformat(row["upload-time"]),
        index={**index, **({"requires-python": required} if required else {})},
    )


def take(cache: Path, say: Callable[[str], None], wanted: Sequence[str] = REQUIREMENTS) -> Taken:
    """Return what is kept, or ask PyPI once, with pip for files and pypi-simple for pages, one after the other."""
    key = f"{_FORM}-python{sys.version_info[0]}.{sys.version_info[1]}-{'-'.join(wanted)}"
    folder = cache / key
    if not folder.is_dir():
        say(f"asking PyPI once for {', '.join(wanted)} and what they need; it is kept in {cache}")
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            half = Path(scratch) / key
            _ask(half, say, wanted)
            shutil.move(half, folder)
    return _read(folder)


def _ask(folder: Path, say: Callable[[str], None], wanted: Sequence[str]) -> None:
    files = folder / "files"
    files.mkdir(parents=True)
    command = [str(BIN / "pip"), "download", "--quiet", "--only-binary=:all:", "--dest", str(files), *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=400, env=dict(os.environ))
    if done.returncode:
        raise MeasureError(f"PyPI cannot be asked for the set: {done.stderr.strip()[-300:]}")
    pages = folder / "pages"
    pages.mkdir()
    try:
        with PyPISimple() as pypi:
            for project in sorted(_project(file)[0] for file in files.iterdir()):
                say(f"asking PyPI for the page of {project}")
                answer = pypi.s.get(pypi.get_project_url(project), headers={"accept": ACCEPT_JSON_ONLY}, timeout=60)
                answer.raise_for_status()
                (pages / f"{project}.json").write_bytes(answer.content)
    except RequestException as error:
        raise MeasureError(f"PyPI cannot be asked for a page: {error}") from error


def _read(folder: Path) -> Taken:
    pages = {file.stem: json.loads(file.read_bytes()) for file in sorted((folder / "pages").iterdir())}
    wheels = []
    for file in sorted((folder / "files").iterdir()):
        project, release = _project(file)
        row = next((row for row in pages[project]["files"] if row["filename"] == file.name), None)
        if row is None:
            raise MeasureError(f"{file.name} is not on its page; remove {folder} and run again")
        wheels.append(Wheel(project, release, file, row, _metadata(file)))
    return Taken(pages, tuple(wheels))


def _project(file: Path) -> tuple[str, str]:
    name, version, _, _ = parse_wheel_filename(unquote(file.name))
    return str(name), str(version)


def _metadata(file: Path) -> bytes:
    with zipfile.ZipFile(file) as archive:
        name = next(
            name for name in archive.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1
        )
        return archive.read(name)
