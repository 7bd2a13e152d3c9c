"""Request → closure: the versions by uv, the one file per project by the target's own order of tags.

Of the answers that satisfy a request, the one that policy would allow is taken, see ``sekisho_builder.preferring``.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from sekisho.errors import UpstreamError
from sekisho.model import Artifact, Closure, Edge, Request
from sekisho_builder.candidates import Candidates
from sekisho_builder.conda.provided import Provided
from sekisho_builder.offers import Offers
from sekisho_builder.preferring import prefer
from sekisho_builder.programs import Programs, Run
from sekisho_builder.solver import Pin, Solver, Wish, uv_version


def resolve(
    request: Request,
    proxy: Candidates,
    told: Callable[[int, int], None],
    run: Run | None = None,
    *,
    offers: Offers | None = None,
    sources: bool = False,
    installed: Mapping[str, Provided] | None = None,
) -> Closure:
    """Resolve a request on its target; raise ``UnresolvableError`` with the resolver's chain when nothing fits.

    ``run`` runs uv. ``offers`` says what is approved and what the policy would say of a file; without it, nothing is
    preferred. With ``sources`` a project without a wheel for the target is in the answer as source, and so must be
    ``offers``. What conda packages have ``installed`` is no part of it, and is what edges lead to.
    """
    proxy.answers()
    offers = offers or Offers(request, proxy, sources=sources)
    held = installed or {}
    there = {project: found.release for project, found in held.items()}
    try:
        with Solver(request, proxy, run or Programs().run, sources=sources, installed=there) as solve:
            found = prefer(solve, offers, Wish(request.requirements, offers.approved()))
    except UpstreamError:
        proxy.answers()  # or else its silence was the cause
        raise

    def choose(pin: Pin) -> Artifact:
        return proxy.with_metadata(offers.best(pin))

    pins = [pin for pin in found if pin.release]
    artifacts: list[Artifact] = []
    with ThreadPoolExecutor(8) as pool:
        for done, artifact in enumerate(pool.map(choose, pins), 1):
            artifacts.append(artifact)
            told(done, len(pins))
    return Closure(
        request=request.digest(),
        target=request.target,
        direct=request.requirements,
        resolver=f"uv {uv_version()}",
        resolve_before=request.resolve_before,
        artifacts=tuple(artifacts),
        edges=tuple(Edge(project=above, needs=_node(pin, held)) for pin in found for above in pin.via),
    )


def _node(pin: Pin, held: Mapping[str, Provided]) -> str:
    return pin.project if pin.release else held[pin.project].by.node
