"""Puts an unpacked environment's own path where its files still hold placeholders; it runs inside of an archive.

It needs nothing but the environment's Python. A file is replaced whole or not at all, and the list of what is to be
done goes last, so that it can be killed and run again.
"""

import json
import sys
from pathlib import Path

from sekisho_builder.assemble.conda_prefix import Placeholder, replaced

LIST = "placeholders.json"
DONE = "unpacked.json"
_STEP = 1 << 18


def unpack(prefix: Path, here: Path) -> int:
    """Replace what ``here``'s list names; return the number of files. Raises ``SystemExit`` with what to do now."""
    if (here / DONE).exists():
        before = json.loads((here / DONE).read_text())["prefix"]
        if before == str(prefix):
            return 0
        sys.exit(f"this environment was unpacked at {before} and then moved; unpack the archive anew where it is to be")
    if " " in str(prefix):
        sys.exit(f"{prefix}: no script can name a place with a space; unpack the archive anew elsewhere")
    rows = json.loads((here / LIST).read_text())
    for path, text, mode in rows:
        try:
            _replace(prefix / path, Placeholder(text, mode), str(prefix))
        except ValueError as error:
            sys.exit(f"{prefix / path}: {error}; unpack the archive anew at a shorter path")
    (here / f".{DONE}").write_text(json.dumps({"prefix": str(prefix)}))
    (here / f".{DONE}").replace(here / DONE)
    (here / LIST).unlink()
    return len(rows)


def _replace(path: Path, placeholder: Placeholder, prefix: str) -> None:
    half = path.with_name(f".{path.name}.half")
    try:
        with path.open("rb") as old, half.open("wb") as new:
            for piece in replaced(iter(lambda: old.read(_STEP), b""), placeholder, prefix):
                new.write(piece)
        half.chmod(path.stat().st_mode & 0o7777)
        half.replace(path)
    finally:
        if half.exists():
            half.unlink()


if __name__ == "__main__":
    folder = Path(__file__).resolve().parent
    home = folder.parents[1]
    count = unpack(home, folder)
    sys.stdout.write(f"{home}: {count} files name it now\n" if count else f"{home}: there was nothing left to do\n")
