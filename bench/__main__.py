"""The benchmark of the pip door: our figures, the goals, and the peers' figures, in one run on one machine.

python -m bench           run it (``make bench-pip``); 0 if every figure could be taken, whether its goal is met or not
python -m bench --quick   every measurement once and briefly, to see that all of it works
"""

import argparse
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import httpx2
from rich.console import Console

from bench import changes, firsts, pages, past, sets
from bench.place import MeasureError, Place
from bench.rows import Row, dump, table
from bench.site import Say, Site, open_site

Measure = Callable[[Site], list[Row]]
MEASURES: Sequence[tuple[str, Measure]] = (
    ("warm page of a very large project", pages.measure),
    ("large wheel", sets.measure_stream),
    ("uv resolves the set", sets.measure_uv),
    ("pip downloads the set", sets.measure_pip),
    ("memory", firsts.measure_memory),
    ("cold page", firsts.measure_cold),
    ("many clients ask first", firsts.measure_crowd),
    ("approval and revocation", changes.measure),
    ("start", firsts.measure_start),
    ("a portal with a past", past.measure),
)
"""In this order: memory is read after the set, and starting again comes after all else that is asked of a server."""


FAILURES = (MeasureError, httpx2.HTTPError, OSError, subprocess.SubprocessError)
"""What keeps a figure from being taken; anything else is a fault of the benchmark itself."""


def run(place: Place, say: Say, *, quick: bool) -> list[Row]:
    """Take every figure; one that cannot be taken becomes a row that says why."""
    shutil.rmtree(place.work, ignore_errors=True)
    place.work.mkdir(parents=True)
    rows: list[Row] = []
    with open_site(place, say, quick=quick) as site:
        for name, measure in MEASURES:
            rows += taken(name, lambda measure=measure: measure(site))  # type: ignore[misc]
    shutil.rmtree(place.work)
    return rows


def taken(name: str, measure: Callable[[], list[Row]]) -> list[Row]:
    """Return the rows of one measurement, or one that says why there are none."""
    try:
        return measure()
    except FAILURES as error:
        return [Row(name, None, "", None, "lower", note=str(error))]


def main() -> int:
    """Run the benchmark; return its exit status."""
    parser = argparse.ArgumentParser(prog="make bench-pip", description="The pip door beside its peers.")
    parser.add_argument("--quick", action="store_true", help="try every measurement once, briefly")
    given = parser.parse_args()

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # being told to stop is as good as Ctrl-C
    place, began, told = Place(), time.monotonic(), Console(stderr=True, highlight=False)
    try:
        rows = run(place, lambda what: told.print(f"{time.monotonic() - began:6.1f} s  {what}"), quick=given.quick)
    except FAILURES as error:
        told.print(f"bench: {error}\nbench: the servers' logs are in {place.work}", style="red")
        return 1
    except KeyboardInterrupt:
        told.print("bench: stopped; every server has been ended")
        return 130
    place.report.write_text(dump(rows))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=150)
    console.print(
        table(rows, f"The pip door, {time.monotonic() - began:.0f} s" + (", tried out" if given.quick else ""))
    )
    console.print(f"report: {place.report}")
    return 1 if any(row.value is None for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
