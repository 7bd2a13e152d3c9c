"""A policy snapshot: one commit of the allowlists tree, compiled into an immutable signed value.

Proxies and replicas share nothing but this. ``Door`` is the index over it that every route asks.
"""

from collections.abc import Mapping
from datetime import datetime

from sekisho.allowlist import Allowlist, RefusedEntry, SignedApproval, Source
from sekisho.model import Approval, Artifact, Kind, Moment, Record, Slug
from sekisho.policy.rules import Policy
from sekisho.signing import SNAPSHOT_TYPE, Envelope, Signer, Trust


class Snapshot(Record):
    """What one revision of the tree admits.

    ``sequence`` only grows, so that an old snapshot cannot be played back. ``approvals`` keep their signatures:
    whoever serves by a snapshot can check each one again.
    """

    revision: str
    sequence: int
    made: Moment
    policy: Policy
    sources: tuple[Source, ...] = ()
    approvals: tuple[SignedApproval, ...] = ()
    refused: tuple[RefusedEntry, ...] = ()


def compile_snapshot(
    allowlist: Allowlist, policy: Policy, sources: tuple[Source, ...], *, revision: str, sequence: int, now: datetime
) -> Snapshot:
    """Put what a commit says into one value."""
    return Snapshot(
        revision=revision,
        sequence=sequence,
        made=now,
        policy=policy,
        sources=sources,
        approvals=allowlist.approvals,
        refused=allowlist.refused,
    )


def seal_snapshot(snapshot: Snapshot, signer: Signer) -> Envelope:
    """Sign a snapshot."""
    return signer.envelope(SNAPSHOT_TYPE, snapshot.canonical())


def open_snapshot(envelope: Envelope, trust: Trust) -> Snapshot:
    """Verify a sealed snapshot and every approval in it; raise ``CorruptError`` for any that does not hold."""
    snapshot = Snapshot.parse_json(trust.open("snapshot", SNAPSHOT_TYPE, envelope), where="policy snapshot")
    for signed in snapshot.approvals:
        signed.verify(trust)
    return snapshot


class Door:
    """What one workspace may have by one snapshot: the only place that says yes.

    Denials of the policy beat approvals; an approval that has expired admits nothing; a hash that nobody approved
    is not admitted.
    """

    def __init__(self, snapshot: Snapshot, workspace: Slug) -> None:
        self.snapshot = snapshot
        self.workspace = workspace
        self._by_hash: dict[str, list[tuple[Approval, Artifact]]] = {}
        self._by_project: dict[tuple[Kind, str], list[tuple[Approval, Artifact]]] = {}
        for signed in snapshot.approvals:
            if workspace in signed.approval.scope:
                for artifact in signed.approval.artifacts:
                    pair = (signed.approval, artifact)
                    self._by_hash.setdefault(artifact.sha256, []).append(pair)
                    self._by_project.setdefault((artifact.kind, artifact.project), []).append(pair)

    def admits(self, sha256: str, now: datetime) -> Artifact | None:
        """Return the artifact if the workspace may have these bytes now."""
        for approval, artifact in self._by_hash.get(sha256, ()):
            if self._holds(approval, artifact, now):
                return artifact
        return None

    def artifacts(self, kind: Kind, project: str, now: datetime) -> tuple[Artifact, ...]:
        """Return the files of ``project`` that the workspace may have now, each once, sorted by file name."""
        found: Mapping[str, Artifact] = {
            artifact.sha256: artifact
            for approval, artifact in self._by_project.get((kind, project), ())
            if self._holds(approval, artifact, now)
        }
        return tuple(sorted(found.values(), key=lambda artifact: artifact.filename))

    def projects(self, kind: Kind, now: datetime) -> tuple[str, ...]:
        """Return the names of which the workspace may have at least one file now."""
        return tuple(sorted(name for of, name in self._by_project if of == kind and self.artifacts(kind, name, now)))

    def hashes(self, now: datetime) -> frozenset[str]:
        """Return every sha256 that the workspace may have now."""
        return frozenset(sha256 for sha256 in self._by_hash if self.admits(sha256, now))

    def next_expiry(self, kind: Kind, project: str, now: datetime) -> datetime | None:
        """Return when the answer for ``project`` changes by itself, if it does."""
        ends = [
            approval.expires
            for approval, _ in self._by_project.get((kind, project), ())
            if approval.expires and approval.expires > now
        ]
        return min(ends, default=None)

    def why_not(self, kind: Kind, project: str, now: datetime) -> tuple[str, str]:
        """Return (rule id, sentence) for a project that has nothing to offer."""
        pairs = self._by_project.get((kind, project), ())
        for approval, artifact in pairs:
            denial = self.snapshot.policy.hard_denial(artifact, now)
            if denial:
                return denial.rule, denial.evidence
            if not approval.admits(self.workspace, now):
                return "expired", f"the approval of {artifact.name} expired"
        elsewhere = any(
            artifact.project == project and artifact.kind == kind
            for signed in self.snapshot.approvals
            for artifact in signed.approval.artifacts
        )
        if elsewhere:
            return "not-approved", f"{project} is approved, but not for workspace {self.workspace}"
        return "not-approved", f"{project} is not approved for workspace {self.workspace}"

    def _holds(self, approval: Approval, artifact: Artifact, now: datetime) -> bool:
        return approval.admits(self.workspace, now) and self.snapshot.policy.hard_denial(artifact, now) is None
