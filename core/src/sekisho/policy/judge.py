"""Closure × facts × rules × what is known × now → a verdict per artifact and one for the request.

Precedence: a denial beats everything, an approval that has ended beats what rules allow, an approval in force beats
what rules would have reviewed, and no answer at all denies.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from sekisho.model import Artifact, Closure, Facts, Judgement, Outcome, Reason, Verdict
from sekisho.model.verdict import gravest
from sekisho.policy.document import Policy
from sekisho.policy.knowledge import NOTHING_KNOWN, Knowledge
from sekisho.policy.rules import BaseRule, Case, Look, Provenance

_SKEW = timedelta(hours=1)
_NOT_INSPECTED = (Reason(rule="not-inspected", outcome=Outcome.DENY, evidence="the file was not inspected"),)
_APPROVED = Reason(rule="approved", outcome=Outcome.ALLOW, evidence="an approval is in force")


class Bench(NamedTuple):
    """A policy made ready for one workspace, one state of knowledge and one moment: what is asked of each artifact.

    ``quick`` are those of ``looks`` that have something to say of a file in which nothing was found: most files.
    ``always`` are answers that need no artifact, such as that a feed is too old. ``lifts`` says of a rule which rules'
    reviews it answers for.
    """

    looks: tuple[tuple[BaseRule, Look], ...]
    quick: tuple[Look, ...]
    always: tuple[Reason, ...]
    silence: tuple[Reason, ...]
    lifts: Mapping[str, frozenset[str]]
    known: Knowledge
    now: datetime

    def reasons(self, artifact: Artifact, facts: Facts | None) -> tuple[Reason, ...]:
        """Return what the rules answer, every one of them; a rule that fails denies."""
        case = Case(artifact, facts, self.now, self.known)
        if facts is None or not (facts.findings or facts.scans):
            try:
                found = [reason for look in self.quick if (reason := look(case)) is not None]
            except Exception:  # noqa: BLE001 (each is asked again, and the one that fails denies)
                found = list(self._carefully(case))
        else:
            found = list(self._carefully(case))
        found = [*self.always, *found]
        if self.lifts and found:
            found = _lift(found, self.lifts)
        return tuple(found) if found else self.silence

    def _carefully(self, case: Case) -> Iterator[Reason]:
        """Ask every rule, and let none of them fail for another."""
        for rule, look in self.looks:
            try:
                reason = look(case)
            except Exception as error:  # noqa: BLE001 (nobody knows what a rule that failed would have found)
                reason = rule.failure(error)
            if reason is not None:
                yield reason


def prepare(
    policy: Policy, known: Knowledge, now: datetime, *, inspected: bool = True, unasked: Set[str] = frozenset()
) -> Bench:
    """Make a policy ready. What is not ``inspected`` is asked only what an index entry can answer.

    Rules that lean on a feed of ``unasked`` are left out.
    """
    rules = [
        rule
        for rule in policy.rules_for(known.workspace)
        if (inspected or not rule.needs_facts) and (policy.absent | unasked).isdisjoint(rule.feeds)
    ]
    looks: list[tuple[BaseRule, Look]] = []
    for rule in rules:
        try:
            looks.append((rule, rule.ready()))
        except Exception as error:  # noqa: BLE001 (a rule that cannot be made ready denies)
            looks.append((rule, _always(rule.failure(error))))
    without = f"; without {', '.join(sorted(policy.absent))}, as the policy says" if policy.absent else ""
    evidence = f"{len(rules)} rules, no objection{without}"
    silence = Reason(rule="all-rules", outcome=Outcome.ALLOW, evidence=evidence)
    return Bench(
        looks=tuple(looks),
        quick=tuple(look for rule, look in looks if not rule.finds),
        always=tuple(_stale(policy, rules, known, now)),
        silence=(silence,),
        lifts={rule.id: frozenset(rule.lifts) for rule in rules if isinstance(rule, Provenance) and rule.lifts},
        known=known,
        now=now,
    )


def judge(
    closure: Closure,
    facts: Mapping[str, Facts],
    policy: Policy,
    *,
    approved: Set[str],
    now: datetime,
    ended: Mapping[str, datetime] | None = None,
    known: Knowledge = NOTHING_KNOWN,
) -> Judgement:
    """Judge every artifact of ``closure``.

    ``facts`` is keyed by sha256; an artifact without facts is denied, it was not looked at. ``approved`` holds the
    sha256 that already have a valid approval for the request's workspace, ``ended`` those whose approval by a person
    has ended and since when: these are not for the rules alone to admit again.
    """
    bench = prepare(policy, replace(known, direct=known.direct | closure.asked()), now)
    verdicts = tuple(
        weigh(bench, artifact, facts.get(artifact.sha256), approved=approved, ended=ended or {})
        for artifact in closure.files
    )
    return Judgement(
        closure=closure.digest(),
        policy=policy.digest(),
        at=now,
        outcome=gravest([verdict.outcome for verdict in verdicts]),
        verdicts=verdicts,
    )


def weigh(
    bench: Bench, artifact: Artifact, facts: Facts | None, *, approved: Set[str], ended: Mapping[str, datetime]
) -> Verdict:
    """Return the verdict on one artifact."""
    reasons = _NOT_INSPECTED if facts is None else bench.reasons(artifact, facts)
    return _settle(artifact, reasons, bench.silence, approved, ended)


def _settle(
    artifact: Artifact,
    reasons: tuple[Reason, ...],
    silence: tuple[Reason, ...],
    approved: Set[str],
    ended: Mapping[str, datetime],
) -> Verdict:
    """Return a verdict: what the rules answer, beside approvals in force or ended."""
    sha256 = artifact.sha256
    if sha256 in ended and sha256 not in approved:
        evidence = f"its approval ended {ended[sha256]:%Y-%m-%d %H:%M} UTC"
        reasons = (Reason(rule="expired", outcome=Outcome.REVIEW, evidence=evidence), *reasons)
    outcome = Outcome.ALLOW if reasons is silence else gravest([reason.outcome for reason in reasons])
    if outcome is Outcome.REVIEW and sha256 in approved:
        reasons = (_APPROVED, *reasons)
        outcome = Outcome.ALLOW
    return Verdict(purl=artifact.purl, sha256=sha256, outcome=outcome, reasons=reasons)


class Foresight(NamedTuple):
    """A policy made ready to foretell verdicts: by index entries alone, and by facts where there are any."""

    early: Bench
    late: Bench

    def verdict(
        self, artifact: Artifact, facts: Facts | None, *, approved: Set[str], ended: Mapping[str, datetime]
    ) -> Verdict:
        """Return what to expect, so that a resolver can prefer what will be allowed.

        Of ``facts``, only what denies counts. What an inspection leaves to a person, as a licence, mostly holds for the
        whole project: it would send a resolver from one release to the next that nobody has inspected yet.
        """
        found = self.late.reasons(artifact, facts) if facts else ()
        denials = tuple(reason for reason in found if reason.outcome is Outcome.DENY)
        reasons = denials or self.early.reasons(artifact, None)
        return _settle(artifact, reasons, self.early.silence, approved, ended)


def foresee(policy: Policy, known: Knowledge, now: datetime) -> Foresight:
    """Make a policy ready. That a feed is missing or too old is left out: it holds for every release alike."""
    missing = frozenset(feed for rule in policy.rules for feed in rule.feeds) - known.advisories.feeds.keys()
    early, late = (prepare(policy, known, now, inspected=inspected, unasked=missing) for inspected in (False, True))
    return Foresight(early._replace(always=()), late._replace(always=()))


def _always(reason: Reason) -> Look:
    return lambda _: reason


def _stale(policy: Policy, rules: Sequence[BaseRule], known: Knowledge, now: datetime) -> list[Reason]:
    """Return a review for each feed that a rule leans on and that is missing, too old, or dated in the future."""
    found = []
    for feed in sorted({name for rule in rules for name in rule.feeds}):
        taken = known.advisories.feeds.get(feed)
        limit = policy.oldest(feed)
        if taken is None:
            said = f"{feed} was never imported, so that nothing is known against anything"
        elif taken - now > _SKEW:
            said = f"{feed} is dated {taken:%Y-%m-%d}, in the future: which clock is wrong?"
        elif now - taken > limit:
            said = f"{feed} is {(now - taken).days} days old, more than the {limit.days} that the policy allows"
        else:
            continue
        found.append(Reason(rule=f"stale-{feed}", outcome=Outcome.REVIEW, evidence=said))
    return found


def _lift(reasons: list[Reason], lifts: Mapping[str, frozenset[str]]) -> list[Reason]:
    """Allow what a verified publisher answers for; a denial stays."""
    behind = [reason for reason in reasons if reason.rule in lifts and reason.outcome is Outcome.ALLOW]
    lifted = {name: reason.rule for reason in behind for name in lifts[reason.rule]}
    return [
        reason.model_copy(
            update={"outcome": Outcome.ALLOW, "evidence": f"{reason.evidence} (lifted by {lifted[reason.rule]})"}
        )
        if reason.outcome is Outcome.REVIEW and reason.rule in lifted
        else reason
        for reason in reasons
    ]
