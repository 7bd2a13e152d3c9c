"""Why a package is, or is not, to be had: who asked, who decided, which rule, since when, and what to do now.

The work is bounded whatever the ledger and the allowlists hold: one project's approvals, and a few requests.
"""

import re
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sekisho.allowlist import project_path
from sekisho.channels import channels_of, find_channel
from sekisho.model import Artifact, nearest, normalize_release, read_node
from sekisho.policy import Door, Snapshot
from sekisho.policy.document import UNMET
from sekisho_portal import chain
from sekisho_portal.answer import Answer, Cause, Question
from sekisho_portal.desk import Desk
from sekisho_portal.fits import fits
from sekisho_portal.snapshots import Snapshots
from sekisho_portal.standing import Standing
from sekisho_portal.wording import refused_lines, served_lines

_ANY = "any-channel"
_MOST_APPROVALS = 10


def explain(
    desk: Desk,
    snapshots: Snapshots,
    node: str,
    release: str | None,
    workspace: str,
    python: str | None = None,
    *,
    channel: str | None = None,
) -> dict[str, Any]:
    """Return the answer with its ``lines`` for a person; ``available`` says whether anything is to be had.

    Raises ``BadInputError`` for a name that is none, and for a channel that no source declares.
    """
    kind, project = read_node(node)
    if channel is not None:
        known = channels_of(snapshots.current().sources) if kind == "conda" else {}
        channel = find_channel(channel, known, where="channel")
    desk.mentions.follow()
    wanted = normalize_release(kind, release) if release else None
    question = Question(project, wanted, workspace, python, kind, channel)
    answer = _find(desk, _of_channel(snapshots.about(kind, project), channel), question)
    answer = replace(answer, first_source=snapshots.first_source(kind))
    lines = served_lines(answer) if answer.available else refused_lines(answer)
    policy = snapshots.current().policy
    mode, barred = policy.mode(workspace), policy.denial(kind, project, wanted)
    if mode != "enforce" and not (answer.available or barred):
        lines.append(f"  workspace {workspace} does not enforce (mode {mode}): its source is served there all the same")
    return {**_plain(answer), "mode": mode, "lines": lines}


def _of_channel(snapshot: Snapshot, channel: str | None) -> Snapshot:
    """Return a snapshot of one project's approvals with those of one channel only, if any is named."""
    rows = list(zip(snapshot.approvals, snapshot.admitted_since(), strict=True))
    kept = [row for row in rows if channel in (None, row[0].approval.artifacts[0].source)]
    return snapshot.model_copy(
        update={"approvals": tuple(row[0] for row in kept), "since": tuple(row[1] for row in kept)}
    )


def _find(desk: Desk, snapshot: Snapshot, asked: Question) -> Answer:
    now = desk.clock()
    all_files = Door(snapshot, asked.workspace).artifacts(asked.kind, asked.project, now)
    of_release = [file for file in all_files if asked.release in (None, file.release)]
    files = tuple(file for file in of_release if asked.python is None or fits(file, asked.python))
    link = desk.link(f"new?project={quote(asked.name, safe='')}")
    demand = desk.demand.refused(asked.workspace, asked.kind, asked.project, asked.release)
    if files:
        given = chain.in_force(snapshot, asked.workspace, asked.release, now)
        approvals = tuple(_approval(desk, approval.plain()) for approval in given[:_MOST_APPROVALS])
        since = min(approval.at for approval in given)
        cause = Cause("approved", f"{asked.name} is approved for workspace {asked.workspace}", since)
        return Answer(asked, cause, link, files=files, approvals=approvals, demand=demand)
    total, standings = chain.find_requests(desk, asked.kind, asked.project, asked.release)
    others = {file.release for file in all_files if asked.python is None or fits(file, asked.python)}
    gone = chain.ended(snapshot, asked.workspace, asked.release, now)
    where = _entries_of(asked)
    return Answer(
        asked,
        _cause(desk, snapshot, asked, of_release),
        link,
        approvals=tuple(_approval(desk, approval.plain()) for approval in gone[:_MOST_APPROVALS]),
        requests=tuple(_request(desk, found, asked) for found in standings),
        more_requests=total - len(standings),
        alternative=nearest(asked.release, others, kind=asked.kind),
        demand=demand,
        refused_entries=tuple(f"{row.where}: {row.why}" for row in snapshot.refused if where.match(row.where)),
    )


def _entries_of(asked: Question) -> re.Pattern[str]:
    """Return how a message begins that is on the project's entries, of the channel that is meant if one is."""
    path = project_path(asked.kind, asked.project, asked.source or _ANY)
    return re.compile(re.escape(path).replace(re.escape(_ANY), "[^/]+") + ",")


