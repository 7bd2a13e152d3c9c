"""Imports every top-level module of a site-packages folder, and survives those that hang, crash or exit.

Workers, one for each processor, import one after another, and share what Python compiles. When one dies or falls
silent, the module it was at is tried once more alone, and a new worker goes on. Workers alone see site-packages; this
process runs nothing of it.

Prints the names of the distributions, and of conda packages (``conda:<name>``), and {module: [distribution, error or
""]}; the error of a module that was left out is null.
"""

import contextlib
import csv
import ctypes
import io
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import distributions
from pathlib import Path

WORKER = """
import importlib, json, os, sys
answer = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
for module in sys.stdin:
    module = module.strip()
    try:
        importlib.import_module(module)
        error = ""
    except BaseException as caught:
        error = f"{type(caught).__name__}: {caught}"[:300]
    answer.write(json.dumps([module, error]) + "\\n")
"""
WORD = "SEKISHO_WORD"
CONDA = "conda:"
"""What the name of a conda package begins with in the answer; no distribution is called so."""

PR_SET_DUMPABLE = 4
DEEPEST = 3
MOST_WORKERS = 4
TESTS = {"test", "tests", "testing", "conftest", "benchmarks", "docs", "examples"}


def modules(paths: list[str]) -> list[str]:
    """Return the modules to import for a distribution, from the paths that its RECORD lists.

    A file or package at the top is one; a folder without ``__init__`` is a namespace, and its packages count instead,
    to a depth of three.
    """
    names: dict[str, bool] = {}
    files = [path.split("/") for path in paths]
    packages = {tuple(parts[:-1]) for parts in files if parts[-1].split(".")[0] == "__init__"}
    for parts in files:
        stem = stem_of(parts[-1])
        if stem is None or parts[0] == ".." or not all(part.isidentifier() for part in (*parts[:-1], stem)):
            continue
        for depth in range(1, len(parts)):
            if tuple(parts[:depth]) in packages:
                names.setdefault(".".join(parts[:depth]), True)
                break
        else:
            if len(parts) <= DEEPEST and stem != "__init__":
                names.setdefault(".".join((*parts[:-1], stem)), True)
    return sorted(names)


def is_test(module: str) -> bool:
    """Tell whether a module is a package's own tests, which may need what no image has."""
    return not TESTS.isdisjoint(module.split("."))


def stem_of(name: str) -> str | None:
    """Return a module file's name without its suffix, or nothing for any other file."""
    for suffix in (".py", *EXTENSION_SUFFIXES, ".so"):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return None


def read(line: bytes, module: str) -> tuple[str, bool]:
    """Return a worker's (error or "", whether it can be believed): code that it imported may write what it likes."""
    try:
        named, error = json.loads(line)
    except (ValueError, TypeError):
        named, error = None, None
    if named != module or not isinstance(error, str):
        return "the process answered something else than was asked", False
    return error, True


def hide() -> None:
    """Keep other processes of this user out of this one's memory and environment (prctl(2), PR_SET_DUMPABLE)."""
    if ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0):
        raise OSError("the kernel does not hide this process")


class Worker:
    """A Python that imports what it is told, one module a line. ``compiled`` is where it keeps what it compiles."""

    def __init__(self, compiled: str) -> None:
        hidden = {WORD, "PYTHONDONTWRITEBYTECODE"}
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=environment | {"PYTHONPYCACHEPREFIX": compiled},
        )  # fmt: skip
        self._read = b""

    def ask(self, module: str, seconds: float) -> tuple[str, bool]:
        """Return (error or "", whether the worker is still usable)."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            return "no pipe", False
        with contextlib.suppress(OSError):
            stdin.write(module.encode() + b"\n")
            stdin.flush()
        end = time.monotonic() + seconds
        while b"\n" not in self._read:
            if not select.select([stdout], [], [], max(0.0, end - time.monotonic()))[0]:
                return f"no end after {seconds:.0f} seconds", False
            piece = os.read(stdout.fileno(), 1 << 16)
            if not piece:
                return f"the process ended with status {self._process.wait(10)}", False
            self._read += piece
        line, _, self._read = self._read.partition(b"\n")
        return read(line, module)

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def alone(module: str, seconds: float, compiled: str) -> str:
    """Import a module in a process of its own and return the error or ""."""
    worker = Worker(compiled)
    try:
        return worker.ask(module, seconds)[0]
    finally:
        worker.stop()


def try_some(names: Iterator[str], seconds: float, compiled: str) -> dict[str, str]:
    """Import what is left of ``names`` and return {module: error or ""}; what fails gets a second chance alone."""
    found = {}
    worker = Worker(compiled)
    try:
        for name in names:
            error, usable = worker.ask(name, seconds)
            if error:
                error = alone(name, seconds, compiled)
            if not usable:
                worker.stop()
                worker = Worker(compiled)
            found[name] = error
    finally:
        worker.stop()
    return found


def try_all(names: list[str], seconds: float) -> dict[str, str]:
    """Return {module: error or ""}."""
    found: dict[str, str] = {}
    left = iter(names)  # of a list: one step of it is one step of the interpreter, whichever thread takes it
    count = max(1, min(MOST_WORKERS, len(os.sched_getaffinity(0)), len(names)))
    with tempfile.TemporaryDirectory() as compiled, ThreadPoolExecutor(count) as threads:
        for some in [threads.submit(try_some, left, seconds, compiled) for _ in range(count)]:
            found |= some.result()
    return found


def of_conda(site: str, meta: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each conda package that an environment records, and its files in site-packages, relative to it."""
    folder = Path(meta)
    inside = os.path.relpath(site, folder.parent) + "/"
    for path in sorted(folder.glob("*.json")) if meta else []:
        told = json.loads(path.read_text())
        files = [file.removeprefix(inside) for file in told["files"] if file.startswith(inside)]
        yield CONDA + told["name"], [file for file in files if ".dist-info/" not in file and ".egg-info/" not in file]


def main(site: str, seconds: float, meta: str = "") -> None:
    """Import everything in ``site``, each module within ``seconds``; ``meta`` is a conda environment's records."""
    hide()
    names: list[str] = []
    owner: dict[str, str] = {}
    for distribution in distributions(path=[site]):
        record = csv.reader(io.StringIO(distribution.read_text("RECORD") or ""))
        paths = [row[0] for row in record if row and ".dist-info/" not in row[0]]
        names.append(distribution.metadata["Name"] or "")
        for module in modules(paths):
            owner.setdefault(module, names[-1])
    for name, paths in of_conda(site, meta):
        names.append(name)
        for module in modules(paths):
            owner.setdefault(module, name)
    wanted = sorted(module for module in owner if not is_test(module))
    results: dict[str, list[str | None]] = {module: [owner[module], None] for module in owner if is_test(module)}
    results |= {module: [owner[module], error] for module, error in try_all(wanted, seconds).items()}
    answer = {"distributions": sorted(names), "modules": results}
    print(f"\nsekisho-answer:{os.environ[WORD]}{json.dumps(answer)}")  # noqa: T201 (its way to answer)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), *sys.argv[3:])
