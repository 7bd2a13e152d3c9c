"""What is approved is judged again whenever more is known or the policy changes.

What the rules deny now goes into the snapshot, so that every door refuses it.
"""

import threading
from collections.abc import Callable, Mapping, Set
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from sekisho.ledger import Ledger
from sekisho.model import Approval, Artifact, Facts, Outcome, Reason, Verdict
from sekisho.model.verdict import gravest
from sekisho.policy import Knowledge, Policy, Snapshot
from sekisho.policy.inform import inform, learn
from sekisho.policy.judge import Bench, prepare
from sekisho.policy.snapshot import Denial, Lapse
from sekisho.policy.weaknesses import Weakness, known_against
from sekisho.revocations import SignedRevocation
from sekisho.vex import Excuses
from sekisho_portal.approved_files import approved_as, approved_files, asker_of, ends_after, twins
from sekisho_portal.feeds import Feeds
from sekisho_portal.lapsing import Lapsing
from sekisho_portal.sightings import Sightings

Key = tuple[str, str, str]
"""A workspace, a sha256 and what that is approved as: the same bytes may be approved under two names."""


_MOST_NAMED = 5


class Grave(NamedTuple):
    """A verdict that is no plain yes, on a file that is approved in a workspace."""

    workspace: str
    verdict: Verdict
    artifact: Artifact
    approvals: tuple[Approval, ...]

    @property
    def key(self) -> Key:
        """Return what tells it from every other."""
        return self.workspace, self.verdict.sha256, approved_as(self.artifact)

    @property
    def denial(self) -> Reason | None:
        """Return why it is denied, if it is."""
        return next((row for row in self.verdict.reasons if row.outcome is Outcome.DENY), None)


