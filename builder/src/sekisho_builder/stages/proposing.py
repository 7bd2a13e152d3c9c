"""From a request to a judged closure, and what to have instead."""

import logging
from collections.abc import Callable, Container, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sekisho.client import PortalSilentError
from sekisho.errors import SekishoError, UnresolvableError
from sekisho.model import Closure, Newest, Outcome, Request
from sekisho.policy import Policy
from sekisho_builder.conda.provided import beside, check_asked_once, provided, unmapped
from sekisho_builder.conda.resolve import Part, alone, together
from sekisho_builder.denials import name_denials
from sekisho_builder.extras import check_extras, outdated
from sekisho_builder.offers import Offers, approved
from sekisho_builder.proxy import ProxySilentError
from sekisho_builder.resolve import resolve
from sekisho_builder.sources import builds_sources, check_sources, with_sources
from sekisho_builder.stages.instead import Instead, Suggested

_LOG = logging.getLogger("sekisho.builder")


class Proposing(Instead):
    """The stages before an approver is asked."""

    def resolve(self, request_id: str) -> None:
        """Request → closure: what comes from channels first, then the rest beside it."""
        request = Request.parse(self._portal.records(request_id)["request"], where=f"request {request_id}")
        snapshot = self._snapshot()
        check_sources(request, snapshot)
        told = self._teller(request_id, "resolve")
        part = self._of_channels(request_id, request, snapshot, told) if request.conda else Part()
        if request.requirements:
            closure, newest = self._of_indexes(request_id, request, snapshot.policy, part, told)
        else:
            closure, newest = alone(request, part), {}
        check_extras(request, closure)
        rows = {node: found.plain() for node, found in (*part.newest.items(), *newest.items())}
        self._portal.report(request_id, "resolved", {"closure": closure.plain(), "newest": rows})

    def _of_indexes(
        self, request_id: str, request: Request, policy: Policy, part: Part, told: Callable[[int, int], None]
    ) -> tuple[Closure, Mapping[str, Newest]]:
        """Return the closure with what requirements come to beside ``part``, and the newest releases there are.

        What the conda packages hold is known once they are inspected, which comes before anything else of them.
        """
        facts = self._proxy.inspect(part.artifacts, told)[0] if part.artifacts else []
        installed = provided(part.artifacts, facts)
        check_asked_once(request, installed)
        for left_out in unmapped(facts):
            _LOG.warning("request %s: nothing is held to %s, which is no release of an index", request_id, left_out)
        rest = beside(request, part.artifacts)
        old: frozenset[str] = frozenset()
        while True:
            offers = self._offers(request_id, rest, outdated=old)
            try:
                closure = resolve(rest, self._proxy, told, self._programs.run, offers=offers, installed=installed)
            except UnresolvableError as error:
                by = partial(self._offers, request_id, outdated=old)
                found = None
                if builds_sources(policy):
                    found = with_sources(rest, self._proxy, told, self._programs.run, by, installed)
                if found is None:
                    raise name_denials(error, request, policy, offers.allowed) from error
                closure = found
            if not (older := outdated(request, closure, installed) - old):
                break
            old |= older
        return together(request, part, closure), offers.newest()

    def _offers(
        self,
        request_id: str,
        request: Request,
        *,
        sources: bool = False,
        outdated: Container[str] = frozenset(),
    ) -> Offers:
        """Return what there is to choose from for a request, with what the policy would say of it."""
        known = approved(self._snapshot(), request.workspace, datetime.now(UTC))
        return Offers(request, self._proxy, known, self._rate(request_id), sources=sources, outdated=outdated)

    def inspect(self, request_id: str) -> None:
        """Closure → facts; the portal judges them at once."""
        _, closure = self._records(request_id)
        facts, known = self._proxy.inspect(closure.files, self._teller(request_id, "inspect"))
        body = {"facts": [found.plain() for found in facts], "known": known}
        self._portal.report(request_id, "inspected", body)

    def suggest(self, request_id: str) -> None:
        """Judgement → what to have instead, where somebody would have to act."""
        found = self._portal.records(request_id)
        if not _is_sought(found):
            return
        request, closure = self._records(request_id)
        try:
            suggested = self._look(request_id, request, closure, found)
        except (PortalSilentError, ProxySilentError):
            raise
        except SekishoError as error:  # the request was judged, and that stands
            _LOG.warning("nothing could be suggested for request %s: %s", request_id, error.what)
            suggested = Suggested()
        alternative = suggested.alternative
        body = {
            "closure": closure.digest(),
            "alternative": alternative.plain() if alternative else None,
            "fewest": suggested.fewest,
        }
        self._portal.report(request_id, "suggested", body)


def _is_sought(found: Mapping[str, Any]) -> bool:
    """Tell whether another answer may need less; of conda packages, whenever somebody has to approve any."""
    if found["avoidable"]:
        return True
    judgement, closure = found["judgement"], found["closure"]
    return bool(judgement and closure and closure.get("conda") and judgement["outcome"] != Outcome.ALLOW.value)
