"""Why a package is, or is not, to be had: who asked, who approved, which rule, since when."""

from typing import Any

from sekisho.allowlist import project_path
from sekisho.model import normalize_release, purl
from sekisho.policy import Door
from sekisho_portal.desk import Desk
from sekisho_portal.snapshots import Snapshots
from sekisho_portal.standing import Standing


def explain(desk: Desk, snapshots: Snapshots, project: str, release: str | None, workspace: str) -> dict[str, Any]:
    """Return the answer with its ``lines`` for a person; ``available`` says whether anything is to be had."""
    snapshot = snapshots.current()
    now = desk.clock()
    door = Door(snapshot, workspace)
    wanted = normalize_release("pypi", release) if release else None
    files = [a for a in door.artifacts("pypi", project, now) if wanted in (None, a.release)]
    approvals = [
        signed.approval
        for signed in snapshot.approvals
        for artifact in signed.approval.artifacts
        if artifact in files and signed.approval.admits(workspace, now)
    ]
    asked = f"{project} {wanted}" if wanted else project
    if files:
        lines = [f"{asked} is approved for workspace {workspace}"]
        lines += [
            f"  {a.artifacts[0].release}: {a.requested_by} asked ({desk.link(a.request)}), {a.approved_by} approved"
            f" on {a.at:%Y-%m-%d}: {a.reason or 'no reason given'}"
            for a in approvals
        ]
        return {"project": project, "available": True, "rule": "approved", "lines": lines}
    others = door.artifacts("pypi", project, now)
    rule, sentence = door.why_not("pypi", project, now)
    if others:
        rule, sentence = "not-approved", f"{asked} is not approved for workspace {workspace}"
    lines = [f"{sentence} (rule {rule})"]
    if others:
        lines.append(f"  approved instead: {', '.join(sorted({a.release for a in others}))}")
    named = f"{purl('pypi', project, wanted)}?" if wanted else purl("pypi", project, "")
    for standing in desk.all():
        judgement = standing.judgement()
        for verdict in judgement.verdicts if judgement else ():
            if verdict.purl.startswith(named):
                why = "; ".join(f"{r.rule}: {r.evidence}" for r in verdict.reasons)
                state = _revoked(standing, workspace) if rule == "not-approved" else standing.state
                lines.append(f"  {standing.request.requester} asked ({desk.link(standing.id)}, {state}): {why}")
    for entry in snapshot.refused:
        if entry.where.startswith(f"{project_path('pypi', project)},"):
            lines.append(f"  an entry of the allowlists admits nothing: {entry.where}: {entry.why}")
    lines.append(f"  ask for it: sekisho request {project}{f'=={wanted}' if wanted else ''} --python 3.11.2")
    return {"project": project, "available": False, "rule": rule, "lines": lines}


def _revoked(standing: Standing, workspace: str) -> str:
    """Return the state of a request whose files are not approved: an approval that was given is gone from the tree."""
    given = standing.last.get("approved")
    if given is None or standing.request.workspace != workspace:
        return standing.state
    return f"approved by {given.actor} on {given.at:%Y-%m-%d} and revoked since"
