"""A channel of real software: what PyPI has for some requirements, and what that needs, each wheel as a conda package.

uv resolves and pip fetches, once on a machine: what was there before a day is the same on each later one.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import uv
from packaging.utils import canonicalize_name

from tests.channels.cpython import KEPT, keep, python_package
from tests.channels.distributions import installed
from tests.channels.packages import Package
from tests.channels.wheels import WheelFile, repacked

SKLEARN = ("scikit-learn", "pandas", "pyarrow", "matplotlib", "mlflow")
"""Projects whose wheels are what ``images/sklearn-conda`` asks a channel for."""

BOUNDED = ("mlflow<=3.15.0", "python-dateutil<3", "pytz<=2025.2")
"""What it asks for is older than the newest, so that the channel has both."""

BEFORE = "2026-11-01T00:00:00Z"
"""What its definition says."""


def of_sklearn() -> tuple[Package, ...]:
    """Return what ``images/sklearn-conda`` needs, and newer packages of what it bounds."""
    both = (*packages_of(SKLEARN, before=BEFORE), *packages_of((*SKLEARN, *BOUNDED), before=BEFORE), installed("pip"))
    return tuple({package.path: package for package in both}.values())


def packages_of(requirements: Sequence[str], *, before: str) -> tuple[Package, ...]:
    """Return packages of ``requirements`` and of all that they need, as of a moment, with this Python beneath them.

    Raises ``CalledProcessError`` where PyPI cannot be reached and the wheels are not kept.
    """
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    wheels = wheels_of(requirements, before=before)
    extras: dict[str, frozenset[str]] = {}
    while (found := _extras(wheels, extras)) != extras:
        extras = found
    return (python_package(), *(repacked(wheel, minor, extras.get(wheel.project, frozenset())) for wheel in wheels))


def wheels_of(requirements: Sequence[str], *, before: str) -> tuple[WheelFile, ...]:
    """Return the wheels of ``requirements`` and of all that they need, sorted by name."""
    key = hashlib.sha256(json.dumps([sorted(requirements), before, sys.version]).encode()).hexdigest()[:20]
    folder = KEPT / "wheels" / key
    listed = folder / "sha256.json"
    if not listed.is_file():
        pins = _resolved(requirements, before)
        with tempfile.TemporaryDirectory() as scratch:
            (Path(scratch) / "pins.txt").write_text(pins)
            _run(
                [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                 "--only-binary", ":all:", "--require-hashes", "--dest", str(folder), "-r", f"{scratch}/pins.txt"]
            )  # fmt: skip
        rows = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.whl"))}
        keep(listed, json.dumps(rows, indent=1).encode())
    return tuple(WheelFile(folder / name, sha256) for name, sha256 in json.loads(listed.read_text()).items())


def _resolved(requirements: Sequence[str], before: str) -> str:
    """Return pins with hashes."""
    command = [
        uv.find_uv_bin(), "pip", "compile", "-", "--generate-hashes", "--no-header", "--no-annotate", "--no-config",
        "--only-binary", ":all:", "--python", sys.executable, "--exclude-newer", before,
    ]  # fmt: skip
    return _run(command, given="\n".join(requirements))


def _run(command: Sequence[str], *, given: str = "") -> str:
    bare = {key: value for key, value in os.environ.items() if not key.startswith("UV_")}
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, env=bare)
    if done.returncode:
        sys.stderr.write(done.stderr[-2000:])
    done.check_returncode()
    return done.stdout


def _extras(wheels: Iterable[WheelFile], known: dict[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Return which extras the wheels ask of each other; a channel has none, so that its packages always have them."""
    found: dict[str, frozenset[str]] = {}
    for wheel in wheels:
        for wanted in wheel.needs(known.get(wheel.project, frozenset())):
            if wanted.extras:
                name = str(canonicalize_name(wanted.name))
                found[name] = found.get(name, frozenset()) | wanted.extras
    return found
