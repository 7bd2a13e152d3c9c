"""Prints what is installed, and on what: read from the files, so that no package's code runs."""

import json
import os
import sys
from importlib.metadata import distributions
from pathlib import Path


def main(site: str) -> None:
    """Look at one site-packages folder, and at this interpreter."""
    found = [(d.metadata["Name"] or "", d.version or "", (d.read_text("INSTALLER") or "").strip())
             for d in distributions(path=[site])]  # fmt: skip
    answer = {
        "installed": found,
        "python": sys.version.partition(" ")[0],
        "libc": (os.confstr("CS_GNU_LIBC_VERSION") or "").rpartition(" ")[2],
        "shell": Path("/bin/sh").exists(),
    }
    print(f"\nsekisho-answer:{os.environ['SEKISHO_WORD']}{json.dumps(answer)}")  # noqa: T201 (its way to answer)


if __name__ == "__main__":
    main(sys.argv[1])
