"""The builder's part: what a request comes to over the candidate mount, and the fewest approvals that make it pass."""

import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.conda.approved import Served
from bench.conda.site import Site
from bench.conda.synthetic import ASKED
from bench.place import MeasureError
from bench.rows import Row
from sekisho.model import Artifact, Outcome, Request, Target
from sekisho_builder.conda import SolverProcess
from sekisho_builder.conda.approvals import fewest_approvals
from sekisho_builder.conda.keeping import Keeping
from sekisho_builder.conda.offers import CondaOffers
from sekisho_builder.conda.records import Channels
from sekisho_builder.conda.solver import Chosen, CondaSolver
from sekisho_builder.proxy import Proxy
from sekisho_builder.solver import Wish

_KEPT = 0.8
"""Of the names, how many have something that is approved: not the newest, and not all of them fit together."""


def measure(site: Site, served: Served) -> list[Row]:
    """Choose what a data scientist asks for, with a process that knows nothing; then look for the fewest approvals."""
    site.say("choosing what a data scientist asks for")
    request = Request(
        requester="bench", conda=ASKED, target=Target(python="3.11.2", glibc="2.36"), at=datetime.now(UTC)
    )
    process = SolverProcess()
    proxy = Proxy(f"http://127.0.0.1:{served.port}", served.token)
    try:
        with CondaSolver(request, (served.source,), proxy, process) as solver:
            began = time.perf_counter()
            chosen = solver.choose(Wish(request.conda))
            first = time.perf_counter() - began
            return [
                Row(f"builder: answer to {', '.join(ASKED)}, {len(chosen)} packages, cold", first, "s", None, "lower"),
                *_with_approvals(site, solver, Channels(proxy), chosen),
                Row("its process, at its peak", _peak(process), "MiB", None, "lower"),
            ]
    finally:
        process.end()
        proxy.close()


def _with_approvals(site: Site, solver: CondaSolver, channels: Channels, chosen: Sequence[Chosen]) -> list[Row]:
    """Keep to what is approved, then find what more has to be, both to the end."""
    some = random.Random(7)  # noqa: S311 (the same every time)
    kept = {row.name: (solver.offered(row.name)[some.randrange(4, 8)].path,) for row in chosen if some.random() < _KEPT}
    wish = Wish(solver.request.conda, kept)
    began = time.perf_counter()
    Keeping(solver)(wish)
    keeping = time.perf_counter() - began
    approved = {path for paths in kept.values() for path in paths}

    def rate(files: Sequence[Artifact], _newest: object) -> dict[str, Outcome]:
        return {file.sha256: Outcome.ALLOW if file.path in approved else Outcome.REVIEW for file in files}

    site.say("finding the fewest approvals")
    judged = {row.path: Outcome.REVIEW for row in chosen}
    began = time.perf_counter()
    found = fewest_approvals(solver, CondaOffers(solver, channels, (), rate), judged, patience=60)
    fewest = time.perf_counter() - began
    if found is None or not found.proved:
        raise MeasureError("the fewest approvals were not found")
    what = f"fewest approvals, proved: {len(found.needed)} of {len(chosen)} packages"
    return [
        Row(f"the same beside approvals of {len(kept)} names, which are kept to", keeping, "s", None, "lower"),
        Row(what, fewest, "s", 3, "lower"),
    ]


def _peak(process: SolverProcess) -> float:
    """Return the most memory that the process had, in MiB."""
    rows = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(row.split()[1]) / 1024 for row in rows if row.startswith("VmHWM:"))
