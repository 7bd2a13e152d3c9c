"""conda-lock as it is, but for two things that it takes for granted of a public index.

Its list of platform tags of wheels (PEP 600) ends at glibc 2.28 and leaves out most of what comes before, so a wheel
for 2.27 or 2.34 would not be found. And of what a conda package holds it reads the metadata of the wheel, too: at a
door that wheel need not be approved, as nobody installs it. Run as
``python -m sekisho_builder.locking.as_conda_lock GLIBC lock …``.
"""

import sys
from collections.abc import Sequence
from typing import Any

import conda_lock.pypi_solver as pypi_solver  # noqa: PLR0402 (the package itself says nothing of its types)
from conda_lock._vendor.poetry.repositories.repository import Repository
from conda_lock.conda_lock import main as conda_lock

_LEGACY = {5: "1", 12: "2010", 17: "2014"}
_OLDEST = 5


def manylinux_tags(glibc: str) -> list[str]:
    """Return every tag up to ``glibc`` as conda-lock writes them, the oldest first."""
    newest = int(glibc.partition(".")[2])
    tags = []
    for minor in range(_OLDEST, newest + 1):
        tags += [_LEGACY[minor]] if minor in _LEGACY else []
        tags.append(f"_2_{minor}")
    return tags


class _Solver(pypi_solver.PoetrySolver):  # type: ignore[misc]
    """The solver of the pip part, to which what conda installs is there without an index."""

    def __init__(self, package: Any, pool: Any, installed: Sequence[Any], locked: Sequence[Any], io: Any) -> None:  # noqa: ANN401 (conda-lock has no types)
        pool.add_repository(Repository("conda", list(installed)))
        super().__init__(package, pool=pool, installed=installed, locked=locked, io=io)


def know_tags(glibc: str) -> None:
    """Let conda-lock know every platform tag: no option or file of its own adds any, the C library only cuts them."""
    if not isinstance(getattr(pypi_solver, "MANYLINUX_TAGS", None), list):
        sys.exit("this conda-lock keeps its platform tags elsewhere")
    pypi_solver.MANYLINUX_TAGS = manylinux_tags(glibc)


def know_installed() -> None:
    """Let conda-lock take what conda installs for what is there, whatever an index has of it."""
    pypi_solver.PoetrySolver = _Solver


def main() -> None:
    """Run conda-lock; its first argument is the target's C library."""
    know_tags(sys.argv.pop(1))
    know_installed()
    conda_lock()


if __name__ == "__main__":
    main()
