"""Rules on where a file comes from: what the source says of it, and who published it."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sekisho.model import Attestation, Kind, Outcome, ProjectName, Reason, Record, Slug
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


class Provenance(BaseRule):
    """A project in ``publishers`` must come with a verified attestation (PEP 740) of a publisher that it names.

    With it, the rules in ``lifts`` need no person: their reviews are allowed, their denials stay.
    """

    inspects: ClassVar[bool] = True
    check: Literal["provenance"]
    publishers: Annotated[tuple[Publisher, ...], Field(min_length=1)]
    lifts: tuple[Slug, ...] = ()

    def look(self, case: Case) -> Reason | None:
        """Answer with who published the file: to allow if it is whom the policy names."""
        artifact = case.artifact
        wanted = [one for one in self.publishers if (one.kind, one.project) == (artifact.kind, artifact.project)]
        if not wanted or case.facts is None:
            return None
        for found in case.facts.attestations:
            if any(publisher.is_behind(found) for publisher in wanted):
                return self.reason(f"published by {_name(found)}, which is verified", Outcome.ALLOW)
        if self.then is Outcome.ALLOW:
            return None  # an answer that allows means "verified", and lifts
        others = ", ".join(map(_name, case.facts.attestations[:3]))
        return self.reason(f"published by {others}, not by whom the policy names" if others else "no attestation")


def _name(found: Attestation) -> str:
    return f"{found.publisher} {found.repository}{' ' + found.workflow if found.workflow else ''}"
