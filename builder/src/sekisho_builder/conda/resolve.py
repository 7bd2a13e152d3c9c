"""Match specs → the artifacts of a closure, and what needs what."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sekisho.errors import UnresolvableError
from sekisho.model import Artifact, Closure, Edge, Newest, Request
from sekisho.model.match_spec import match_spec, needs_of
from sekisho_builder.conda.keeping import Keeping
from sekisho_builder.conda.offers import CondaOffers
from sekisho_builder.conda.solver import CondaSolver, rattler_version
from sekisho_builder.preferring import prefer
from sekisho_builder.solver import Wish


class Part(NamedTuple):
    """What of a closure comes from channels; ``newest`` is by node, of what was asked for by name."""

    artifacts: tuple[Artifact, ...] = ()
    edges: tuple[Edge, ...] = ()
    resolver: str = ""
    newest: Mapping[str, Newest] = {}


def resolve_conda(solver: CondaSolver, offers: CondaOffers) -> Part:
    """Solve a request's match specs; of several answers the one is taken that policy would allow.

    Raises ``UnresolvableError`` with the solver's reason when nothing fits.
    """
    asked = frozenset(row.name for row in solver.asked)
    wish = Wish(solver.request.conda, offers.approved())
    try:
        pins = prefer(Keeping(solver), offers, wish, asked=asked, odd=lambda _path: False)
    except UnresolvableError as error:
        raise solver.explained(error) from error
    artifacts = sorted(offers.artifacts(pins), key=lambda artifact: artifact.project)
    return Part(tuple(artifacts), tuple(needs(artifacts)), f"py-rattler {rattler_version()}", offers.newest())


def alone(request: Request, part: Part) -> Closure:
    """Return the closure of a request for packages of channels only."""
    return Closure(
        request=request.digest(),
        target=request.target,
        direct=request.requirements,
        conda=request.conda,
        resolver=part.resolver,
        resolve_before=request.resolve_before,
        artifacts=part.artifacts,
        edges=part.edges,
    )


def together(request: Request, part: Part, rest: Closure) -> Closure:
    """Return the closure of a request for both, ``rest`` being what was resolved beside ``part``."""
    return rest.model_copy(
        update={
            "request": request.digest(),
            "target": request.target,
            "conda": request.conda,
            "resolver": ", ".join(filter(None, (part.resolver, rest.resolver))),
            "artifacts": (*part.artifacts, *rest.artifacts),
            "edges": (*part.edges, *rest.edges),
        }
    )


def needs(artifacts: Sequence[Artifact]) -> Iterator[Edge]:
    """Yield which conda package of a closure needs which other one, by their records."""
    nodes = {artifact.project: artifact.node for artifact in artifacts}
    for artifact in artifacts:
        for name in dict.fromkeys(_names(needs_of(artifact))):
            if name in nodes and name != artifact.project:
                yield Edge(project=artifact.node, needs=nodes[name])


def _names(specs: Iterable[str]) -> Iterator[str]:
    for text in specs:
        if (spec := match_spec(text)) is not None:
            yield spec.name
