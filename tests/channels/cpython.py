"""A real CPython of this machine as a conda package: its programs and its standard library, without what tests do not need.

Two traps. A linker shares strings, so that a version can be the tail of the prefix's path: no binary prefix is declared.
And libpython is found by an rpath beside the program, which patchelf sets.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from tests.channels.packages import Link, Member, Package, make_package

RECIPE = 3
"""Counted up when what is below makes other bytes."""

KEPT = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "sekisho" / "channels"

LEFT_OUT = {
    "site-packages",
    "dist-packages",
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "turtledemo",
    "ensurepip",
    "__pycache__",
    "lib2to3",
    "pydoc_data",
}

_ASK = """
import json, platform, site, sys, sysconfig
print(json.dumps({"version": platform.python_version(), "prefix": sys.base_prefix, "program": sys.executable,
  "stdlib": sysconfig.get_path("stdlib"), "libdir": sysconfig.get_config_var("LIBDIR"),
  "libpython": sysconfig.get_config_var("INSTSONAME") if sysconfig.get_config_var("Py_ENABLE_SHARED") else "",
  "usual": any(p.endswith("site-packages") for p in site.getsitepackages([sys.base_prefix]))}))
"""

_SITE = """import os, site, sys
site.addsitedir(os.path.join(sys.prefix, "lib", "python%d.%d" % sys.version_info[:2], "site-packages"))
"""


@cache
def python_package(program: str = "") -> Package:
    """Return the package ``python`` of ``program`` (or of the Python that runs this); made once on a machine."""
    told = _told(
        program or str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")
    )
    stamp = Path(told["program"]).resolve().stat()
    key = hashlib.sha256(json.dumps([RECIPE, told, stamp.st_size, stamp.st_mtime_ns]).encode()).hexdigest()[:20]
    kept = KEPT / f"python-{told['version']}-{key}.conda"
    package = make_package(
        "python",
        told["version"],
        build="0_cpython",
        subdir="linux-64",
        depends=("__glibc >=2.17",),
        constrains=("python_abi 0.0",),
        license="Python-2.0",
        placeholder=told["prefix"],
    )
    if not kept.is_file():
        files, executable = _files(told)
        made = package.but(files=files, executable=executable, no_prefix=_no_prefix(told, files), level=6)
        keep(kept, made.data)
    return package.but(files={}, spoilt=kept.read_bytes())


def _told(program: str) -> dict[str, str]:
    bare = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    resolved = str(Path(program).resolve())
    return json.loads(subprocess.run([resolved, "-Ic", _ASK], capture_output=True, check=True, env=bare).stdout)


def _no_prefix(told: dict[str, str], files: dict[str, Member]) -> frozenset[str]:
    """Return what may hold the prefix and does not say so: binaries, and everything where the prefix is a plain word."""
    short = told["prefix"].count("/") < 2
    return frozenset(path for path, data in files.items() if isinstance(data, bytes) and (short or b"\0" in data))


def _files(told: dict[str, str]) -> tuple[dict[str, Member], frozenset[str]]:
    minor = told["version"].rpartition(".")[0]
    program = Path(told["program"]).resolve()
    files: dict[str, Member] = {
        f"bin/python{minor}": _beside_libraries(program),
        "bin/python3": Link(f"python{minor}"),
        "bin/python": Link(f"python{minor}"),
    }
    if told["libpython"]:
        files[f"lib/{told['libpython']}"] = (Path(told["libdir"]) / told["libpython"]).resolve().read_bytes()
        files[f"lib/{told['libpython'].removesuffix('.1.0')}"] = Link(told["libpython"])
    executable = set()
    stdlib = Path(told["stdlib"])
    for path in sorted(stdlib.rglob("*")):
        parts = path.relative_to(stdlib).parts
        if not path.is_file() or LEFT_OUT & set(parts) or parts[0].startswith("config-"):
            continue
        inside = f"lib/python{minor}/{'/'.join(parts)}"
        files[inside] = path.read_bytes()
        if os.access(path, os.X_OK):
            executable.add(inside)
    if not told["usual"]:
        files[f"lib/python{minor}/sitecustomize.py"] = _SITE.encode()
    files[f"lib/python{minor}/site-packages/README.txt"] = b"site-packages\n"
    return files, frozenset(executable)


def _beside_libraries(program: Path) -> bytes:
    """Return the program's bytes, changed to look for its libraries in ``../lib``."""
    patchelf = shutil.which("patchelf") or str(Path(sys.executable).parent / "patchelf")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "python"
        shutil.copy(program, copy)
        subprocess.run([patchelf, "--set-rpath", "$ORIGIN/../lib", copy], check=True, capture_output=True)
        return copy.read_bytes()


def keep(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    Path(file.name).replace(path)
