"""The rule on time: what is young waits."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from sekisho.model import Reason
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
    """Return which advisories on approved releases do not concern this one, in words."""
    artifact, known = case.artifact, case.known
    approved = known.approved.get((artifact.kind, artifact.project), frozenset()) - {artifact.release}
    if not approved:
        return ""
    still = {hit.advisory.id for hit in case.hits or ()}
    mended: dict[str, str] = {}
    for release in sorted(approved):
        for hit in known.concerning(artifact.kind, artifact.project, release) or ():
            if hit.certain and hit.advisory.id not in still:
                mended.setdefault(hit.advisory.id, release)
    return ", ".join(f"{name} of the approved {release}" for name, release in list(mended.items())[:3])
