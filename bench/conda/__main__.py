"""The benchmark of the conda side: our figures, the goals, and what others do, in one run on one machine.

python -m bench.conda           run it (``make bench-conda``); 0 if every figure could be taken, met or not
python -m bench.conda --quick   every measurement once, on a twentieth of the channel
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

from bench.conda import approved, choosing, hostile, imports, laying, locking, solving
from bench.conda.approved import Served, open_served
from bench.conda.site import Say, Site, open_site
from bench.place import MeasureError, Place
from bench.rows import Row, dump, table
from sekisho.errors import SekishoError

OF_CHANNELS: Sequence[tuple[str, Callable[[Site], list[Row]]]] = (("reading a channel", imports.measure),)
"""What needs the channel alone."""

SERVED: Sequence[tuple[str, Callable[[Site, Served], list[Row]]]] = (
    ("policy change", approved.measure_changes),
    ("candidate mount", approved.measure_candidates),
    ("cold solve", solving.measure),
    ("choosing", choosing.measure),
)
"""What needs a proxy before it that serves by a policy."""

ALONE: Sequence[tuple[str, Callable[[Place, Say, bool], list[Row]]]] = (
    ("locks", locking.measure),
    ("layers", laying.measure),
    ("hostile channels", hostile.measure),
)
"""What brings all that it needs: it is given the place, what to say progress to, and whether it is only tried out."""

FAILURES = (MeasureError, SekishoError, OSError, httpx2.HTTPError, subprocess.SubprocessError)
"""What keeps a figure from being taken; anything else is a fault of the benchmark itself."""


def run(place: Place, say: Say, *, quick: bool) -> list[Row]:
    """Take every figure; one that cannot be taken becomes a row that says why."""
    shutil.rmtree(place.work, ignore_errors=True)
    place.work.mkdir(parents=True)
    rows: list[Row] = []
    with open_site(place, say, quick=quick) as site:
        for name, measure in OF_CHANNELS:
            rows += taken(name, lambda measure=measure: measure(site))  # type: ignore[misc]
        with open_served(site) as served:
            for name, of_served in SERVED:
                rows += taken(name, lambda measure=of_served: measure(site, served))  # type: ignore[misc]
    for name, alone in ALONE:
        rows += taken(name, lambda measure=alone: measure(place, say, quick))  # type: ignore[misc]
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
    parser = argparse.ArgumentParser(prog="make bench-conda", description="The conda side.")
    parser.add_argument("--quick", action="store_true", help="try every measurement once, on a small channel")
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
    report = place.home / "conda.json"
    report.write_text(dump(rows))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=150)
    console.print(table(rows, f"Conda, {time.monotonic() - began:.0f} s" + (", tried out" if given.quick else "")))
    console.print(f"report: {report}")
    return 1 if any(row.value is None for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
