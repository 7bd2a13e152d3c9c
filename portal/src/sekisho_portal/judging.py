"""The desk judges: by the snapshot in force, and by all that is known besides."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from sekisho.errors import ConflictError
from sekisho.model import Artifact, Facts, Judgement, Newest, Outcome, Slug, Verdict, read_node
from sekisho.policy import Door, Policy, Snapshot, judge
from sekisho.policy.inform import Approved, ended, inform, learn
from sekisho.policy.judge import foresee
from sekisho.policy.knowledge import Knowledge, Project, Published
from sekisho.policy.licences import spdx
from sekisho.policy.rules.origin import publishers_of
from sekisho_portal.feeds import Feeds
from sekisho_portal.means import POLICY, Means
from sekisho_portal.sightings import Sightings
from sekisho_portal.standing import Standing


class Judged(NamedTuple):
    """A judgement, what of the closure was approved before, and how that differs from what the workspace has.

    ``avoidable`` are the exceptions that another release may not share: denials, and what an index entry tells. What
    only an inspection shows, as a licence, mostly holds for all releases. ``is_sought`` tells that another answer may
    do with less, which of conda packages it may whatever stands against them.
    """

    judgement: Judgement
    approved: frozenset[str]
    difference: Mapping[str, int]
    avoidable: tuple[str, ...] = ()
    is_sought: bool = False


class Judging:
    """Judges the closures of requests."""

    def __init__(self, means: Means, feeds: Feeds, sightings: Sightings) -> None:
        self._means = means
        self._feeds = feeds
        self._sightings = sightings
        self._learned: tuple[Snapshot, Approved] | None = None

    def learned(self, snapshot: Snapshot) -> Approved:
        """Return what a snapshot says of the past, made once."""
        if self._learned is None or self._learned[0] is not snapshot:
            self._learned = snapshot, learn(snapshot)
        return self._learned[1]

    def knowledge(self, workspace: str, artifacts: Sequence[Artifact]) -> Knowledge:
        """Return what is known in a workspace now, as far as it may matter for ``artifacts``."""
        now, snapshot = self._means.clock(), _whole(self._means.snapshots.current())
        last = self._last(Door(snapshot, workspace), artifacts, now)
        more = Knowledge(
            first_seen=self._sightings.first_seen(artifact.sha256 for artifact in artifacts),
            scanned={
                project: {scan.scanner: frozenset(scan.findings) for scan in facts.scans if not scan.problem}
                for project, facts in last.items()
            },
            published={project: publishers_of(facts) for project, facts in last.items() if facts.attestations},
        )
        return inform(snapshot, self.learned(snapshot), workspace, now, advisories=self._feeds.index, more=more)

    def judge(self, standing: Standing, where: Slug | None = None) -> Judged:
        """Judge the closure that was resolved last; raise ``ConflictError`` if there is none.

        It is judged for the workspace that asked, or for the one that ``where`` names.
        """
        closure = standing.closure()
        if closure is None:
            raise ConflictError(f"request {standing.id} is not resolved yet")
        now, workspace = self._means.clock(), where or standing.request.workspace
        snapshot = self._means.snapshots.current()
        door = Door(_whole(snapshot), workspace)
        approved = frozenset(row.sha256 for row in closure.files if door.has(row, now))
        known = _with_newest(self.knowledge(workspace, closure.files), standing.newest())
        known = replace(known, excuses=known.excuses.of_others(standing.request.requester))
        facts, past = standing.facts(), ended(snapshot, workspace, now, but=POLICY)
        judgement = judge(closure, facts, snapshot.policy, approved=approved, ended=past, known=known, now=now)
        foresight = foresee(snapshot.policy, replace(known, direct=standing.request.asked()), now)
        avoidable = tuple(
            verdict.sha256
            for artifact, verdict in zip(closure.files, judgement.verdicts, strict=True)
            if verdict.outcome is Outcome.DENY
            or (
                verdict.outcome is Outcome.REVIEW
                and foresight.verdict(artifact, None, approved=approved, ended=past).outcome is not Outcome.ALLOW
            )
        )
        is_sought = bool(avoidable) or (judgement.outcome is not Outcome.ALLOW and bool(closure.of("conda")))
        return Judged(judgement, approved, _difference(closure.files, approved, known), avoidable, is_sought)

    def told(self, standing: Standing) -> dict[str, Any]:
        """Return what is to be said of a request's closure now, for whoever builds an image of it.

        ``licences`` are SPDX expressions by sha256, as far as they are known; ``covered`` are the kinds of packages
        that advisories speak of.
        """
        facts = standing.facts().values()
        found = {one.sha256: spdx(one.license_expression, one.license_hint, one.license_classifiers) for one in facts}
        return {
            "judgement": self.judge(standing).judgement.plain(),
            "licences": {sha256: licence for sha256, licence in sorted(found.items()) if licence},
            "covered": sorted(self._feeds.index.covers_kinds),
        }

    def foresee(
        self, standing: Standing, artifacts: Sequence[Artifact], newest: Mapping[str, Newest]
    ) -> Mapping[str, Verdict]:
        """Foretell by sha256 the verdicts on files that a resolver may choose for a request."""
        now, request = self._means.clock(), standing.request
        snapshot = self._means.snapshots.current()
        door = Door(_whole(snapshot), request.workspace)
        known = _with_newest(self.knowledge(request.workspace, artifacts), newest)
        known = replace(known, direct=request.asked(), excuses=known.excuses.of_others(request.requester))
        foresight = foresee(snapshot.policy, known, now)
        facts = self._sightings.facts(artifact.sha256 for artifact in artifacts)
        approved = frozenset(row.sha256 for row in artifacts if door.has(row, now))
        past = ended(snapshot, request.workspace, now, but=POLICY)
        return {
            row.sha256: foresight.verdict(row, facts.get(row.sha256), approved=approved, ended=past)
            for row in artifacts
        }

    def _last(self, door: Door, artifacts: Iterable[Artifact], now: datetime) -> dict[Project, Facts]:
        """Return the facts of the release of each project that was approved last."""
        last = {}
        for kind, project in {(artifact.kind, artifact.project) for artifact in artifacts}:
            if rows := door.admitted(kind, project, now):
                last[kind, project] = max(rows, key=lambda row: row.newest).artifact.sha256
        facts = self._sightings.facts(last.values())
        return {project: facts[sha256] for project, sha256 in last.items() if sha256 in facts}


def _whole(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot without what was let in by breaking glass: it is no reason to let anything else in."""
    rows = list(zip(snapshot.approvals, snapshot.admitted_since(), strict=True))
    kept = [row for row in rows if not row[0].approval.break_glass]
    if len(kept) == len(rows):
        return snapshot
    return snapshot.model_copy(
        update={"approvals": tuple(row[0] for row in kept), "since": tuple(row[1] for row in kept)}
    )


