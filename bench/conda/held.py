"""Figures of "which locks hold package X": a portal's index over many locks, laid down in its own tables."""

import random
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

from bench.processes import timed
from bench.rows import Row
from sekisho.advisories import AdvisoryIndex
from sekisho.database import open_database
from sekisho.ledger import Ledger
from sekisho.lock import Lock
from sekisho.model import Artifact, Target, sha256_hex
from sekisho_portal.held import find_held, read_sought
from sekisho_portal.lock_index import LockIndex

_PROJECTS, _RELEASES, _PACKAGES = 1000, 5, 100
_TIMES = 30
_SOUGHT = ("package-7", "package-7==3.0", "package-0", sha256_hex(b"package-9 2.0"))
"""A usual package, one release of it, one that every lock holds, one file."""

_TARGET = Target(python="3.11.2", glibc="2.36")


def measure(folder: Path, locks: int) -> list[Row]:
    """Record many locks in a real ledger, let the index read them, and ask it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    engine = open_database(f"sqlite:///{folder / 'portal.sqlite'}")
    ledger = Ledger(engine)
    for number, lock in enumerate(_locks(locks)):
        ledger.append("locked", f"r{number}", actor="bench", body={"lock": lock.plain()})
    index = LockIndex(engine, ledger)
    reading = timed(index.follow)
    none = AdvisoryIndex((), {}, {}, covers=frozenset(), feeds={})
    slowest = 0.0
    for what in _SOUGHT:
        ask = partial(find_held, index, none, read_sought(what), lambda _: (), workspace=None, limit=1000)
        slowest = max(slowest, median(timed(ask) for _ in range(_TIMES)))
    engine.dispose()
    name = f'"which locks hold package X", {locks:,} locks: slowest of {len(_SOUGHT)} questions'
    note = f"median of {_TIMES}; a new lock is taken up in {1000 * reading / locks:.1f} ms"
    return [Row(name, 1000 * slowest, "ms", 100, "lower", note=note)]


def _locks(count: int) -> Iterator[Lock]:
    chance = random.Random(5)  # noqa: S311 (the same every time)
    files = [_file(f"package-{number}", f"{release}.0") for number in range(_PROJECTS) for release in range(_RELEASES)]
    for number in range(count):
        chosen = chance.sample(range(1, _PROJECTS), _PACKAGES - 1)
        held = (files[0], *(files[one * _RELEASES + chance.randrange(_RELEASES)] for one in chosen))
        yield Lock(
            name=f"lock-{number}", closure="0" * 64, workspace=f"team-{number % 20}", target=_TARGET, direct=(),
            approvals=(), artifacts=held,
        )  # fmt: skip


def _file(project: str, release: str) -> Artifact:
    filename = f"{project.replace('-', '_')}-{release}-py3-none-any.whl"
    return Artifact(
        source="bench", project=project, release=release, filename=filename, path=f"packages/{filename}",
        sha256=sha256_hex(f"{project} {release}".encode()), size=1000,
    )  # fmt: skip
