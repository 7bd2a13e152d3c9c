"""What is approved, file by file, and who asked for it."""

from collections.abc import Iterable
from datetime import datetime

from sekisho.model import Approval, Artifact
from sekisho.policy import Snapshot

Files = dict[tuple[str, str], tuple[Artifact, list[Approval]]]
"""By sha256 and project: the same bytes may be approved under two names."""


def approved_files(snapshot: Snapshot, now: datetime) -> dict[str, Files]:
    """Return by workspace, sha256 and project what has an approval in force."""
    found: dict[str, Files] = {}
    for signed in snapshot.approvals:
        approval = signed.approval
        if ends_after(approval.expires, now):
            for workspace in approval.scope:
                files = found.setdefault(workspace, {})
                for artifact in approval.artifacts:
                    files.setdefault((artifact.sha256, artifact.project), (artifact, []))[1].append(approval)
    return found


def asker_of(approvals: Iterable[Approval]) -> str:
    """Return the only one who asked for a file, or nothing where several did."""
    names = {approval.requested_by for approval in approvals}
    return names.pop() if len(names) == 1 else ""


def ends_after(expires: datetime | None, now: datetime) -> bool:
    """Tell whether something is not over yet."""
    return expires is None or now < expires
