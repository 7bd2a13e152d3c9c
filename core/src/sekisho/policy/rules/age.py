"""The rule on time: what is young waits."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from sekisho.model import Reason, node_of
from sekisho.policy.knowledge import Project
from sekisho.policy.rules.base import BaseRule, Case


class ReleaseAge(BaseRule):
    """A release younger than ``days`` waits: most attacks are found within that time.

    The upload time that the source states counts, unless it is missing or in the future: then, or with
    ``clock: first-seen``, the time at which we saw the file first. That counts for a channel's packages, too, unless
    its source says ``ages: stated``. A release that mends an advisory on an approved one need not wait, a person may
    take it at once.
    """

    check: Literal["release_age"]
    days: Annotated[int, Field(ge=0, le=3650)]
    clock: Literal["source", "first-seen"] = "source"

    def look(self, case: Case) -> Reason | None:
        """Answer when the file is too young by a clock that can be trusted, or when there is none."""
        since, what = self._since(case)
        if since is None:
            return self.reason(what)
        age = (case.now - since).days
        if age >= self.days:
            return None
        evidence = f"{what} {age} days ago, less than {self.days}"
        mended = _mends(case)
        return self.doubt(f"{evidence}, but it mends {mended}") if mended else self.reason(evidence)

    def _since(self, case: Case) -> tuple[datetime | None, str]:
        """Return since when the file is out, and by which clock; without one, why there is none."""
        uploaded, channel = case.artifact.uploaded, case.artifact.kind == "conda"
        seen = case.known.first_seen.get(case.artifact.sha256)
        if uploaded is None:
            problem = "the source states no upload time"
        elif uploaded > case.now:
            problem = "the source states an upload time in the future"
        elif self.clock == "source":
            return (
                (seen, "first seen")
                if seen is not None and seen < uploaded
                else (uploaded, "first seen" if channel else "uploaded")
            )
        else:
            problem = "it was not seen before"
        return (seen, "first seen") if seen is not None else (None, problem)


def _mends(case: Case) -> str:
    """Return which advisories on approved releases do not concern this one, in words.

    A conda package and the project that it holds are the same here, where that is known.
    """
    known = case.known
    still = {hit.advisory.id for hit in case.hits or ()}
    mended: dict[str, str] = {}
    for name, subjects, release in _approved(case):
        for subject in subjects:
            for hit in known.advisories.affecting(*subject, release):
                if hit.certain and hit.advisory.id not in still:
                    mended.setdefault(hit.advisory.id, f"{name}{release}")
    return ", ".join(f"{advisory} of the approved {named}" for advisory, named in list(mended.items())[:3])


def _approved(case: Case) -> Iterator[tuple[str, tuple[Project, ...], str]]:
    """Yield what is approved of the same project: how it is named, what advisories call it, the release."""
    artifact, known = case.artifact, case.known
    subjects = known.known_as(artifact, case.facts)
    for release in sorted(known.approved.get((artifact.kind, artifact.project), frozenset()) - {artifact.release}):
        yield "", subjects, release
    other_kind = subjects if artifact.kind == "conda" else known.advisories.same_as(artifact.kind, artifact.project)
    for kind, project in other_kind:
        called = ((kind, project),) if artifact.kind == "conda" else subjects
        for release in sorted(known.approved.get((kind, project), frozenset())):
            yield f"{node_of('conda' if kind == 'conda' else 'pypi', project)} ", called, release
