"""What to have instead of a closure that needs somebody, from channels and from indexes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sekisho.errors import UnresolvableError
from sekisho.model import Alternative, Closure, Judgement, Outcome, Request
from sekisho.policy import Snapshot
from sekisho_builder.conda.approvals import Approvals, fewest_approvals
from sekisho_builder.conda.provided import Provided, beside, provided
from sekisho_builder.conda.suggesting import Present, instead, is_fewest, leading_to, present, relaxed
from sekisho_builder.offers import Offers, approved
from sekisho_builder.solver import Solver
from sekisho_builder.stages.channels import FromChannels
from sekisho_builder.suggesting import read_judged, suggest


class Suggested(NamedTuple):
    """An alternative, if there is one; ``fewest`` tells that the closure itself needs the fewest approvals."""

    alternative: Alternative | None = None
    fewest: bool = False


class Instead(FromChannels):
    """Looks for another answer to a request."""

    def _look(self, request_id: str, request: Request, closure: Closure, found: Mapping[str, Any]) -> Suggested:
        """Return what to have instead, by what was judged."""
        judgement = Judgement.parse(found["judgement"], where=f"judgement of {request_id}")
        avoidable = frozenset(found["avoidable"])
        conda = Suggested()
        if closure.of("conda"):
            outcomes = {row.sha256: row.outcome for row in judgement.verdicts}
            conda = self._of_conda(request_id, request, present(closure, outcomes, avoidable), self._snapshot())
        rest = closure.model_copy(update={"artifacts": closure.of("pypi"), "conda": ()})
        theirs = frozenset(row.sha256 for row in rest.artifacts) & avoidable
        other = self._of_pypi(request_id, request, closure, rest, judgement, theirs) if theirs else None
        return Suggested(joined(closure, judgement, conda.alternative, other), conda.fewest)

    def _of_conda(self, request_id: str, request: Request, now: Present, snapshot: Snapshot) -> Suggested:
        """Return the answer to the match specs that needs the fewest approvals; for any version, if it needs fewer."""
        if not now.needed and not now.denied:
            return Suggested()
        found = self._fewest(request_id, request, now, snapshot)
        better = instead(now, found, request.conda)
        if better is not None and not better.review and not better.deny:
            return Suggested(better)
        free = relaxed(request.conda, leading_to(now.closure, (*now.needed, *now.denied)))
        other = None
        if free != request.conda:
            loose = request.model_copy(update={"conda": free})
            other = instead(now, self._fewest(request_id, loose, now, snapshot), request.conda)
        if other is not None and (better is None or _cost(other) < _cost(better)):
            better = other
        return Suggested(better, is_fewest(now, found))

    def _fewest(self, request_id: str, request: Request, now: Present, snapshot: Snapshot) -> Approvals | None:
        try:
            with self._asking(request_id, request, snapshot) as (solver, offers):
                return fewest_approvals(solver, offers, now.said, held=now.held)
        except UnresolvableError:
            return None

    def _of_pypi(
        self,
        request_id: str,
        request: Request,
        closure: Closure,
        rest: Closure,
        judgement: Judgement,
        avoidable: frozenset[str],
    ) -> Alternative | None:
        """Return another answer to the requirements, beside the conda packages that the closure has."""
        held: dict[str, Provided] = {}
        if conda := closure.of("conda"):
            held = provided(conda, self._proxy.inspect(conda, lambda _done, _total: None)[0])
        free = beside(request, conda).model_copy(update={"constraints": (), "hashes": {}})  # the closure is preferred
        known = approved(self._snapshot(), request.workspace, datetime.now(UTC))
        offers = Offers(free, self._proxy, known, self._rate(request_id))
        there = {project: one.release for project, one in held.items()}
        with Solver(free, self._proxy, self._programs.run, installed=there) as solve:
            return suggest(solve, offers, read_judged(rest, judgement, avoidable))


def _cost(one: Alternative) -> tuple[int, int]:
    return len(one.deny), len(one.review)


def joined(
    closure: Closure, judgement: Judgement, conda: Alternative | None, pypi: Alternative | None
) -> Alternative | None:
    """Return one alternative of those to both parts of a closure; where there is none, a part stays as it is."""
    if conda is None and pypi is None:
        return None
    said = {row.sha256: row.outcome for row in judgement.verdicts}
    parts = {"conda": conda, "pypi": pypi}

    def left(outcome: Outcome) -> tuple[str, ...]:
        stay = [
            row.name for row in closure.artifacts if parts.get(row.kind) is None and said.get(row.sha256) is outcome
        ]
        moved = [one.review if outcome is Outcome.REVIEW else one.deny for one in (conda, pypi) if one is not None]
        return tuple(sorted({*stay, *(name for names in moved for name in names)}))

    return Alternative(
        closure=closure.digest(),
        requirements=pypi.requirements if pypi else closure.direct,
        conda=conda.conda if conda else closure.conda,
        changes=tuple(row for one in (conda, pypi) if one is not None for row in one.changes),
        review=left(Outcome.REVIEW),
        deny=left(Outcome.DENY),
        fewest=conda is not None and conda.fewest,
    )
