"""Runs in the container, with the standard library alone: unpack the source, call its backend (PEP 517), hand over.

Arguments: the source, the file to write the wheel into, the folder to work in, the backend, its path as JSON, and
``reversed`` to unpack in the other order, which a build must not depend on. Answers in one line, which begins with the
word that the environment gives.
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

_EARLIEST = 315532800  # 1980, before which a zip knows no time
_HOOKS = """
import importlib, json, os, re, sys
backend, path, out = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
here = os.getcwd()
sys.path[:] = [os.path.join(here, part) for part in path] + [part for part in sys.path if part not in ("", here)]
sys.argv[:] = ["setup.py"]
module, _, attributes = backend.partition(":")
found = importlib.import_module(module)
for name in filter(None, attributes.split(".")):
    found = getattr(found, name)
asks = getattr(found, "get_requires_for_build_wheel", lambda _settings=None: [])(None)
from importlib.metadata import distributions
have = {re.sub("[-_.]+", "-", one.metadata["Name"]).lower() for one in distributions()}
named = {text: re.sub("[-_.]+", "-", re.match("[A-Za-z0-9._-]+", text)[0]).lower() for text in asks if ";" not in text}
missing = sorted(text for text, name in named.items() if name not in have)
made = "" if missing else found.build_wheel(out, None, None)
with open(os.path.join(out, "answer.json"), "w") as file:
    json.dump({"missing": missing, "wheel": made}, file)
"""


def main(source: str, out: str, work: str, backend: str, path: str, order: str) -> int:
    """Build, and return the status to end with."""
    os.umask(0o022)
    root, epoch = _unpack(Path(source), Path(work) / "source", backwards=order == "reversed")
    folder = Path(work) / "made"
    folder.mkdir()
    home = Path(work) / "home"
    home.mkdir()
    word = os.environ.pop("SEKISHO_WORD")
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "HOME": str(home), "TMPDIR": str(home)}
    command = [sys.executable, "-c", _HOOKS, backend, path, str(folder)]
    done = subprocess.run(command, cwd=root, env=environment, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        return done.returncode
    answer = json.loads((folder / "answer.json").read_text())
    if answer["wheel"]:
        made = folder / Path(answer["wheel"]).name
        with made.open("rb") as wheel, open(out, "r+b") as file:  # noqa: PTH123 (it must be there already)
            shutil.copyfileobj(wheel, file, 1 << 20)
    print("\n" + word + json.dumps({**answer, "epoch": epoch}), flush=True)  # noqa: T201
    return 0


def _unpack(source: Path, target: Path, *, backwards: bool) -> tuple[Path, int]:
    """Write the files of an inspected source, all with one time: the newest of theirs; return the folder and that.

    It is unpacked as a whole first: to go back in a packed file is to read it anew from its start.
    """
    plain = target.with_suffix(".tar")
    with gzip.open(source) as packed, plain.open("xb") as file:
        shutil.copyfileobj(packed, file, 1 << 20)
    with tarfile.open(plain, "r:") as archive:
        members = [member for member in archive if member.isreg()]
        newest = max((int(member.mtime) for member in members), default=0)
        epoch = max(_EARLIEST, min(newest, 4_102_444_800))
        for member in sorted(members, key=lambda one: one.name, reverse=backwards):
            path = target / member.name
            if ".." in path.parts:
                raise ValueError(member.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            content = archive.extractfile(member)
            if content is None:
                raise ValueError(member.name)
            with path.open("xb") as file:
                shutil.copyfileobj(content, file, 1 << 20)
            path.chmod(0o755 if member.mode & 0o111 else 0o644)
            os.utime(path, (epoch, epoch))
    plain.unlink()
    for folder, _, _ in os.walk(target, topdown=False):
        os.utime(folder, (epoch, epoch))
    return next(target.iterdir()), epoch


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
