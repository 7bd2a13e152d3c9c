"""How every benchmark runs: one measurement after the other, then a table, a report and an exit status."""

import shutil
import signal
import subprocess
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec

import httpx2
from rich.console import Console

from bench.place import MeasureError, Place, Say
from bench.rows import Row, dump, table
from sekisho.errors import SekishoError

Given = ParamSpec("Given")

FAILURES = (MeasureError, SekishoError, httpx2.HTTPError, OSError, subprocess.SubprocessError)
"""What keeps a figure from being taken; anything else is a fault of the benchmark itself."""


def taken(name: str, measure: Callable[Given, list[Row]], *args: Given.args, **kwargs: Given.kwargs) -> list[Row]:
    """Return the rows of one measurement, or one that says why there are none."""
    try:
        return measure(*args, **kwargs)
    except FAILURES as error:
        return [untaken(name, str(error))]


def untaken(name: str, why: str) -> Row:
    """Return the row of a figure that could not be taken."""
    return Row(name, None, "", None, "lower", note=why)


def asked(program: str, says: str) -> ArgumentParser:
    """Return the parser of a benchmark's arguments, which knows ``--quick``."""
    parser = ArgumentParser(prog=program, description=says)
    parser.add_argument("--quick", action="store_true", help="take every figure once, briefly, to see that it works")
    return parser


@contextmanager
def emptied(place: Place) -> Iterator[None]:
    """Let the work folder be empty, and be gone afterwards; of a run that fails it stays, as its servers' logs do."""
    shutil.rmtree(place.work, ignore_errors=True)
    place.work.mkdir(parents=True)
    yield
    shutil.rmtree(place.work)


def conduct(title: str, report: Path, run: Callable[[Say], list[Row]], *, quick: bool = False) -> int:
    """Run, write the report and show the table; return the status: 0 if every figure could be taken, met or not."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # being told to stop is as good as Ctrl-C
    began, told = time.monotonic(), Console(stderr=True, highlight=False)
    try:
        rows = run(lambda what: told.print(f"{time.monotonic() - began:6.1f} s  {what}"))
    except FAILURES as error:
        told.print(f"bench: {error}\nbench: the servers' logs are in {Place().work}", style="red")
        return 1
    except KeyboardInterrupt:
        told.print("bench: stopped; every server has been ended")
        return 130
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(dump(rows))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=150)
    console.print(table(rows, f"{title}, {time.monotonic() - began:.0f} s" + (", tried out" if quick else "")))
    console.print(f"report: {report}")
    return 1 if any(row.value is None for row in rows) else 0
