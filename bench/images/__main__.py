"""The benchmark of images: our figures, the goals, and the peers' figures, in one run on one machine.

python -m bench.images           run it (``make bench-image``); 0 if every figure could be taken, met or not
python -m bench.images --quick   every measurement once, to see that all of it works
"""

import argparse
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.console import Console

from bench.images.gating import measure_gates
from bench.images.ours import measure_change, measure_cold
from bench.images.peers import Took, measure_peers
from bench.images.sameness import measure_sameness
from bench.images.site import Say, Site, open_site
from bench.place import MeasureError, Place
from bench.rows import Row, dump, table
from sekisho.errors import SekishoError

Measure = Callable[[Site], list[Row]]
MEASURES: Sequence[tuple[str, Measure]] = (
    ("one package changed", measure_change),
    ("cold assembly", measure_cold),
    ("the same digests", measure_sameness),
    ("gates", measure_gates),
)
FAILURES = (MeasureError, SekishoError, OSError, subprocess.SubprocessError)
"""What keeps a figure from being taken; anything else is a fault of the benchmark itself."""


def run(place: Place, say: Say, *, quick: bool, alone: bool) -> list[Row]:
    """Take every figure; one that cannot be taken becomes a row that says why."""
    shutil.rmtree(place.work, ignore_errors=True)
    place.work.mkdir(parents=True)
    rows: list[Row] = []
    with open_site(place, say, quick=quick) as site:
        for name, measure in MEASURES:
            try:
                rows += measure(site)
            except FAILURES as error:
                rows.append(Row(name, None, "", None, "lower", note=str(error)))
        try:
            rows = rows if alone else beside(rows, *measure_peers(site))
        except FAILURES as error:
            rows.append(Row("peers", None, "", None, "lower", note=str(error)))
    shutil.rmtree(place.work)
    return rows


def beside(rows: Sequence[Row], took: dict[str, Took], why: dict[str, str]) -> list[Row]:
    """Put the peers' figures beside ours, by what a row measures; a peer without any gets a row that says why."""
    kinds = {"changed in": "changed", "cold assembly of": "cold", "nothing changed": "nothing"}
    found = []
    for row in rows:
        kind = next((kind for part, kind in kinds.items() if part in row.name and "torch" not in row.name), None)
        found.append(replace(row, peers={peer: getattr(each, kind) for peer, each in took.items()}) if kind else row)
    return [*found, *(Row(name, None, "", None, "lower", note=note) for name, note in why.items())]


def main() -> int:
    """Run the benchmark; return its exit status."""
    parser = argparse.ArgumentParser(prog="make bench-image", description="Images, assembled and pushed.")
    parser.add_argument("--quick", action="store_true", help="try every measurement once")
    parser.add_argument("--alone", action="store_true", help="without the peers, which take longest")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # being told to stop is as good as Ctrl-C
    place, began, told = Place(), time.monotonic(), Console(stderr=True, highlight=False)
    try:
        rows = run(
            place,
            lambda what: told.print(f"{time.monotonic() - began:6.1f} s  {what}"),
            quick=given.quick,
            alone=given.alone,
        )
    except FAILURES as error:
        told.print(f"bench: {error}", style="red")
        return 1
    except KeyboardInterrupt:
        told.print("bench: stopped; every server has been ended")
        return 130
    report = place.home / "image.json"
    report.write_text(dump(rows))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=150)
    console.print(table(rows, f"Images, {time.monotonic() - began:.0f} s" + (", tried out" if given.quick else "")))
    console.print(f"report: {report}")
    return 1 if any(row.value is None for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
