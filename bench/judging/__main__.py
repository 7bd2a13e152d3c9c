"""python -m bench.judging: take every figure of judging; 0 if all could be taken, whether a goal is met or not."""

import sys
from collections.abc import Callable

from rich.console import Console

from bench.judging.alarms import measure_alarms
from bench.judging.decisions import measure_decisions
from bench.judging.measures import measure_all
from bench.place import MeasureError, Place
from bench.rows import Row, dump, table


def main() -> int:
    """Run the benchmark; return its exit status."""
    place, told = Place(), Console(stderr=True, highlight=False)
    rows: list[Row] = []
    say: Callable[[str], None] = told.print
    measures = (
        *measure_all(),
        ("false alarms", lambda: measure_alarms(place, say)),
        ("the workbench", lambda: measure_decisions(place, say)),
    )
    for name, measure in measures:
        say(name)
        try:
            rows += measure()
        except MeasureError as error:
            rows.append(Row(name, None, "", None, "lower", note=str(error)))
    report = place.home / "policy.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(dump(rows))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=150)
    console.print(table(rows, "Judging"))
    console.print(f"report: {report}")
    return 1 if any(row.value is None for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
