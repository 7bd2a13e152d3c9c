"""What portal and policy have on record of the locked files, for gates that look at records."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sekisho.lock import Lock
from sekisho.model import Approval, Closure, Edge, Judgement, canonical_json, sha256_hex
from sekisho.policy import Policy, Snapshot

_POLICY = "policy"
"""Who approves where no person did; what the rules alone let in, they can stop."""


class OnRecord(NamedTuple):
    """What is known of the locked files when the gates run.

    ``judgement`` is what ``policy`` says of them now, ``approvals`` are those in force. ``covered`` are the kinds of
    packages that the portal's advisories speak of, ``licences`` SPDX expressions by sha256, as far as they are known,
    ``edges`` who needs whom. ``inside`` are the sources whose files are not public.
    """

    policy: Policy
    judgement: Judgement
    approvals: tuple[Approval, ...] = ()
    covered: frozenset[str] = frozenset()
    licences: Mapping[str, str] = {}
    edges: tuple[Edge, ...] = ()
    inside: frozenset[str] = frozenset()

    @property
    def people(self) -> Mapping[str, str]:
        """Return who approved which file, by sha256, where that was not the policy."""
        judged = {verdict.sha256 for verdict in self.judgement.verdicts}
        return {
            artifact.sha256: approval.approved_by
            for approval in self.approvals
            if approval.approved_by != _POLICY
            for artifact in approval.artifacts
            if artifact.sha256 in judged
        }

    def digest(self) -> str:
        """Return what names all that gates answer by: where it is the same, they answer the same."""
        said = [verdict.plain() for verdict in self.judgement.verdicts]
        people, covered, inside = sorted(self.people), sorted(self.covered), sorted(self.inside)
        return sha256_hex(canonical_json([self.policy.digest(), said, people, covered, dict(self.licences), inside]))


def read_record(judged: Mapping[str, Any], lock: Lock, closure: Closure, snapshot: Snapshot, now: datetime) -> OnRecord:
    """Put together the portal's answer on a request and the snapshot in force; raise ``BadInputError`` for another."""
    locked = {artifact.sha256 for artifact in lock.artifacts}
    return OnRecord(
        policy=snapshot.policy,
        judgement=Judgement.parse(judged["judgement"], where=f"judgement of {lock.name}"),
        approvals=tuple(
            signed.approval
            for signed in snapshot.approvals
            if signed.approval.admits(lock.workspace, now)
            and not signed.approval.break_glass
            and not locked.isdisjoint(artifact.sha256 for artifact in signed.approval.artifacts)
        ),
        covered=frozenset(judged["covered"]),
        licences=dict(judged["licences"]),
        edges=closure.edges,
        inside=frozenset(source.id for source in snapshot.sources if source.private or source.owns),
    )
