"""Prints what is installed, and on what: read from the files, so that no package's code runs.

Of a conda environment that is what its ``conda-meta`` folder records, too, and which Python projects came with those
packages.
"""

import json
import os
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any


def conda_packages(meta: Path) -> list[dict[str, Any]]:
    """Return what a folder records of conda packages; nothing where there is no such folder."""
    return [json.loads(path.read_text()) for path in sorted(meta.glob("*.json"))]


def told_by(distribution: Distribution) -> str:
    """Return the path of the file that a distribution's name and version are read from."""
    folder = getattr(distribution, "_path", Path())  # there is no public name for it
    return str(folder if folder.is_file() else folder / ("METADATA" if folder.suffix == ".dist-info" else "PKG-INFO"))


def main(site: str, meta: str = "") -> None:
    """Look at one site-packages folder, at the records of conda packages if there are any, and at this interpreter."""
    packages = conda_packages(Path(meta)) if meta else []
    prefix = Path(meta).parent
    theirs = {str(prefix / path): package["name"] for package in packages for path in package["files"]}
    found, brought = [], {}
    for distribution in distributions(path=[site]):
        name = distribution.metadata["Name"] or ""
        owner = theirs.get(told_by(distribution))
        if owner is None:
            found.append((name, distribution.version or "", (distribution.read_text("INSTALLER") or "").strip()))
        elif name in brought:
            found.append((name, distribution.version or "", owner))  # a second one of that name, from wherever
        else:
            brought[name] = owner
    answer = {
        "installed": found,
        "conda": [(package["name"], package["version"], package["build"]) for package in packages],
        "brought": brought,
        "python": sys.version.partition(" ")[0],
        "libc": (os.confstr("CS_GNU_LIBC_VERSION") or "").rpartition(" ")[2],
        "shell": Path("/bin/sh").exists(),
    }
    print(f"\nsekisho-answer:{os.environ['SEKISHO_WORD']}{json.dumps(answer)}")  # noqa: T201 (its way to answer)


if __name__ == "__main__":
    main(*sys.argv[1:3])
