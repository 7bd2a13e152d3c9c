"""Rules on where a file comes from: what the source says of it, and who published it."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from sekisho.model import Artifact, Attestation, Facts, Kind, Outcome, ProjectName, Reason, Record, Slug
from sekisho.model.facts import UNVERIFIED
from sekisho.policy.rules.base import BaseRule, Case


class Yanked(BaseRule):
    """The source yanked the file (PEP 592)."""

    check: Literal["yanked"]

    def look(self, case: Case) -> Reason | None:
        """Answer with the source's reason."""
        yanked = case.artifact.yanked
        return None if yanked is None else self.reason(f"yanked: {yanked or 'no reason given'}")


class ProjectStatus(BaseRule):
    """The source says of the whole project that it is one of ``statuses`` (PEP 792)."""

    check: Literal["project_status"]
    statuses: Annotated[tuple[Literal["archived", "quarantined", "deprecated"], ...], Field(min_length=1)]

    def look(self, case: Case) -> Reason | None:
        """Answer with the source's reason: the newest that is known, or the one of the time of resolution."""
        index = case.artifact.index
        found = case.known.statuses.get((case.artifact.kind, case.artifact.project)) if case.known.statuses else None
        status = found.status if found else index.get("project-status")
        if status not in self.statuses:
            return None
        said = found.reason if found else index.get("project-status-reason")
        return self.reason(f"the source calls the project {status}: {said or 'no reason given'}")


class Publisher(Record):
    """Who publishes a project: an identity as PEP 740's attestations carry it. Without ``workflow`` any will do."""

    kind: Kind = "pypi"
    project: ProjectName
    publisher: Annotated[str, Field(min_length=1)]
    repository: Annotated[str, Field(min_length=1)]
    workflow: str | None = None

    def is_behind(self, found: Attestation) -> bool:
        """Tell whether a verified attestation names this publisher."""
        same = (found.publisher, found.repository) == (self.publisher, self.repository)
        return same and self.workflow in {None, found.workflow}


Matter = Literal["named", "broken", "changed"]


class Provenance(BaseRule):
    """Who published the file, by its attestations (PEP 740), which were verified without a network.

    ``named``: a project in ``publishers`` must come with an attestation of a publisher that it names. With it, the
    rules in ``lifts`` need no person: their reviews are allowed, their denials stay. ``broken``: an attestation is
    stated that does not hold, or that nobody could verify; it never counts. ``changed``: the last approved release was
    published by somebody, and this one is not known to be. ``about`` says which of the three the rule answers to.
    """

    inspects: ClassVar[bool] = True
    check: Literal["provenance"]
    publishers: tuple[Publisher, ...] = ()
    lifts: tuple[Slug, ...] = ()
    about: Annotated[tuple[Matter, ...], Field(min_length=1)] = ("named", "broken", "changed")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.publishers and (self.lifts or self.about == ("named",)):
            message = "`publishers` is empty, so nobody is named"
            raise ValueError(message)
        return self

    def look(self, case: Case) -> Reason | None:
        """Answer with who published the file: to allow if it is whom the policy names."""
        facts = case.facts
        if facts is None:
            return None
        reason = self._named(case.artifact, facts.attestations) if self.publishers and "named" in self.about else None
        if "broken" in self.about and facts.findings and (reason is None or reason.outcome.gravity < self.then.gravity):
            broken = [found.detail for found in facts.findings if found.code == UNVERIFIED]
            reason = self.reason(f"its provenance does not hold: {'; '.join(broken[:3])}") if broken else reason
        return self._changed(case, facts.attestations) if reason is None and "changed" in self.about else reason

    def _named(self, artifact: Artifact, attestations: tuple[Attestation, ...]) -> Reason | None:
        wanted = [one for one in self.publishers if (one.kind, one.project) == (artifact.kind, artifact.project)]
        if not wanted:
            return None
        for found in attestations:
            if any(publisher.is_behind(found) for publisher in wanted):
                return self.reason(f"published by {_name(found)}, which is verified", Outcome.ALLOW)
        if self.then is Outcome.ALLOW:
            return None  # an answer that allows means "verified", and lifts
        others = ", ".join(map(_name, attestations[:3]))
        return self.reason(f"published by {others}, not by whom the policy names" if others else "no attestation")

    def _changed(self, case: Case, attestations: tuple[Attestation, ...]) -> Reason | None:
        earlier = case.known.published.get((case.artifact.kind, case.artifact.project))
        if not earlier or not earlier.isdisjoint(map(_name, attestations)):
            return None
        now = ", ".join(map(_name, attestations[:3])) or "nobody who is known"
        return self.reason(f"published by {now}; the last approved release was by {', '.join(sorted(earlier))}")


def publishers_of(facts: Facts) -> frozenset[str]:
    """Return who published a file, as ``Knowledge.published`` holds it."""
    return frozenset(map(_name, facts.attestations))


def _name(found: Attestation) -> str:
    return f"{found.publisher} {found.repository}{' ' + found.workflow if found.workflow else ''}"
