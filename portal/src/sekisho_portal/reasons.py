"""Why a package is, or is not, to be had: who asked, who approved, which rule, since when."""

from typing import Any

from sekisho.model import normalize_release, purl
from sekisho.policy import Door
from sekisho_portal.desk import Desk
from sekisho_portal.snapshots import Snapshots


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
                lines.append(
                    f"  {standing.request.requester} asked ({desk.link(standing.id)}, {standing.state}): {why}"
                )
    lines.append(f"  ask for it: sekisho request {project}{f'=={wanted}' if wanted else ''} --python 3.11.2")
    return {"project": project, "available": False, "rule": rule, "lines": lines}
