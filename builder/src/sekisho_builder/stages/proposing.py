"""From a request to a judged closure, and what to have instead."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from sekisho.client import PortalSilentError
from sekisho.errors import BadInputError, SekishoError, UnresolvableError
from sekisho.model import Artifact, Judgement, Newest, Outcome, Request
from sekisho_builder.denials import name_denials
from sekisho_builder.offers import Offers, approved
from sekisho_builder.proxy import ProxySilentError
from sekisho_builder.resolve import resolve
from sekisho_builder.solver import Solver
from sekisho_builder.sources import builds_sources, with_sources
from sekisho_builder.stages.outside import Outside
from sekisho_builder.suggesting import read_judged, suggest

_LOG = logging.getLogger("sekisho.builder")
_MOST_FORESEEN = 1000
"""Files that are asked about at once."""


class Proposing(Outside):
    """The stages before an approver is asked."""

    def resolve(self, request_id: str) -> None:
        """Request → closure."""
        request = Request.parse(self._portal.records(request_id)["request"], where=f"request {request_id}")
        if not any(source.kind == request.kind for source in self._snapshot().sources):
            raise BadInputError(f"no source of kind {request.kind} is declared", where="allowlists/sources.yaml")
        offers = self._offers(request_id, request)
        told = self._teller(request_id, "resolve")
        policy = self._snapshot().policy
        try:
            closure = resolve(request, self._proxy, told, self._programs.run, offers=offers)
        except UnresolvableError as error:
            by = partial(self._offers, request_id)
            found = with_sources(request, self._proxy, told, self._programs.run, by) if builds_sources(policy) else None
            if found is None:
                raise name_denials(error, request, policy, offers) from error
            closure = found
        newest = {project: found.plain() for project, found in offers.newest().items()}
        self._portal.report(request_id, "resolved", {"closure": closure.plain(), "newest": newest})

    def _offers(self, request_id: str, request: Request, *, sources: bool = False) -> Offers:
        """Return what there is to choose from for a request, with what the policy would say of it."""

        def rate(files: Sequence[Artifact], newest: Mapping[str, Newest]) -> dict[str, Outcome]:
            known = {project: found.plain() for project, found in newest.items()}
            found: dict[str, Outcome] = {}
            for first in range(0, len(files), _MOST_FORESEEN):
                some = [file.plain() for file in files[first : first + _MOST_FORESEEN]]
                rows = self._portal.foresee(request_id, some, known)
                found |= {row["sha256"]: Outcome(row["outcome"]) for row in rows}
            return found

        known = approved(self._snapshot(), request.workspace, datetime.now(UTC))
        return Offers(request, self._proxy, known, rate, sources=sources)

    def inspect(self, request_id: str) -> None:
        """Closure → facts; the portal judges them at once."""
        _, closure = self._records(request_id)
        facts, known = self._proxy.inspect(closure.files, self._teller(request_id, "inspect"))
        body = {"facts": [found.plain() for found in facts], "known": known}
        self._portal.report(request_id, "inspected", body)

    def suggest(self, request_id: str) -> None:
        """Judgement → what to have instead, where somebody would have to act."""
        found = self._portal.records(request_id)
        if not found["avoidable"]:
            return
        request, closure = self._records(request_id)
        judgement = Judgement.parse(found["judgement"], where=f"judgement of {request_id}")
        judged = read_judged(closure, judgement, found["avoidable"])
        free = request.model_copy(update={"constraints": (), "hashes": {}})  # the closure itself is preferred
        try:
            with Solver(free, self._proxy, self._programs.run) as solve:
                alternative = suggest(solve, self._offers(request_id, free), judged)
        except (PortalSilentError, ProxySilentError):
            raise
        except SekishoError as error:  # the request was judged, and that stands
            _LOG.warning("nothing could be suggested for request %s: %s", request_id, error.what)
            alternative = None
        body = {"closure": closure.digest(), "alternative": alternative.plain() if alternative else None}
        self._portal.report(request_id, "suggested", body)