class Rejudging:
    """Judges what is approved by what is known now. A verdict is remembered until something that led to it changes."""

    def __init__(
        self,
        feeds: Feeds,
        sightings: Sightings,
        ledger: Ledger,
        clock: Callable[[], datetime],
    ) -> None:
        self._feeds = feeds
        self._sightings = sightings
        self._ledger = ledger
        self._clock = clock
        self._lock = threading.Lock()
        self._context = ""
        self._epoch = 0
        self._revoked: list[SignedRevocation] = []
        self._mark = 0
        self._remembered: dict[tuple[str, str, str, str], Verdict | None] = {}
        self._due: datetime | None = None
        self._reports = "", ""
        self._lapsing = Lapsing(sightings, ledger)
        self._lapse_due: datetime | None = None

    def stamp(self) -> str:
        """Return what changes when a snapshot has to be compiled anew although the tree is the same.

        That is for other advisories, a revocation, the end of a statement, and every hour, as files grow older.
        """
        now = self._clock()
        if self._due is not None and self._due <= now:
            self._epoch, self._due = self._epoch + 1, None
        if self._lapsing.unfinished or (self._lapse_due is not None and self._lapse_due <= now):
            self._epoch, self._lapse_due = self._epoch + 1, None
        return f"{self._feeds.stamp} {len(self.revocations())} {self._epoch} {now:%Y-%m-%dT%H}"

    def revocations(self) -> tuple[SignedRevocation, ...]:
        """Return what the ledger knows to be revoked, whatever became of it in the tree."""
        for row in self._ledger.entries(after=self._mark, kinds=("revocation-intended",)):
            self._revoked.append(SignedRevocation.parse(row.body["signed"], where=f"ledger row {row.seq}"))
            self._mark = row.seq
        return tuple(self._revoked)

    def lapses(self, snapshot: Snapshot) -> tuple[Lapse, ...]:
        """Return which approved files are shown no more, because what they need may not be had."""
        now = self._clock()
        found = self._lapsing.find(snapshot, now)
        ends = (one.at for one in found if one.at > now)  # then another release may do in its place
        self._lapse_due = min(ends, default=None)
        return found

    def reports(self, policy: Policy) -> str:
        """Return the reports of malicious code where doors need them: files that nobody judged are served there."""
        asked = any("osv" in rule.feeds and rule.hard for rule in policy.rules)
        if not policy.relaxed() or not asked or "osv" in policy.absent:
            return ""
        if self._reports[0] != self._feeds.stamp:
            self._reports = self._feeds.stamp, self._feeds.index.reports().dump().decode()
        return self._reports[1]

    def denied(self, snapshot: Snapshot) -> tuple[Denial, ...]:
        """Return the files among the approved ones that the rules deny now, and where.

        Bytes are denied whatever they are approved as: what is known of them does not go away with another name.
        """
        hard = {rule.id for rule in snapshot.policy.rules if rule.hard}
        graves = [(grave, reason) for grave in self.grave(snapshot) if (reason := grave.denial)]
        also = twins(snapshot, {grave.verdict.sha256 for grave, _ in graves})
        found: dict[tuple[str, str], tuple[Verdict, Reason, list[str]]] = {}
        for grave, reason in graves:
            told = _with_twins(grave, reason, also.get(grave.verdict.sha256, frozenset()))
            key = grave.verdict.sha256, told.canonical().decode()
            found.setdefault(key, (grave.verdict, told, []))[2].append(grave.workspace)
        return tuple(
            Denial(
                sha256=verdict.sha256,
                reason=reason,
                scope=tuple(sorted(scope)),
                hard=any(row.rule in hard and row.outcome is Outcome.DENY for row in verdict.reasons),
            )
            for verdict, reason, scope in (found[key] for key in sorted(found))
        )

    def weaknesses(self, snapshot: Snapshot) -> tuple[Weakness, ...] | None:
        """Return what is known against approved releases, for clients that ask a door for it."""
        artifacts = (artifact for signed in snapshot.approvals for artifact in signed.approval.artifacts)
        return known_against(artifacts, self._feeds.index)

    def grave(self, snapshot: Snapshot) -> list[Grave]:
        """Judge everything that is approved, and return what is no plain yes."""
        with self._lock:
            now = self._clock()
            self._begin(snapshot, now)
            found = []
            for workspace, files in approved_files(snapshot, now).items():
                missing: dict[str, list[Artifact]] = {}
                for key, (artifact, approvals) in files.items():
                    if (workspace, *key, asker := asker_of(approvals)) not in self._remembered:
                        missing.setdefault(asker, []).append(artifact)
                self._judge(snapshot, workspace, missing, now)
                for key, (artifact, approvals) in files.items():
                    verdict = self._remembered[workspace, *key, asker_of(approvals)]
                    if verdict is not None:
                        found.append(Grave(workspace, verdict, artifact, tuple(approvals)))
            return found

    def _begin(self, snapshot: Snapshot, now: datetime) -> None:
        """Forget what was said under another policy, other advisories, or other statements."""
        holding = [one.statement.digest() for one in snapshot.vex if ends_after(one.statement.expires, now)]
        hour = f"{now:%Y-%m-%dT%H}"
        context = " ".join((snapshot.policy.digest(), self._feeds.stamp, hour, *sorted(holding)))
        if context != self._context:
            self._context, self._remembered = context, {}
        ends = (one.statement.expires for one in snapshot.vex)
        self._due = min((end for end in ends if end and end > now), default=None)

    def _judge(self, snapshot: Snapshot, workspace: str, missing: Mapping[str, list[Artifact]], now: datetime) -> None:
        """Judge files, each by what others than the one who asked for it, if it was only one, say of advisories."""
        if not missing:
            return
        hashes = [artifact.sha256 for artifacts in missing.values() for artifact in artifacts]
        facts = self._sightings.facts(hashes)
        more = Knowledge(first_seen=self._sightings.first_seen(hashes))
        known = inform(snapshot, learn(snapshot), workspace, now, advisories=self._feeds.index, more=more)
        both: dict[Excuses, tuple[Bench, Bench]] = {}
        for asker, artifacts in missing.items():
            excuses = known.excuses.of_others(asker)  # mostly the same, and so are the rules then
            benches = both.get(excuses) or self.benches(snapshot.policy, replace(known, excuses=excuses), now)
            both[excuses] = benches
            for artifact in artifacts:
                verdict = _verdict(benches, artifact, facts.get(artifact.sha256))
                key = workspace, artifact.sha256, approved_as(artifact), asker
                self._remembered[key] = None if verdict.outcome is Outcome.ALLOW else verdict

    def benches(self, policy: Policy, known: Knowledge, now: datetime) -> tuple[Bench, Bench]:
        """Return the rules for files with facts and without, but for those whose feed was never imported.

        That a feed is old says nothing against a single file.
        """
        there = set(known.advisories.feeds)
        kept = policy.model_copy(update={"rules": tuple(rule for rule in policy.rules if set(rule.feeds) <= there)})
        return (
            prepare(kept, known, now)._replace(always=()),
            prepare(kept, known, now, inspected=False)._replace(always=()),
        )


def _with_twins(grave: Grave, reason: Reason, names: Set[str]) -> Reason:
    """Say which file a reason speaks of, where the same bytes are approved as something else, too."""
    if not names:
        return reason
    name = approved_as(grave.artifact)
    others = ", ".join(sorted(names - {name})[:_MOST_NAMED])
    said = f"{reason.evidence} (said of {name}; it denies the same bytes as {others}, too)"
    return reason.model_copy(update={"evidence": said})


def _verdict(benches: tuple[Bench, Bench], artifact: Artifact, facts: Facts | None) -> Verdict:
    """Judge a file; of one that was approved elsewhere it is not known here what only an inspection tells."""
    inspected, bare = benches
    reasons = inspected.reasons(artifact, facts) if facts else bare.reasons(artifact, None)
    outcome = gravest([row.outcome for row in reasons])
    return Verdict(purl=artifact.purl, sha256=artifact.sha256, outcome=outcome, reasons=reasons)
