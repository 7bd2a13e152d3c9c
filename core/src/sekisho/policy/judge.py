"""Closure × facts × rules × now → a verdict per artifact and one for the request.

Precedence: a denial beats an approval, an approval beats the other rules, and no answer at all denies.
"""

from collections.abc import Mapping, Set
from datetime import datetime

from sekisho.model import Artifact, Closure, Facts, Judgement, Outcome, Reason, Verdict
from sekisho.model.verdict import gravest
from sekisho.policy.rules import Case, Policy


def judge(
    closure: Closure, facts: Mapping[str, Facts], policy: Policy, *, approved: Set[str], now: datetime
) -> Judgement:
    """Judge every artifact of ``closure``.

    ``facts`` is keyed by sha256; an artifact without facts is denied, it was not looked at. ``approved`` holds the
    sha256 that already have a valid approval for the request's workspace.
    """
    verdicts = tuple(
        _verdict(artifact, facts.get(artifact.sha256), policy, approved, now) for artifact in closure.artifacts
    )
    return Judgement(
        closure=closure.digest(),
        policy=policy.digest(),
        at=now,
        outcome=gravest([verdict.outcome for verdict in verdicts]),
        verdicts=verdicts,
    )


def _verdict(artifact: Artifact, facts: Facts | None, policy: Policy, approved: Set[str], now: datetime) -> Verdict:
    reasons = _reasons(artifact, facts, policy, now)
    outcome = gravest([reason.outcome for reason in reasons])
    if outcome is Outcome.REVIEW and artifact.sha256 in approved:
        reasons = (Reason(rule="approved", outcome=Outcome.ALLOW, evidence="an approval is in force"), *reasons)
        outcome = Outcome.ALLOW
    return Verdict(purl=artifact.purl, sha256=artifact.sha256, outcome=outcome, reasons=reasons)


def _reasons(artifact: Artifact, facts: Facts | None, policy: Policy, now: datetime) -> tuple[Reason, ...]:
    if facts is None:
        return (Reason(rule="not-inspected", outcome=Outcome.DENY, evidence="the file was not inspected"),)
    reasons = []
    for rule in policy.rules:
        reason = rule.answer(Case(artifact, facts, now))
        if reason:
            reasons.append(reason)
    if not reasons:
        return (Reason(rule="all-rules", outcome=Outcome.ALLOW, evidence=f"{len(policy.rules)} rules, no objection"),)
    return tuple(reasons)
