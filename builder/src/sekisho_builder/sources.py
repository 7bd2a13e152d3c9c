"""Source in a closure: with what its wheel is to be built, resolved as a closure of its own, of wheels alone."""

from collections.abc import Callable, Mapping
from typing import Protocol

from sekisho.errors import BadInputError, UnresolvableError
from sekisho.model import Artifact, Build, Closure, Outcome, Request
from sekisho.policy import Policy, Snapshot
from sekisho_builder.conda.provided import Provided
from sekisho_builder.extras import Held, held_to
from sekisho_builder.offers import Offers
from sekisho_builder.programs import Run
from sekisho_builder.proxy import Proxy
from sekisho_builder.resolve import resolve


class OffersFor(Protocol):
    """Returns what there is to choose from for a request, source included or not."""

    def __call__(self, request: Request, *, sources: bool = False) -> Offers:
        """See ``Offers``."""
        ...


def check_sources(request: Request, snapshot: Snapshot) -> None:
    """Raise ``BadInputError`` if no source is declared of a kind that a request asks for."""
    declared = {source.kind for source in snapshot.sources}
    for kind in sorted({kind for kind, _ in request.asked()} - declared):
        raise BadInputError(f"no source of kind {kind} is declared", where="allowlists/sources.yaml")


def builds_sources(policy: Policy) -> bool:
    """Tell whether a policy lets people decide on source: a rule ``sdist_only`` speaks of it, and none denies it all.

    Where no rule speaks of it nothing is built: what no rule objects to would be run without anybody's word.
    """
    rules = [rule for rule in policy.rules if rule.check == "sdist_only"]
    return bool(rules) and not any(rule.then is Outcome.DENY and rule.when is None for rule in rules)


def with_sources(
    request: Request,
    proxy: Proxy,
    told: Callable[[int, int], None],
    run: Run,
    offers_for: OffersFor,
    installed: Mapping[str, Provided] | None = None,
) -> Closure | None:
    """Resolve with source in place of wheels that are not there; nothing if not even that satisfies the request.

    Raises ``UnresolvableError`` where nothing satisfies what a build system asks for.
    """
    try:
        offers = offers_for(request, sources=True)
        closure = resolve(request, proxy, told, run, offers=offers, sources=True, installed=installed)
    except UnresolvableError:
        return None
    return with_builds(request, closure, proxy, run, offers_for, installed)


def with_builds(
    request: Request,
    closure: Closure,
    proxy: Proxy,
    run: Run,
    offers_for: OffersFor,
    installed: Mapping[str, Provided] | None = None,
) -> Closure:
    """Return a closure with a build for each source in it.

    Raises ``UnresolvableError`` where nothing satisfies what a build system asks for, and what the request names for
    it beside that.
    """
    sources = [artifact for artifact in closure.artifacts if artifact.build_only]
    if not sources:
        return closure
    facts, _ = proxy.inspect(sources, lambda _done, _total: None)
    systems = {found.sha256: found.build for found in facts}
    builds = []
    for source in sources:
        system = systems[source.sha256]
        requires = system.requires if system else ()
        extra, held = request.for_build(source.project), held_to(request, source, requires, closure, installed or {})
        builds.append(
            Build(
                project=source.project,
                sdist=source.sha256,
                requires=requires,
                extra=held.requirements,
                variables=extra.variables,
                recipe=extra.recipe,
                built_with=held.built_with,
                artifacts=_answer(request, source, requires, held, proxy, run, offers_for),
            )
        )
    return closure.model_copy(update={"builds": tuple(builds)})


def _answer(
    request: Request,
    source: Artifact,
    requires: tuple[str, ...],
    held: Held,
    proxy: Proxy,
    run: Run,
    offers_for: OffersFor,
) -> tuple[Artifact, ...]:
    asked = (*requires, *held.requirements)
    if not asked:
        return ()
    bound = {"constraints": held.constraints, "hashes": held.hashes}
    wanted = request.model_copy(update={"requirements": asked, **bound})
    try:
        found = resolve(wanted, proxy, lambda _done, _total: None, run, offers=offers_for(wanted))
    except UnresolvableError as error:
        raise UnresolvableError(
            f"{source.name} is only there as source, and cannot be built: {error.what}",
            where=f"what {source.filename} is built with: {', '.join(asked)}",
            todo="ask for another release, or for another target"
            + (", or name something else for its build" if held.requirements else ""),
        ) from error
    return tuple(sorted(found.artifacts, key=lambda artifact: artifact.project))
