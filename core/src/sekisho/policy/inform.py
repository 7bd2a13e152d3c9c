"""From a snapshot and the advisories to what rules may know: the part of it that follows from what is approved."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from sekisho.policy.distance import Names
from sekisho.policy.knowledge import NO_ADVISORIES, Advisories, Knowledge, Project
from sekisho.policy.snapshot import Snapshot
from sekisho.vex import Excuses


class Approved(NamedTuple):
    """What a snapshot says of the past, for every judgement under it. Made once for each snapshot."""

    names: Mapping[str, Names]
    excuses: Excuses


def learn(snapshot: Snapshot) -> Approved:
    """Prepare what does not depend on the workspace, nor on the time."""
    names: dict[str, set[str]] = {}
    for signed in snapshot.approvals:
        for artifact in signed.approval.artifacts:
            names.setdefault(artifact.kind, set()).add(artifact.project)
    made = {kind: Names(found) for kind, found in names.items()}
    return Approved(made, Excuses(signed.statement for signed in snapshot.vex))


def inform(
    snapshot: Snapshot,
    learned: Approved,
    workspace: str,
    now: datetime,
    *,
    advisories: Advisories = NO_ADVISORIES,
    more: Knowledge | None = None,
) -> Knowledge:
    """Return what is known in a workspace now. ``more`` brings what only the room knows, as first-seen stamps."""
    approved: dict[Project, set[str]] = {}
    for signed in snapshot.approvals:
        if signed.approval.admits(workspace, now):
            for artifact in signed.approval.artifacts:
                approved.setdefault((artifact.kind, artifact.project), set()).add(artifact.release)
    return replace(
        more or Knowledge(),
        advisories=advisories,
        approved={project: frozenset(releases) for project, releases in approved.items()},
        names=learned.names,
        excuses=learned.excuses.by(snapshot.policy.approvers_for(workspace)),
        workspace=workspace,
    )


def ended(snapshot: Snapshot, workspace: str, now: datetime, *, but: str) -> Mapping[str, datetime]:
    """Return by sha256 when approvals for a workspace ended, but for those that ``but``, the policy, gave.

    What is approved anew is still in here: ``judge`` heeds this only where no approval is in force.
    """
    found: dict[str, datetime] = {}
    for signed in snapshot.approvals:
        approval = signed.approval
        if approval.expires and approval.expires <= now and workspace in approval.scope and approval.approved_by != but:
            for artifact in approval.artifacts:
                found[artifact.sha256] = max(approval.expires, found.get(artifact.sha256, approval.expires))
    return found
