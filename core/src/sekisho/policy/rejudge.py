"""Judging again what was approved: after an import of advisories, and from an advisory to locks, images and workspaces.

Each distinct file is judged once, however many locks hold it; the way back from a file is an inverted index.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from sekisho.advisories import AdvisoryIndex, Hit
from sekisho.advisories.ranges import version_of
from sekisho.model import Approval, Artifact, Facts, Outcome, Reason, Sha256, Verdict
from sekisho.model.base import Record
from sekisho.policy.judge import Bench, weigh


class Held(NamedTuple):
    """A lock: what names it, for which workspace it is, and the images that were built from it."""

    lock: str
    workspace: str
    images: tuple[str, ...] = ()


class Uses:
    """What is approved, and which locks hold it: from a file to everything that would have to be built again."""

    def __init__(self) -> None:
        self.artifacts: dict[str, Artifact] = {}
        self._approvals: dict[str, list[Approval]] = {}
        self._projects: dict[tuple[str, str], list[str]] = {}
        self._locks: list[Held] = []
        self._holders: dict[str, array[int]] = {}

    def approve(self, approval: Approval) -> None:
        """Add an approval that is in force."""
        for artifact in approval.artifacts:
            if artifact.sha256 not in self.artifacts:
                self.artifacts[artifact.sha256] = artifact
                self._projects.setdefault((artifact.kind, artifact.project), []).append(artifact.sha256)
            self._approvals.setdefault(artifact.sha256, []).append(approval)

    def hold(self, held: Held, hashes: Iterable[str]) -> None:
        """Add a lock and the sha256 of everything in it."""
        number = len(self._locks)
        self._locks.append(held)
        holders = self._holders
        for sha256 in hashes:
            found = holders.get(sha256)
            if found is None:
                holders[sha256] = array("I", (number,))
            else:
                found.append(number)

    def approvals(self, sha256: str) -> tuple[Approval, ...]:
        """Return the approvals of a file."""
        return tuple(self._approvals.get(sha256, ()))

    def holders(self, sha256: str) -> tuple[Held, ...]:
        """Return the locks that hold a file."""
        return tuple(self._locks[number] for number in self._holders.get(sha256, ()))

    def concerned(
        self, name: str, advisories: AdvisoryIndex, facts: Mapping[str, Facts] | None = None
    ) -> Iterator[tuple[Artifact, Hit]]:
        """Yield every approved file that the advisory of this name concerns, ``facts`` telling what packages hold."""
        for sha256, known in (facts or {}).items():
            if known.contains and (held := self.artifacts.get(sha256)):
                for one in known.contains:
                    for hit in advisories.affecting("pypi", one.project, one.release):
                        if name in hit.advisory.names:
                            yield held, hit
        for kind, project in advisories.concerned(name):
            for sha256 in self._projects.get((kind, project), ()):
                artifact = self.artifacts[sha256]
                if facts and sha256 in facts and facts[sha256].contains:
                    continue
                for known_as in advisories.known_as(kind, project):
                    for hit in advisories.affecting(*known_as, artifact.release):
                        if name in hit.advisory.names:
                            yield artifact, hit


class Impact(Record):
    """What a verdict on an approved file means: who has it, and which release would mend it."""

    purl: str
    sha256: Sha256
    outcome: Outcome
    reasons: tuple[Reason, ...]
    approvals: tuple[str, ...]
    requests: tuple[str, ...]
    locks: tuple[str, ...]
    images: tuple[str, ...]
    workspaces: tuple[str, ...]
    upgrade: str | None = None


def rejudge(bench: Bench, artifacts: Iterable[Artifact], facts: Mapping[str, Facts]) -> dict[str, Verdict]:
    """Return what the rules say now of each file, by sha256, as if nothing of it were approved."""
    return {
        artifact.sha256: weigh(bench, artifact, facts.get(artifact.sha256), approved=frozenset(), ended={})
        for artifact in artifacts
    }


def worse(before: Mapping[str, Outcome], after: Mapping[str, Verdict]) -> tuple[Verdict, ...]:
    """Return the verdicts that are graver than they were, gravest first. What was not judged before was allowed."""
    found = [
        verdict
        for sha256, verdict in after.items()
        if verdict.outcome.gravity > before.get(sha256, Outcome.ALLOW).gravity
    ]
    return tuple(sorted(found, key=lambda verdict: (-verdict.outcome.gravity, verdict.purl)))


def impact(verdict: Verdict, uses: Uses, bench: Bench, facts: Facts | None = None) -> Impact:
    """Say what a verdict on an approved file means for everybody who has it."""
    held, given = uses.holders(verdict.sha256), uses.approvals(verdict.sha256)
    artifact = uses.artifacts.get(verdict.sha256)
    return Impact(
        purl=verdict.purl,
        sha256=verdict.sha256,
        outcome=verdict.outcome,
        reasons=verdict.reasons,
        approvals=tuple(sorted({one.id for one in given})),
        requests=tuple(sorted({one.request for one in given})),
        locks=tuple(sorted({one.lock for one in held})),
        images=tuple(sorted({image for one in held for image in one.images})),
        workspaces=tuple(sorted({one.workspace for one in held} | {name for one in given for name in one.scope})),
        upgrade=None if artifact is None else upgrade(artifact, bench.known.against(artifact, facts) or ()),
    )


def upgrade(artifact: Artifact, hits: Iterable[Hit]) -> str | None:
    """Return the lowest release that mends everything known against one; nothing if something has no fix.

    Of a conda package that is one of what it holds: advisories speak of the index's releases.
    """
    kind = "pypi" if artifact.kind == "conda" else artifact.kind
    present = version_of(kind, artifact.release)
    best = None
    for hit in hits:
        fixes = [found for text in hit.fixed if (found := version_of(kind, text)) is not None]
        above = [found for found in fixes if present is not None and found > present]
        if not above:
            return None
        lowest = min(above)
        best = lowest if best is None or lowest > best else best
    return None if best is None else str(best)
