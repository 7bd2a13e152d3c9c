"""Rules on what is known against a release: malicious code, and advisories."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sekisho.advisories import FeedName, Hit
from sekisho.model import Outcome, Reason
from sekisho.policy.rules.base import BaseRule, Case

_SHOWN = 5


class Malicious(BaseRule):
    """The release, or this very file, is reported as malicious. What no data covers is not known to be harmless."""

    hard: ClassVar[bool] = True
    check: Literal["malicious"]
    then: Outcome = Outcome.DENY

    @property
    def feeds(self) -> tuple[FeedName, ...]:
        """Return OSV: its reports of malicious packages are part of it."""
        return ("osv",)

    def look(self, case: Case) -> Reason | None:
        """Answer for any report that may mean this release: here a doubt is enough."""
        named = case.known.advisories.file(case.artifact.sha256)
        if named is not None:
            return self.reason(f"{named.id} names this very file: {named.summary}")
        hits = case.hits
        if hits is None:
            return _unknown(self, case, "data on malicious packages")
        found = [hit.advisory for hit in hits if hit.advisory.malicious]
        return self.reason("; ".join(f"{one.id}: {one.summary}" for one in found[:_SHOWN])) if found else None


class AdvisoryRule(BaseRule):
    """An advisory concerns the release: one of CVSS ``severity`` or more, with ``kev`` any that is known to be
    exploited, with ``epss`` any that is as likely to be. One of unknown severity goes to review, and so does a release
    that no data covers. ``unless: vex`` heeds signed statements that it does not matter.
    """  # noqa: D205

    check: Literal["advisory"]
    severity: Annotated[float, Field(ge=0, le=10)]
    kev: bool = False
    epss: Annotated[float, Field(ge=0, le=1)] | None = None
    unless: Literal["vex"] | None = None

    @property
    def feeds(self) -> tuple[FeedName, ...]:
        """Return OSV, and the others as far as they are asked."""
        return ("osv", *(["kev"] if self.kev else ()), *(["epss"] if self.epss is not None else ()))

    def look(self, case: Case) -> Reason | None:
        """Answer with the gravest few, what mends them, and what excuses the others."""
        hits = case.hits
        if hits is None:
            return _unknown(self, case, "advisory data")
        if not hits:
            return None
        excused, left = self._excuse(hits, case)
        grave = [hit for hit in left if self._is_grave(hit)]
        if any(hit.certain for hit in grave):
            return self.reason(_list(grave))
        if grave:
            return self.doubt(f"it may be concerned, they do not say which releases are: {_list(grave)}")
        unknown = [hit for hit in left if hit.advisory.score is None]
        if unknown:
            return self.doubt(f"of unknown severity: {_list(unknown)}")
        return self.reason("; ".join(excused[:_SHOWN]), Outcome.ALLOW) if excused else None

    def _excuse(self, hits: Sequence[Hit], case: Case) -> tuple[list[str], list[Hit]]:
        if self.unless is None:
            return [], list(hits)
        artifact, excused, left = case.artifact, [], []
        subject = (artifact.kind, artifact.project, artifact.release)
        for hit in hits:
            said = case.known.excuses.find(hit.advisory.names, subject, case.known.workspace, case.now)
            if said and not hit.advisory.malicious:
                ids = " and ".join(one.id for one in said)
                excused.append(f"{hit.advisory.id} does not matter ({ids}: {said[0].justification})")
            else:
                left.append(hit)
        return excused, left

    def _is_grave(self, hit: Hit) -> bool:
        score, likely = hit.advisory.score, hit.advisory.epss
        return (
            hit.advisory.malicious
            or (score is not None and score >= round(self.severity * 10))
            or (self.kev and hit.advisory.exploited)
            or (self.epss is not None and likely is not None and likely >= self.epss * 100_000)
        )


def _unknown(rule: BaseRule, case: Case, what: str) -> Reason | None:
    """Answer that no data covers the release. What a conda package holds only an inspection tells: before, nothing."""
    artifact = case.artifact
    if artifact.kind != "conda" or not case.known.advisories.covers("pypi"):
        return rule.doubt(f"unknown: no {what} covers {artifact.kind}")
    said = f"unknown: no {what} covers {artifact.project}, which holds no project of an index that is known"
    return rule.doubt(said) if case.facts else None


def _list(hits: Sequence[Hit]) -> str:
    more = f" and {len(hits) - _SHOWN} more" if len(hits) > _SHOWN else ""
    return ", ".join(map(_describe, hits[:_SHOWN])) + more


def _describe(hit: Hit) -> str:
    score = hit.advisory.score
    said = ["severity unknown" if score is None else f"{score / 10:.1f}"]
    said += ["exploited"] if hit.advisory.exploited else []
    said += [f"fixed in {', '.join(hit.fixed[:3])}"] if hit.fixed else ["no fix named"]
    return f"{hit.advisory.id} ({'; '.join(said)})"
