"""The benchmark of images: our figures, the goals, and the peers' figures, in one run on one machine.

python -m bench.images           run it (``make bench-image``); 0 if every figure could be taken, met or not
python -m bench.images --quick   every measurement once, to see that all of it works
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from bench.harness import FAILURES, asked, conduct, emptied, taken, untaken
from bench.images.gating import measure_gates
from bench.images.ours import measure_change, measure_cold
from bench.images.peers import Took, measure_peers
from bench.images.sameness import measure_sameness
from bench.images.site import Site, open_site
from bench.place import Place, Say
from bench.rows import Row

Measure = Callable[[Site], list[Row]]
MEASURES: Sequence[tuple[str, Measure]] = (
    ("one package changed", measure_change),
    ("cold assembly", measure_cold),
    ("the same digests", measure_sameness),
    ("gates", measure_gates),
)


def run(place: Place, say: Say, *, quick: bool, alone: bool) -> list[Row]:
    """Take every figure; one that cannot be taken becomes a row that says why."""
    rows: list[Row] = []
    with emptied(place), open_site(place, say, quick=quick) as site:
        for name, measure in MEASURES:
            rows += taken(name, measure, site)
        try:
            rows = rows if alone else beside(rows, *measure_peers(site))
        except FAILURES as error:
            rows.append(untaken("peers", str(error)))
    return rows


def beside(rows: Sequence[Row], took: dict[str, Took], why: dict[str, str]) -> list[Row]:
    """Put the peers' figures beside ours, by what a row measures; a peer without any gets a row that says why."""
    kinds = {"changed in": "changed", "cold assembly of": "cold", "nothing changed": "nothing"}
    found = []
    for row in rows:
        kind = next((kind for part, kind in kinds.items() if part in row.name and "torch" not in row.name), None)
        found.append(replace(row, peers={peer: getattr(each, kind) for peer, each in took.items()}) if kind else row)
    return [*found, *(untaken(name, note) for name, note in why.items())]


def main() -> int:
    """Run the benchmark; return its exit status."""
    parser = asked("make bench-image", "Images, assembled and pushed.")
    parser.add_argument("--alone", action="store_true", help="without the peers, which take longest")
    given, place = parser.parse_args(), Place()

    def told(say: Say) -> list[Row]:
        return run(place, say, quick=given.quick, alone=given.alone)

    return conduct("Images", place.home / "image.json", told, quick=given.quick)


if __name__ == "__main__":
    sys.exit(main())
