"""What is *affected*: approved, and denied now, or with something against it that nobody knew when it was approved.

It is recorded, and shown with everybody who has it and what would mend it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sekisho.model import Outcome, Verdict
from sekisho.policy import Policy, Snapshot
from sekisho.policy.inform import inform, learn
from sekisho.policy.judge import Bench
from sekisho.policy.rejudge import Held, Uses, impact
from sekisho_portal.feeds import Feeds
from sekisho_portal.judging import Concern, concerns
from sekisho_portal.lock_index import LockIndex
from sekisho_portal.means import POLICY, Means
from sekisho_portal.rejudging import Grave, Key, Rejudging
from sekisho_portal.sightings import Sightings

SUBJECT = "rejudged"


class Affected:
    """Compares what is to be said of approved files now with what was said when they were approved."""

    def __init__(self, means: Means, again: Rejudging, feeds: Feeds, sightings: Sightings, locks: LockIndex) -> None:
        self._means = means
        self._again = again
        self._feeds = feeds
        self._sightings = sightings
        self._locks = locks
        self._recorded: dict[Key, frozenset[Concern]] | None = None
        self._accepted: dict[str, dict[str, Verdict]] = {}

    def find(self, snapshot: Snapshot) -> list[Grave]:
        """Return what is denied, or has something against it that was not there when it was approved."""
        policy = snapshot.policy
        return [
            grave
            for grave in self._again.grave(snapshot)
            if grave.verdict.outcome is Outcome.DENY or concerns(grave.verdict, policy) - self._known(grave, policy)
        ]

    def _known(self, grave: Grave, policy: Policy) -> frozenset[Concern]:
        """Return what was said of a file when it was approved; the newest approval counts."""
        newest = max(grave.approvals, key=lambda approval: approval.at)
        if newest.request not in self._accepted:
            rows = self._means.ledger.entries(subject=newest.request, kinds=("judged",))
            self._accepted[newest.request] = {
                verdict["sha256"]: Verdict.parse(verdict, where=f"ledger row {row.seq}")
                for row in rows
                if row.at <= newest.at
                for verdict in row.body["judgement"]["verdicts"]
                if verdict["outcome"] != Outcome.ALLOW or len(verdict["reasons"]) > 1
            }
        shown = self._accepted[newest.request].get(grave.verdict.sha256)
        return concerns(shown, policy) if shown else frozenset()

    def record(self, snapshot: Snapshot) -> bool:
        """Write to the ledger what became affected, and what is so no more; tell whether anything did."""
        found = self.find(snapshot)
        policy = snapshot.policy
        now = {grave.key: concerns(grave.verdict, policy) for grave in found}
        before = self._before()
        fresh = [grave for grave in found if now[grave.key] - before.get(grave.key, frozenset())]
        cleared = [key for key in before if key not in now]
        if not fresh and not cleared:
            return False
        body = {
            "revision": snapshot.revision,
            "policy": policy.digest(),
            "advisories": self._feeds.stamp,
            "affected": list(self.told(snapshot, fresh)),
            "concerns": [[*grave.key, sorted(map(list, now[grave.key]))] for grave in fresh],
            "cleared": sorted(map(list, cleared)),
        }
        self._means.ledger.append("rejudged", SUBJECT, actor=POLICY, body=body)
        self._recorded = now
        return True

    def _before(self) -> Mapping[Key, frozenset[Concern]]:
        """Return what was affected by the ledger's last word on it."""
        if self._recorded is None:
            told: dict[Key, frozenset[Concern]] = {}
            for row in self._means.ledger.entries(subject=SUBJECT, kinds=("rejudged",)):
                for workspace, sha256, project, said in row.body["concerns"]:
                    told[workspace, sha256, project] = frozenset(map(tuple, said))
                for workspace, sha256, project in row.body["cleared"]:
                    told.pop((workspace, sha256, project), None)
            self._recorded = told
        return self._recorded

    def told(self, snapshot: Snapshot, found: Iterable[Grave]) -> Iterator[dict[str, Any]]:
        """Say of each affected file who has it, which locks and images hold it, and what would mend it."""
        rows = list(found)
        if not rows:
            return
        uses, now = self._uses(rows), self._means.clock()
        facts = self._sightings.facts(grave.artifact.sha256 for grave in rows)
        benches: dict[str, Bench] = {}
        for grave in rows:
            if grave.workspace not in benches:
                there = inform(snapshot, learn(snapshot), grave.workspace, now, advisories=self._feeds.index)
                benches[grave.workspace] = self._again.benches(snapshot.policy, there, now)[0]
            bench = benches[grave.workspace]
            known = facts.get(grave.artifact.sha256)
            against = bench.known.against(grave.artifact, known) or ()
            yield {
                **impact(grave.verdict, uses, bench, known).plain(),
                "workspace": grave.workspace,
                "kind": grave.artifact.kind,
                "name": grave.artifact.name,
                "advisories": [hit.advisory.id for hit in against],
                "approvers": snapshot.policy.approvers_for(grave.workspace),
            }

    def _uses(self, rows: Iterable[Grave]) -> Uses:
        """Return who has these files: their approvals, and every lock and image that the ledger knows."""
        uses, wanted = Uses(), set[str]()
        for approval in {(one.id, one.artifacts[0].sha256): one for row in rows for one in row.approvals}.values():
            uses.approve(approval)
            wanted.update(artifact.sha256 for artifact in approval.artifacts)
        self._locks.follow()
        files = {file.id: file for file in self._locks.files_of(wanted)}
        for lock in self._locks.holding(tuple(files.values())).locks:
            held = Held(lock.digest, lock.workspace, (lock.image,) if lock.image else ())
            uses.hold(held, {files[number].sha256 for number in lock.files})
        return uses