def _with_newest(known: Knowledge, newest: Mapping[str, Newest]) -> Knowledge:
    """Add what the source offers of what was asked for by name."""
    found: dict[Project, Published] = {
        read_node(node): Published(row.release, row.uploaded) for node, row in newest.items()
    }
    return replace(known, newest=found)


def _difference(artifacts: Iterable[Artifact], approved: frozenset[str], known: Knowledge) -> dict[str, int]:
    """Count the files that the workspace has, those of projects that it has in other releases only, and the rest."""
    found = {"known": 0, "new": 0, "upgraded": 0}
    for artifact in artifacts:
        releases = known.approved.get((artifact.kind, artifact.project), frozenset())
        if artifact.sha256 in approved:
            found["known"] += 1
        else:
            found["upgraded" if releases - {artifact.release} else "new"] += 1
    return found


Concern = tuple[str, ...]


def concerns(verdict: Verdict, policy: Policy) -> frozenset[Concern]:
    """Return what a person would have to know of a verdict, so that two of different days can be compared.

    A rule that leans on a feed counts with its evidence, which names the advisories; any other by its name alone.
    """
    leaning = {rule.id for rule in policy.rules if rule.feeds}
    return frozenset(
        (reason.rule, str(reason.outcome), reason.evidence if reason.rule in leaning else "")
        for reason in verdict.reasons
        if reason.outcome is not Outcome.ALLOW
    )
