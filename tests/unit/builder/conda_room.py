"""What tests of conda images share: packages of a tiny environment, and a house that assembles them with wheels."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sekisho.lock import Lock
from sekisho.model import spec_name
from sekisho_builder.assemble import Assembled, assemble
from tests.channels.packages import PLACEHOLDER, Link, Package, make_package
from tests.unit.builder.room import House, definition, lock_of
from tests.wheels import Wheel

PREFIX = "opt/env"
SITE = f"{PREFIX}/lib/python3.11/site-packages"
HOME = f"/{PREFIX}"
SCRIPT = f"#!{PLACEHOLDER}/bin/python\nprint('{PLACEHOLDER}/share')\n".encode()
BINARY = b"\x7fELF" + b"\0" * 600 + PLACEHOLDER.encode() + b"/lib:" + PLACEHOLDER.encode() + b"/lib64\0after\0"

PYTHON = make_package(
    "python",
    "3.11.2",
    build="h1_0",
    subdir="linux-64",
    license="Python-2.0",
    files={
        "bin/python3.11": BINARY,
        "bin/python": Link("python3.11"),
        "lib/python3.11/os.py": b"name = 'posix'\n",
        "lib/python3.11/__pycache__/os.cpython-311.pyc": b"bytecode",
    },
    binary=frozenset({"bin/python3.11"}),
)
TOOL = make_package(
    "tool",
    "0.3",
    build="h2_0",
    subdir="linux-64",
    ending=".tar.bz2",
    files={"bin/tool": SCRIPT, "share/tool/data.txt": b"data\n", "lib/libtool.so": Link("libtool.so.1"),
           "lib/libtool.so.1": b"\x7fELF library"},
)  # fmt: skip
LIBRARY = make_package(
    "library",
    "2.0",
    build="pyhd_0",
    noarch="python",
    files={
        "site-packages/library/__init__.py": b"def main():\n    print('hello')\n",
        "site-packages/library-2.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: library\nVersion: 2.0\n",
        "python-scripts/library-script": SCRIPT,
        "share/library.txt": b"shared\n",
    },
    entry_points=("library-hello = library:main",),
)
PACKAGES = (PYTHON, TOOL, LIBRARY)
SPECS = ("python", "library >=2")


def conda_lock_of(packages: Iterable[Package], wheels: Iterable[Wheel] = (), **more: Any) -> Lock:
    wheels = tuple(wheels)
    artifacts = tuple(sorted((package.artifact() for package in packages), key=lambda artifact: artifact.project))
    lock = lock_of(wheels, **({"direct": tuple(wheel.project for wheel in wheels), "conda": SPECS} | more))
    return lock.model_copy(update={"artifacts": (*lock.artifacts, *artifacts)})


class CondaHouse(House):
    """A folder in which conda packages, and wheels with them, are assembled."""

    def lay(
        self, *packages: Package, wheels: Iterable[Wheel] = (), out: str = "out", cache: str = "cache", **more: Any
    ) -> Assembled:
        """Assemble; ``conda`` are the specs of all that is given, unless they are named."""
        wheels = tuple(wheels)
        for one in (*packages, *wheels):
            self.put(one.sha256, one.data)
        specs = tuple(more.pop("conda", [spec for spec in SPECS if any(p.name == spec_name(spec) for p in packages)]))
        values = {"prefix": HOME, "requirements": tuple(w.project for w in wheels), "conda": specs} | more
        asked = definition(**values)
        lock = conda_lock_of(packages, wheels, conda=specs, resolve_before=asked.resolve_before)

        def fetch(artifact):
            self.asked.append(artifact.project)
            return self.folder / "shelf" / artifact.sha256

        return assemble(
            asked, lock, self.base, fetch, cache=self.folder / cache, out=self.folder / out, folder=self.source
        )

    def put(self, sha256: str, data: bytes) -> Path:
        path = self.folder / "shelf" / sha256
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return path

    def texts(self, out: str = "out") -> Mapping[str, bytes]:
        """Return the files of the environment by their path in it."""
        found = self.files(out)
        return {
            path.removeprefix(f"{PREFIX}/"): data
            for path, (info, data) in found.items()
            if path.startswith(f"{PREFIX}/") and info.isfile()
        }

    def record(self, package: Package, out: str = "out") -> dict[str, Any]:
        """Return what ``conda-meta/`` says of a package."""
        return json.loads(self.texts(out)[f"conda-meta/{package.stem}.json"])
