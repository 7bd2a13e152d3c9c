"""The workbench: what a person who trains models asks for at once, and all that it needs, as PyPI had it once."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.judging.recording import Recording, record
from bench.place import BIN, MeasureError, bare_environment

WORKBENCH = (
    "pandas", "scikit-learn", "matplotlib", "seaborn", "jupyterlab", "mlflow", "azure-ai-ml", "transformers[torch]",
    "datasets",
)  # fmt: skip
GLIBC = "2.36"
_FORM = 1
"""Counts the changes of what is kept."""

_PATIENCE = 3600


def kept_at(cache: Path) -> Path:
    """Return the folder of what is kept, whether it is there or not."""
    return cache / f"{_FORM}-python{sys.version_info[0]}.{sys.version_info[1]}-workbench"


def take(cache: Path, say: Callable[[str], None]) -> Recording:
    """Return what is kept, or ask PyPI once: uv resolves, pip resolves and downloads; it is several gigabytes."""
    folder = kept_at(cache)
    if not folder.is_dir():
        say(f"asking PyPI once for {', '.join(WORKBENCH)} and what they need; it is kept in {cache}")
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            half = Path(scratch) / "half"
            _record(half, Path(scratch), say)
            shutil.move(half, folder)
    return Recording(folder)


def _record(half: Path, scratch: Path, say: Callable[[str], None]) -> None:
    wanted, pins = scratch / "workbench.in", scratch / "workbench.txt"
    wanted.write_text("\n".join(WORKBENCH))
    with record(half) as index:
        say("uv resolves the workbench")
        run(uv_compile(index, wanted, pins), scratch)
        say("pip fetches what uv chose")
        run([*pip_download(index, scratch / "uv"), "--no-deps", "--requirement", str(pins)], scratch)
        shutil.rmtree(scratch / "uv")
        say("pip resolves the workbench, and fetches what it chose")
        run([*pip_download(index, scratch / "pip"), "--requirement", str(wanted)], scratch)
        shutil.rmtree(scratch / "pip")


def uv_compile(index: str, wanted: Path, pins: Path) -> list[str]:
    """Return the command by which uv resolves for the target that our requests have."""
    return [
        str(BIN / "uv"), "pip", "compile", "--quiet", "--no-cache", "--index-url", index, "--only-binary", ":all:",
        "--python", str(BIN / "python"), "--python-platform", f"x86_64-manylinux_{GLIBC.replace('.', '_')}",
        "--output-file", str(pins), "--no-header", str(wanted),
    ]  # fmt: skip


def pip_download(index: str | None, folder: Path) -> list[str]:
    """Return the command by which pip downloads into ``folder``; ``None`` is PyPI as this machine knows it."""
    return [
        str(BIN / "pip"), "download", "--quiet", "--no-cache-dir", "--disable-pip-version-check", "--no-input",
        "--only-binary=:all:", *(["--index-url", index] if index else []), "--dest", str(folder),
    ]  # fmt: skip


def python_version() -> str:
    """Return the full version of the Python that pip downloads for: this one."""
    return ".".join(map(str, sys.version_info[:3]))


def run(command: list[str], folder: Path | None) -> None:
    """Run a client; with a ``folder`` for its home it knows no other index. Raise ``MeasureError`` if it fails."""
    environment = bare_environment(folder) if folder else dict(os.environ)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE, env=environment)
    if done.returncode:
        raise MeasureError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-600:]}")