def _cause(desk: Desk, snapshot: Snapshot, asked: Question, other_python: list[Artifact]) -> Cause:
    """Return the gravest cause: a denial, an end, a revocation, or that nothing ever let it in."""
    now = desk.clock()
    denial = chain.find_denial(snapshot.policy, asked.kind, asked.project, asked.release)
    if denial is None and asked.release is None:
        held = chain.in_force(snapshot, asked.workspace, None, now)
        releases = {artifact.release for approval in held for artifact in approval.artifacts}
        found = (chain.find_denial(snapshot.policy, asked.kind, asked.project, release) for release in releases)
        denial = next(filter(None, found), None)
    if denial:
        since = chain.date_denial(desk, snapshot, denial).since
        return Cause(
            denial.rule,
            f"the policy denies {denial.entry}",
            since.at if since else None,
            since.model_dump(mode="json") if since else {"revision": snapshot.revision},
        )
    if other_python:
        return Cause("not-approved", f"{asked.name} is approved, but not for Python {asked.python}")
    if held_back := _held_back(snapshot, asked, now):
        return held_back
    if gone := chain.ended(snapshot, asked.workspace, asked.release, now):
        return Cause("expired", f"the approval of {asked.name} expired", gone[0].expires)
    revoked = chain.find_revocation(desk, snapshot, asked)
    if revoked:
        commit = revoked.commit
        said = f"{revoked.approved_by} approved {asked.name} on {revoked.at:%Y-%m-%d}, and it was revoked since"
        said += f"; {revoked.said}" if revoked.said else ""
        return Cause("revoked", said, commit.at if commit else None, commit.model_dump(mode="json") if commit else None)
    scopes = {scope for signed in snapshot.approvals for scope in signed.approval.scope
              if any(asked.release in (None, a.release) for a in signed.approval.artifacts)}  # fmt: skip
    elsewhere = "approved, but not" if scopes - {asked.workspace} else "not approved"
    return Cause("not-approved", f"{asked.name} is {elsewhere} for workspace {asked.workspace}")


def _held_back(snapshot: Snapshot, asked: Question, now: datetime) -> Cause | None:
    """Return why something approved is not shown: its source may not provide it, or what it needs is gone."""
    if foreign := chain.find_objection(snapshot, asked.workspace, asked.release, now):
        return Cause(foreign.rule, foreign.evidence, None, {"revision": snapshot.revision})
    door = Door(snapshot, asked.workspace)
    whys = door.why_not_releases(asked.kind, asked.project, [asked.release], now).values() if asked.release else ()
    rule, said = next(iter(whys), None) or door.why_not(asked.kind, asked.project, now)
    if rule != UNMET:
        return None
    return Cause(rule, f"{asked.name} is approved, but {said}", None, {"revision": snapshot.revision})


def _approval(desk: Desk, approval: dict[str, Any]) -> dict[str, Any]:
    """Return an approval with where its request stands."""
    kept = ("id", "request", "requested_by", "approved_by", "reason", "scope", "at", "expires", "break_glass")
    asked = chain.standing(desk, approval["request"])
    about = {"asked_at": asked.rows[0].at.isoformat(), "state": asked.state} if asked else {}
    releases = list(dict.fromkeys(artifact["release"] for artifact in approval["artifacts"]))
    shown = {key: approval.get(key) for key in kept}
    return {**shown, **about, "releases": releases, "link": desk.link(approval["request"])}


def _request(desk: Desk, found: Standing, asked: Question) -> dict[str, Any]:
    """Return who asked, when, what the rules said of it, and who decided."""
    judgement = found.judgement()
    start = f"pkg:{asked.kind}/{asked.project}@{quote(asked.release, safe='') + '?' if asked.release else ''}"
    verdicts = [verdict for verdict in judgement.verdicts if verdict.purl.startswith(start)] if judgement else []
    plain: dict[str, Any] = {
        "id": found.id,
        "link": desk.link(found.id),
        "requester": found.request.requester,
        "workspace": found.request.workspace,
        "at": found.rows[0].at.isoformat(),
        "state": found.state,
        "reasons": [{**reason.plain(), "purl": verdict.purl} for verdict in verdicts for reason in verdict.reasons],
    }
    for kind in ("approved", "denied"):
        if row := found.last.get(kind):
            said = {"by": row.actor, "at": row.at.isoformat(), "reason": row.body.get("reason", "")}
            plain[kind] = {**said, "expires": row.body.get("expires")}
    return plain


def _plain(answer: Answer) -> dict[str, Any]:
    asked, cause = answer.question, answer.cause
    return {
        "kind": asked.kind,
        "project": asked.project,
        "channel": asked.source,
        "release": asked.release,
        "workspace": asked.workspace,
        "available": answer.available,
        "rule": cause.rule,
        "evidence": cause.evidence,
        "since": cause.since.isoformat() if cause.since else None,
        "commit": cause.commit,
        "files": [
            {"filename": file.filename, "release": file.release, "sha256": file.sha256, "source": file.source}
            for file in answer.files
        ],
        "approvals": list(answer.approvals),
        "requests": list(answer.requests),
        "more_requests": answer.more_requests,
        "alternative": asked.at(answer.alternative) if answer.alternative else None,
        "demand": answer.demand.model_dump(mode="json") if answer.demand else None,
        "ask": {"command": answer.command, "link": answer.link},
    }
