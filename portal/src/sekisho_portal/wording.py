"""An answer of ``why`` in lines for a person who wanted to install something and could not. Pure."""

from typing import Any

from sekisho.policy.document import UNMET
from sekisho.sources import NOT_THE_OWNER
from sekisho_portal.answer import Answer
from sekisho_portal.fits import runs_on

_MOST_FILES = 5
_OPEN = frozenset({"not-approved", "expired", "revoked", UNMET, NOT_THE_OWNER})
"""Causes that an approval can mend; any other is a denial of the policy."""


def in_bytes(count: int) -> str:
    """Return a size in kB, or in MB where it is a tenth of one at least."""
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"


def served_lines(answer: Answer) -> list[str]:
    """Say what is to be had, by whose leave, and what it runs on."""
    lines = [answer.cause.evidence]
    for approval in answer.approvals:
        lines += _approval_lines(approval)
    for file in answer.files[:_MOST_FILES]:
        place = "" if file.source == answer.first_source and file.kind == "pypi" else f", from source {file.source}"
        lines.append(f"  runs on: {file.project}=={file.release}, {runs_on(file)}{place}")
    if more := answer.files[_MOST_FILES:]:
        lines.append(f"  and {len(more)} more files")
    another = f"{answer.command.rpartition(' ')[0]} VERSION"
    lines.append(f"  another Python or platform needs an approval of its own: {another}")
    return [*lines, *_demand_lines(answer)]


def _approval_lines(approval: dict[str, Any]) -> list[str]:
    until = f" until {approval['expires'][:10]}" if approval.get("expires") else ""
    if approval.get("break_glass"):
        names, end = ", ".join(approval["releases"]), approval["expires"][:16]
        return [f"  BREAK GLASS: {approval['approved_by']} let in {names} until {end}Z: {approval['reason']}"]
    asked = f" on {approval['asked_at'][:10]}" if "asked_at" in approval else ""
    return [
        (
            f"  {', '.join(approval['releases'])}: {approval['requested_by']} asked{asked} ({approval['link']}),"
            f" {approval['approved_by']} approved on {approval['at'][:10]}{until}"
            f" for {', '.join(approval['scope'])}: {approval['reason'] or 'no reason given'}"
        )
    ]


def refused_lines(answer: Answer) -> list[str]:
    """Say what is in the way and since when, what can be had instead, who asked before, and what to do now."""
    cause = answer.cause
    lines = [f"{cause.evidence} (rule {cause.rule})"]
    if cause.since:
        lines.append(f"  since: {cause.since:%Y-%m-%d %H:%M} UTC{_commit(cause.commit)}")
    elif cause.commit:
        lines.append(f"  since: at the latest policy revision {cause.commit['revision'][:12]}")
    for approval in answer.approvals:
        lines += _approval_lines(approval)
    if answer.alternative:
        instead = f"{answer.question.project}=={answer.alternative}"
        client = "conda" if answer.question.kind == "conda" else "pip"
        lines.append(f"  approved instead: {instead} is the nearest; install it with: {client} install '{instead}'")
    for request in answer.requests:
        lines += _request_lines(request, taken_back=cause.rule == "revoked")
    if answer.more_requests:
        lines.append(f"  and {answer.more_requests} older requests")
    lines += [f"  an entry of the allowlists admits nothing: {entry}" for entry in answer.refused_entries]
    return [*lines, *_demand_lines(answer), *_todo(answer)]


def _commit(commit: dict[str, Any] | None) -> str:
    if not commit or "author" not in commit:
        return ""
    return f", commit {commit['revision'][:12]} by {commit['author']}: {commit['subject'][:100]}"


def _request_lines(request: dict[str, Any], *, taken_back: bool) -> list[str]:
    state = f"{request['state']} and was revoked since" if taken_back and "approved" in request else request["state"]
    lines = [
        (
            f"  {request['requester']} asked on {request['at'][:10]} for workspace {request['workspace']},"
            f" the request is {state}: {request['link']}"
        )
    ]
    for key, word in (("denied", "denied"), ("approved", "approved")):
        if said := request.get(key):
            until = f" until {said['expires'][:10]}" if said.get("expires") else ""
            lines.append(
                f"    {said['by']} {word} it on {said['at'][:10]}{until}: {said['reason'] or 'no reason given'}"
            )
    lines += [f"    {reason['outcome']}, {reason['rule']}: {reason['evidence']}" for reason in request["reasons"]]
    return lines


def _demand_lines(answer: Answer) -> list[str]:
    found = answer.demand
    if not found:
        return []
    times = "once" if found.count == 1 else f"{found.count} times"
    return [f"  refused {times} since {found.first:%Y-%m-%d}, the last time on {found.last:%Y-%m-%d}"]


def _todo(answer: Answer) -> list[str]:
    workspace = answer.question.workspace
    waiting = [row for row in answer.requests if row["state"] == "waiting" and row["workspace"] == workspace]
    if waiting:
        return [f"  do now: wait, an approver has to decide {waiting[0]['link']}"]
    if answer.cause.rule not in _OPEN:
        return ["  do now: a request would be refused too; talk to those who keep the policy"]
    return [f"  ask for it: {answer.command}", f"  or open {answer.link}"]
