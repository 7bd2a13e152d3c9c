"""The chain behind an answer: approvals in force, ended or taken away, requests, and the policy's denials."""

from datetime import datetime
from typing import Any

from sekisho.allowlist import project_path
from sekisho.errors import SekishoError
from sekisho.model import Approval, Kind, Reason, Record
from sekisho.policy import Policy, Snapshot, parse_policy
from sekisho.policy.rules import Denied
from sekisho.policy.rules.names import DENIES
from sekisho.sources import Ownership
from sekisho_portal.answer import Question
from sekisho_portal.desk import Desk
from sekisho_portal.history import Commit
from sekisho_portal.standing import Standing

MOST_REQUESTS = 5
_MOST_INTENTS = 5
_NOT_IN_A_STATUS = ("resolved", "inspected", "built")


class Denial(Record):
    """A rule of the policy that names what was asked about, by ``entry``; ``since`` as far as git knows."""

    rule: str
    entry: str
    since: Commit | None = None


class Revocation(Record):
    """An approval that was given and is not in the tree any more."""

    id: str
    request: str
    approved_by: str
    at: datetime
    commit: Commit | None = None
    said: str = ""


def find_denial(policy: Policy, kind: Kind, project: str, release: str | None) -> Denial | None:
    """Return the first denial that covers what was asked about."""
    for rule in policy.rules:
        if isinstance(rule, Denied) and (reason := rule.of(kind, project, release)):
            return Denial(rule=rule.id, entry=reason.evidence.removeprefix(DENIES))
    return None


def date_denial(desk: Desk, snapshot: Snapshot, denial: Denial) -> Denial:
    """Add the commit since which the policy has had this entry, without a break."""
    since = None
    for commit, text in desk.history.versions("policy.yaml", snapshot.revision):
        if denial.entry not in text or not _has(text, denial):
            break
        since = commit
    return denial.model_copy(update={"since": since})


def _has(text: str, denial: Denial) -> bool:
    try:
        policy = parse_policy(text)
    except SekishoError:
        return False
    return any(isinstance(rule, Denied) and denial.entry in rule.projects for rule in policy.rules)


def find_revocation(desk: Desk, snapshot: Snapshot, asked: Question) -> Revocation | None:
    """Return the newest approval that was given for this, was applied, and is not among those of ``snapshot``."""
    present = {signed.approval.id for signed in snapshot.approvals}
    kind, project = asked.kind, asked.project
    places = [source.id for source in snapshot.sources if source.kind == "conda"] if kind == "conda" else [""]
    places = [asked.source] if asked.source else places
    for intent in desk.mentions.admissions(kind, project, asked.release, asked.workspace, limit=_MOST_INTENTS):
        name = f"a{intent.seq}"
        if name in present:
            continue
        applied = list(desk.ledger.entries(subject=intent.request, kinds=("approved",)))
        for row in applied:
            if row.body.get("id") == name:
                given = str(row.body.get("revision", ""))
                paths = (project_path(kind, project, place) for place in places)
                found = (desk.history.removal(path, name, given=given, now=snapshot.revision) for path in paths)
                commit = next(filter(None, found), None)
                return Revocation(
                    id=name,
                    request=intent.request,
                    approved_by=row.actor,
                    at=row.at,
                    commit=commit,
                    said=_who_revoked(desk, intent.request, name),
                )
    return None


def _who_revoked(desk: Desk, request: str, name: str) -> str:
    """Say who took an approval back and why, if that was done here and not in the tree alone."""
    for row in reversed(desk.ledger.entries(subject=request, kinds=("revoked",))):
        if row.body["approval"] == name:
            return f"{row.actor} revoked it on {row.at:%Y-%m-%d}: {row.body['reason']}"
    return ""


def find_requests(desk: Desk, kind: Kind, project: str, release: str | None) -> tuple[int, list[Standing]]:
    """Return how many requests concern this, and the newest few."""
    total, newest = desk.mentions.requests(kind, project, release, limit=MOST_REQUESTS)
    return total, [found for request in newest if (found := standing(desk, request))]


def standing(desk: Desk, request: str) -> Standing | None:
    """Return where a request stands, without its closure; nothing if this ledger does not have it."""
    rows = desk.ledger.entries(subject=request, without=_NOT_IN_A_STATUS)
    return Standing(rows) if rows and rows[0].kind == "requested" else None


def find_objection(snapshot: Snapshot, workspace: str, release: str | None, now: datetime) -> Reason | None:
    """Return why files of an approval in force are not served: rules deny them, or another source owns the name."""
    ownership = Ownership(snapshot.sources)
    denied = {one.sha256: one.reason for one in snapshot.denied if workspace in one.scope}
    files = (file for approval in in_force(snapshot, workspace, release, now) for file in approval.artifacts)
    reasons = (
        denied.get(file.sha256) or ownership.objection(file) for file in files if release in (None, file.release)
    )
    return next(filter(None, reasons), None)


def in_force(snapshot: Snapshot, workspace: str, release: str | None, now: datetime) -> list[Approval]:
    """Return the approvals of ``release`` that hold for ``workspace``, newest first."""
    found = [
        signed.approval
        for signed in snapshot.approvals
        if signed.approval.admits(workspace, now)
        and any(release in (None, artifact.release) for artifact in signed.approval.artifacts)
    ]
    return sorted(found, key=lambda approval: approval.at, reverse=True)


def ended(snapshot: Snapshot, workspace: str, release: str | None, now: datetime) -> list[Approval]:
    """Return the approvals of ``release`` for ``workspace`` that have expired, newest first."""
    found = [
        signed.approval
        for signed in snapshot.approvals
        if workspace in signed.approval.scope
        and signed.approval.expires is not None
        and signed.approval.expires <= now
        and any(release in (None, artifact.release) for artifact in signed.approval.artifacts)
    ]
    return sorted(found, key=lambda approval: approval.at, reverse=True)


def broken(snapshot: Snapshot, now: datetime) -> list[dict[str, Any]]:
    """Return what is admitted by broken glass now, with who broke it, why, and when it ends."""
    return [
        {
            "names": [artifact.name for artifact in signed.approval.artifacts],
            "request": signed.approval.request,
            "by": signed.approval.approved_by,
            "reason": signed.approval.reason,
            "scope": list(signed.approval.scope),
            "expires": signed.approval.expires.isoformat() if signed.approval.expires else None,
        }
        for signed in snapshot.approvals
        if signed.approval.break_glass and (signed.approval.expires is None or now < signed.approval.expires)
    ]
