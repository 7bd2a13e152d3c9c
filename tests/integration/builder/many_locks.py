"""Locks over odd little wheels and conda packages, made once; and, run as a program, their images' digests on this machine."""

import json
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from sekisho.lock import Lock
from sekisho.model import ImageDefinition
from sekisho_builder.assemble import assemble
from sekisho_builder.oci.layout import Layout
from tests.unit.builder.room import definition, tiny_base
from tests.wheels import Wheel, make_wheel

LONG = "a-name-that-needs-a-header-of-its-own/" * 4


def make_cases(folder: Path, count: int) -> None:
    """Write a base, packages, and ``count`` pairs of definition and lock into ``folder``; each third is of conda, too."""
    from tests.unit.builder.conda_room import PACKAGES, SPECS, conda_lock_of

    chance = random.Random(5)
    wheels = [_wheel(chance, number) for number in range(24)]
    tiny_base(folder / "base")
    (folder / "wheels").mkdir()
    for one in (*wheels, *PACKAGES):
        (folder / "wheels" / one.sha256).write_bytes(one.data)
    (folder / "start.sh").write_bytes(b"#!/bin/sh\nexec python\n")
    for number in range(count):
        chosen = chance.sample(wheels, chance.randint(1, 12))
        conda = SPECS if number % 3 == 2 else ()
        said = definition(requirements=(chosen[0].project,), conda=conda, **_said(chance))
        lock = conda_lock_of(
            PACKAGES if conda else (), chosen, direct=said.requirements, conda=conda, resolve_before=said.resolve_before
        )
        case = {"definition": said.plain(), "lock": lock.plain()}
        (folder / f"{number:03}.case").write_text(json.dumps(case))


def _wheel(chance: random.Random, number: int) -> Wheel:
    name = f"package-{number}"
    module = name.replace("-", "_")
    files: dict[str, bytes] = {f"{module}/__init__.py": f"x = {chance.random()}\n".encode() * chance.randint(1, 900)}
    for extra in range(chance.randint(0, 5)):
        files[f"{module}/{extra}.bin"] = chance.randbytes(chance.randint(0, 40_000))
    if chance.random() < 0.3:
        files[f"{module}/{LONG}über.txt"] = "größe".encode()
    if chance.random() < 0.3:
        files[f"{module}-1.{number}.data/scripts/{name}"] = b"#!python\nprint(1)\n"
    if chance.random() < 0.3:
        files[f"{module}-1.{number}.dist-info/entry_points.txt"] = f"[console_scripts]\n{name}x = {module}:x\n".encode()
    return make_wheel(name, f"1.{number}", files=files)


def _said(chance: random.Random) -> dict[str, Any]:
    said: dict[str, Any] = {
        "layers": chance.choice([1, 3, 16, 60]),
        "large_package": chance.choice([0, 20_000, 8_000_000]),
        "layer_size": chance.choice([150_000, 2_000_000_000]),
        "prefix": chance.choice(["/opt/venv", "/srv/envs/jobs"]),
        "resolve_before": chance.choice([None, "2026-11-01T00:00:00Z"]),
        "environment": {"B": "2", "A": "1"} if chance.random() < 0.5 else {},
        "labels": {"team": "b", "area": "a"} if chance.random() < 0.5 else {},
    }
    if chance.random() < 0.5:
        said["files"] = [{"from": "start.sh", "to": "/opt/start.sh", "mode": "0755"}]
    return said


def digests(folder: Path) -> dict[str, str]:
    """Return the manifest's digest of each case."""
    found = {}
    with tempfile.TemporaryDirectory() as place:
        for case in sorted(folder.glob("*.case")):
            told = json.loads(case.read_bytes())
            made = assemble(
                ImageDefinition.parse(told["definition"], where=case.name),
                Lock.parse(told["lock"], where=case.name),
                Layout(folder / "base" / "layout"),
                lambda artifact: folder / "wheels" / artifact.sha256,
                cache=Path(place, case.name, "cache"),
                out=Path(place, case.name, "out"),
                folder=folder,
            )
            found[case.name] = made.manifest
    return found


if __name__ == "__main__":
    os.umask(int(sys.argv[2], 8))
    if sys.argv[3] == "one":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    sys.stdout.write(json.dumps(digests(Path(sys.argv[1]))))
