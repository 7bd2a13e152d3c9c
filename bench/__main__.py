"""The benchmark of the pip door: our figures, the goals, and the peers' figures, in one run on one machine.

python -m bench           run it (``make bench-pip``); 0 if every figure could be taken, whether its goal is met or not
python -m bench --quick   every measurement once and briefly, to see that all of it works
"""

import sys
from collections.abc import Callable, Sequence

from bench import changes, firsts, pages, past, sets
from bench.harness import asked, conduct, emptied, taken
from bench.place import Place, Say
from bench.rows import Row
from bench.site import Site, open_site

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


def run(place: Place, say: Say, *, quick: bool) -> list[Row]:
    """Take every figure; one that cannot be taken becomes a row that says why."""
    rows: list[Row] = []
    with emptied(place), open_site(place, say, quick=quick) as site:
        for name, measure in MEASURES:
            rows += taken(name, measure, site)
    return rows


def main() -> int:
    """Run the benchmark; return its exit status."""
    quick = asked("make bench-pip", "The pip door beside its peers.").parse_args().quick
    place = Place()
    return conduct("The pip door", place.home / "pip.json", lambda say: run(place, say, quick=quick), quick=quick)


if __name__ == "__main__":
    sys.exit(main())
