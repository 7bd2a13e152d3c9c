"""What the images of the benchmark are made from: a lock of real wheels, the same with one package changed, torch.

The wheels are those that `make bench-policy` keeps, where it has run; else PyPI is asked once for what is missing.
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version
from pypi_simple import PyPISimple
from requests import RequestException

from bench.judging.recording import Recording, record
from bench.judging.workbench import GLIBC, kept_at, run, uv_compile
from bench.place import MeasureError
from bench.pypi import artifact_of
from sekisho.errors import UnresolvableError
from sekisho.lock import Lock, hash_pins
from sekisho.model import EVERYONE, Artifact, ImageDefinition, Request, Target, sha256_hex
from sekisho.model.tags import wheel_tags
from sekisho.store import file_sha256
from sekisho_builder.assemble.planning import Wheels
from sekisho_builder.best_wheel import best_wheel
from sekisho_builder.solver import Pin

REQUIREMENTS = ("mlflow", "pandas", "scikit-learn", "matplotlib", "seaborn", "tqdm")
"""They come with all that they need: 89 packages in November 2026."""

CHANGED = "pandas"
"""The package of which the release before takes its place: 12 MB, in a layer of its own."""

TORCH = "SEKISHO_BENCH_TORCH"
"""The variable that names torch's wheel; without it the newest one of PyPI is taken."""

TARGET = Target(python="3.11.2", glibc=GLIBC)
_SOURCE = "bench"
_ASKED = Request(requester="bench", requirements=REQUIREMENTS, target=TARGET, at=datetime(2026, 1, 1, tzinfo=UTC))


class Shelf(NamedTuple):
    """Locks, pip's wheel for those who build with pip, and where the file of each artifact is, by sha256."""

    lock: Lock
    changed: Lock
    torch: Lock
    pip: Path
    files: dict[str, Path]

    @property
    def wheels(self) -> Wheels:
        """Return what an assembly asks for its files."""
        return lambda artifact: self.files[artifact.sha256]


def definition(lock: Lock) -> ImageDefinition:
    """Return the image of a lock, on the base that ships with the project."""
    value = {
        "name": "bench",
        "base": {"debian": "debian-12-python"},
        "target": TARGET.plain(),
        "requirements": list(lock.direct),
        "accept": [
            {"gate": gate, "what": "deb/*", "reason": "the base is not what is measured"}
            for gate in ("licences", "advisories")
        ],
        "environment": {"MPLBACKEND": "Agg", "MPLCONFIGDIR": "/tmp/matplotlib", "GIT_PYTHON_REFRESH": "quiet"},  # noqa: S108
    }
    return ImageDefinition.parse(value, where="bench")


def take(cache: Path, say: Callable[[str], None]) -> Shelf:
    """Return locks and wheels; what is not kept yet is asked of PyPI."""
    recording = Recording(kept_at(cache))
    say(f"uv resolves {', '.join(REQUIREMENTS)} from what is kept in {recording.folder}")
    try:
        with PyPISimple() as pypi, tempfile.TemporaryDirectory() as scratch:
            pins = _resolve(recording.folder, Path(scratch))
            picker = _Picker(recording, pypi)
            rows = [picker.pick(project, release) for project, release in pins.items()]
            other = picker.pick(CHANGED, picker.before(CHANGED, pins[CHANGED]))
            given = os.environ.get(TORCH)
            torch = _given(Path(given)) if given else picker.pick("torch", picker.newest("torch"))
            fetched = (*rows, other, *(() if given else (torch,)))
            found = {artifact.sha256: picker.file(artifact, say) for artifact in fetched}
            pip = picker.file(picker.pick("pip", picker.newest("pip")), say)
    except (RequestException, UnresolvableError) as error:
        raise MeasureError(f"the wheels of the images cannot be had: {error}") from error
    if given:
        found[torch.sha256] = Path(given)
    changed = [other if artifact.project == CHANGED else artifact for artifact in rows]
    return Shelf(_lock(rows), _lock(changed), _lock([torch], direct=("torch",)), pip, found)


def _resolve(folder: Path, scratch: Path) -> dict[str, str]:
    wanted, pins = scratch / "image.in", scratch / "image.txt"
    wanted.write_text("\n".join(REQUIREMENTS))
    with record(folder) as index:
        run([*uv_compile(index, wanted, pins), "--generate-hashes"], scratch)
    return {pin.project: pin.release for pin in hash_pins(pins.read_text(), where=str(pins))}


class _Picker:
    """Chooses wheels from pages, and has their files."""

    def __init__(self, recording: Recording, pypi: PyPISimple) -> None:
        self._recording = recording
        self._pypi = pypi
        self._ranks = {tag: rank for rank, tag in enumerate(wheel_tags(TARGET))}

    def _rows(self, project: str) -> list[tuple[Version, dict[str, Any]]]:
        """Return the wheels of a page with their releases; those whose names are none are left out."""
        page = self._recording.page(self._pypi, project) or {"files": []}
        rows = [row for row in page["files"] if row["filename"].endswith(".whl") and not row["yanked"]]
        return [(release, row) for row in rows if (release := _release(row["filename"]))]

    def pick(self, project: str, release: str) -> Artifact:
        """Return the wheel of a release that an installer on the target takes."""
        rows = [row for found, row in self._rows(project) if found == Version(release)]
        files = [artifact_of(_SOURCE, project, release, row, {}) for row in rows]
        return best_wheel(Pin(project, release, ()), files, self._ranks, _ASKED)

    def before(self, project: str, release: str) -> str:
        """Return the release before one."""
        return str(
            max(found for found, _ in self._rows(project) if found < Version(release) and not found.is_prerelease)
        )

    def newest(self, project: str) -> str:
        """Return the newest release, of those whose file is kept where there is one."""
        rows = self._rows(project)
        here = {
            release for release, row in rows if self._recording.file(urlsplit(row["url"]).path.lstrip("/")).exists()
        }
        return str(max(here or {release for release, _ in rows if not release.is_prerelease}))

    def file(self, artifact: Artifact, say: Callable[[str], None]) -> Path:
        """Return where the file is, fetched if it is not here."""
        kept = self._recording.file(artifact.path)
        if not kept.exists():
            say(f"asking PyPI for {artifact.filename}, {artifact.size / 1e6:.0f} MB")
            for _ in self._recording.fetch(self._pypi, artifact.path):
                pass
        return kept


def _release(filename: str) -> Version | None:
    """Return the release that a wheel's name states; nothing for the oldest ones, whose names are none."""
    try:
        return parse_wheel_filename(filename)[1]
    except InvalidWheelFilename:
        return None


def _given(file: Path) -> Artifact:
    """Return a wheel of this machine as an artifact."""
    if not file.is_file():
        raise MeasureError(f"{TORCH} names {file}, and there is no such file")
    name, version, _, _ = parse_wheel_filename(file.name)
    return Artifact(
        source=_SOURCE,
        project=str(name),
        release=str(version),
        filename=file.name,
        path=file.name,
        sha256=file_sha256(file),
        size=file.stat().st_size,
    )


def _lock(artifacts: Sequence[Artifact], *, direct: tuple[str, ...] = REQUIREMENTS) -> Lock:
    return Lock(
        name="bench",
        closure=sha256_hex(b"bench"),
        workspace=EVERYONE,
        target=TARGET,
        direct=direct,
        approvals=("bench",),
        artifacts=tuple(sorted(artifacts, key=lambda artifact: artifact.project)),
    )
