"""Prints who runs, and what they may write."""

import json
import os
import sys
import tempfile
from pathlib import Path


def writable(folder: str) -> bool:
    """Tell whether a file can be made in ``folder``."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def main(prefix: str) -> None:
    """Look at this process."""
    home = os.environ.get("HOME", "")
    answer = {
        "uid": os.getuid(),
        "home": home,
        "home_writable": bool(home) and writable(home),
        "workdir": str(Path.cwd()),
        "workdir_writable": writable("."),
        "prefix_writable": writable(prefix),
    }
    print(f"\nsekisho-answer:{os.environ['SEKISHO_WORD']}{json.dumps(answer)}")  # noqa: T201 (its way to answer)


if __name__ == "__main__":
    main(sys.argv[1])
