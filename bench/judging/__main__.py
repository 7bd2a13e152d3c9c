"""python -m bench.judging: take every figure of judging; 0 if all could be taken, whether a goal is met or not."""

import sys

from bench.harness import conduct, taken
from bench.judging.alarms import measure_alarms
from bench.judging.decisions import measure_decisions
from bench.judging.measures import measure_all
from bench.place import Place, Say
from bench.rows import Row


def run(place: Place, say: Say) -> list[Row]:
    """Take every figure; one that cannot be taken becomes a row that says why."""
    rows: list[Row] = []
    for name, measure in measure_all():
        say(name)
        rows += taken(name, measure)
    for name, of_place in (("false alarms", measure_alarms), ("the workbench", measure_decisions)):
        say(name)
        rows += taken(name, of_place, place, say)
    return rows


def main() -> int:
    """Run the benchmark; return its exit status."""
    place = Place()
    return conduct("Judging", place.home / "policy.json", lambda say: run(place, say))


if __name__ == "__main__":
    sys.exit(main())
