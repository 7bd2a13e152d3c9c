"""What is approved, file by file, and who asked for it."""

from collections.abc import Container, Iterable
from datetime import datetime

from sekisho.model import Approval, Artifact
from sekisho.policy import Snapshot

Files = dict[tuple[str, str], tuple[Artifact, list[Approval]]]
"""By sha256 and what they are approved as: the same bytes may be approved under two names, and from two channels."""


def approved_as(artifact: Artifact) -> str:
    """Return what rules may judge apart though the bytes are the same: a project, of a channel each channel's own."""
    return f"{artifact.source}/{artifact.project}" if artifact.kind == "conda" else artifact.project


def approved_files(snapshot: Snapshot, now: datetime) -> dict[str, Files]:
    """Return by workspace, sha256 and what it is approved as what has an approval in force."""
    found: dict[str, Files] = {}
    for signed in snapshot.approvals:
        approval = signed.approval
        if ends_after(approval.expires, now):
            for workspace in approval.scope:
                files = found.setdefault(workspace, {})
                for artifact in approval.artifacts:
                    files.setdefault((artifact.sha256, approved_as(artifact)), (artifact, []))[1].append(approval)
    return found


def asker_of(approvals: Iterable[Approval]) -> str:
    """Return the only one who asked for a file, or nothing where several did."""
    names = {approval.requested_by for approval in approvals}
    return names.pop() if len(names) == 1 else ""


def ends_after(expires: datetime | None, now: datetime) -> bool:
    """Tell whether something is not over yet."""
    return expires is None or now < expires


def twins(snapshot: Snapshot, hashes: Container[str]) -> dict[str, frozenset[str]]:
    """Return what each of these files is approved as, of those that are approved as more than one thing."""
    found: dict[str, set[str]] = {}
    for signed in snapshot.approvals:
        for artifact in signed.approval.artifacts:
            if artifact.sha256 in hashes:
                found.setdefault(artifact.sha256, set()).add(approved_as(artifact))
    return {sha256: frozenset(names) for sha256, names in found.items() if len(names) > 1}
