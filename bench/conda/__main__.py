"""The benchmark of the conda side: our figures, the goals, and what others do, in one run on one machine.

python -m bench.conda           run it (``make bench-conda``); 0 if every figure could be taken, met or not
python -m bench.conda --quick   every measurement once, on a twentieth of the channel
"""

import sys
from collections.abc import Callable, Sequence

from bench.conda import approved, choosing, hostile, imports, laying, locking, many, solving
from bench.conda.approved import Served, open_served
from bench.conda.site import Site, open_site
from bench.harness import asked, conduct, emptied, taken
from bench.place import Place, Say
from bench.rows import Row

OF_CHANNELS: Sequence[tuple[str, Callable[[Site], list[Row]]]] = (
    ("reading a channel", imports.measure),
    ("policy change, many files", many.measure),
)
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


def run(place: Place, say: Say, *, quick: bool) -> list[Row]:
    """Take every figure; one that cannot be taken becomes a row that says why."""
    rows: list[Row] = []
    with emptied(place):
        with open_site(place, say, quick=quick) as site:
            for name, of_channels in OF_CHANNELS:
                rows += taken(name, of_channels, site)
            with open_served(site) as served:
                for name, of_served in SERVED:
                    rows += taken(name, of_served, site, served)
        for name, alone in ALONE:
            rows += taken(name, alone, place, say, quick)
    return rows


def main() -> int:
    """Run the benchmark; return its exit status."""
    quick = asked("make bench-conda", "The conda side; tried out, on a small channel.").parse_args().quick
    place = Place()
    return conduct("Conda", place.home / "conda.json", lambda say: run(place, say, quick=quick), quick=quick)


if __name__ == "__main__":
    sys.exit(main())
