"""Precedence, stale feeds, lifted reviews, and what an index entry alone lets expect."""

import json
from datetime import timedelta

import pytest

from sekisho.model import Outcome
from sekisho.policy import judge
from sekisho.policy.judge import foresee
from sekisho.policy.knowledge import Knowledge, Published
from sekisho.policy.rules import Inspection, ReleaseAge
from tests.advisories import CRITICAL, index, osv
from tests.records import NOW, artifact, by_hash, closure, facts, policy

NUMPY = artifact()
DENY, REVIEW, ALLOW = Outcome.DENY, Outcome.REVIEW, Outcome.ALLOW
DENIED = {"id": "no-numpy", "check": "denied", "projects": ["numpy"]}
ASKS = {"id": "no-gpl", "check": "license", "allow": ["ISC"]}
PASS = {"id": "yanked", "check": "yanked"}
ADVISORY = {"id": "weak", "check": "advisory", "severity": 7.0, "then": "deny"}
FRESH = Knowledge(advisories=index())
SIX = artifact("six", "1.0")


def _foresee(rules, one, found=None, *, approved=(), known=FRESH):
    return foresee(rules, known, NOW).verdict(one, found, approved=frozenset(approved), ended={})


def _judge(*rules, approved=False, ended=None, known=FRESH, more=None, **settings):
    made = policy(*rules).model_copy(update=settings) if settings else policy(*rules)
    found = judge(
        closure(NUMPY),
        by_hash(facts(NUMPY, **(more or {}))),
        made,
        approved=frozenset([NUMPY.sha256] if approved else []),
        ended={NUMPY.sha256: ended} if ended else {},
        now=NOW,
        known=known,
    )
    return found.verdicts[0]


YESTERDAY = NOW - timedelta(days=1)
# rules, approved now, an approval that ended, the outcome: deny > expired > approval > rules > deny
PRECEDENCE = [
    ((DENIED,), True, None, DENY),
    ((DENIED,), False, YESTERDAY, DENY),
    ((DENIED,), True, YESTERDAY, DENY),
    ((ASKS, DENIED), True, None, DENY),
    ((PASS,), False, YESTERDAY, REVIEW),
    ((ASKS,), False, YESTERDAY, REVIEW),
    ((PASS,), True, YESTERDAY, ALLOW),
    ((ASKS,), True, YESTERDAY, ALLOW),
    ((ASKS,), True, None, ALLOW),
    ((ASKS,), False, None, REVIEW),
    ((PASS,), False, None, ALLOW),
]


@pytest.mark.parametrize(("rules", "approved", "ended", "outcome"), PRECEDENCE)
def test_a_denial_beats_an_ended_approval_beats_an_approval_beats_the_rules(rules, approved, ended, outcome):
    assert _judge(*rules, approved=approved, ended=ended).outcome is outcome


def test_that_an_approval_ended_is_said_with_its_end():
    assert _judge(PASS, ended=YESTERDAY).reasons[0].evidence == "its approval ended 2026-10-31 12:00 UTC"


def _at(days, feed="osv"):
    feeds = dict.fromkeys(("osv", "kev", "epss"), NOW) | {feed: NOW - timedelta(days=days)}
    return Knowledge(advisories=index().dated(feeds))


@pytest.mark.parametrize(
    ("rule", "known", "limits", "words"),
    [
        (ADVISORY, _at(8), {}, "osv is 8 days old, more than the 7"),
        (ADVISORY, _at(7), {}, None),
        (ADVISORY, _at(8), {"osv": {"days": 30}}, None),
        (ADVISORY, _at(2), {"osv": {"days": 1}}, "osv is 2 days old, more than the 1"),
        (ADVISORY, _at(-1), {}, "in the future"),
        (ADVISORY, Knowledge(), {}, "osv was never imported"),
        (ADVISORY, _at(99, "kev"), {}, None),
        (ADVISORY | {"kev": True}, _at(99, "kev"), {}, "kev is 99 days old"),
        (ADVISORY | {"epss": 0.5}, _at(99, "epss"), {}, "epss is 99 days old"),
        ({"id": "mal", "check": "malicious"}, _at(8), {}, "osv is 8 days old"),
        (PASS, _at(8), {}, None),
    ],
)
def test_a_feed_that_is_too_old_approves_nothing_and_is_named_with_its_age(rule, known, limits, words):
    from sekisho.policy import parse_policy

    made = parse_policy(json.dumps({"version": 1, "rules": [rule], "feeds": limits}))
    found = judge(closure(NUMPY), by_hash(facts(NUMPY)), made, approved=frozenset(), now=NOW, known=known)
    said = [reason for reason in found.verdicts[0].reasons if reason.rule.startswith("stale-")]
    assert bool(said) is (words is not None)
    assert words is None or (words in said[0].evidence and found.outcome is REVIEW)


def test_what_was_approved_stays_approved_while_a_feed_is_old_and_a_denial_denies():
    assert _judge(ADVISORY, approved=True, known=_at(99)).outcome is ALLOW
    stale = index(osv(vector=CRITICAL)).dated({"osv": NOW - timedelta(days=99)})
    assert _judge(ADVISORY, approved=True, known=Knowledge(advisories=stale)).outcome is DENY


PROVENANCE = {
    "id": "by-numpy", "check": "provenance", "lifts": ["young", "weak"],
    "publishers": [{"project": "numpy", "publisher": "GitHub", "repository": "numpy/numpy"}],
}  # fmt: skip
YOUNG = {"id": "young", "check": "release_age", "days": 3650}
ATTESTED = {"attestations": ({"publisher": "GitHub", "repository": "numpy/numpy"},)}


def test_a_verified_publisher_answers_for_the_reviews_that_the_policy_says_and_for_no_denial():
    verdict = _judge(YOUNG, PROVENANCE, more=ATTESTED)
    assert verdict.outcome is ALLOW
    assert "lifted by by-numpy" in verdict.reasons[0].evidence
    assert _judge(YOUNG, PROVENANCE).outcome is REVIEW
    assert _judge(YOUNG, ASKS, PROVENANCE, more=ATTESTED).outcome is REVIEW
    grave = Knowledge(advisories=index(osv(vector=CRITICAL)))
    assert _judge(ADVISORY, PROVENANCE, more=ATTESTED, known=grave).outcome is DENY


def test_a_publisher_that_is_not_verified_lifts_nothing_however_lenient_the_rule():
    lenient = PROVENANCE | {"then": "allow"}
    assert _judge(YOUNG, lenient).outcome is REVIEW
    assert (
        _judge(YOUNG, lenient, more={"attestations": ({"publisher": "GitHub", "repository": "x/y"},)}).outcome is REVIEW
    )
    assert _judge(YOUNG, lenient, more=ATTESTED).outcome is ALLOW


def test_the_floor_is_for_what_the_closure_names():
    rule = {"id": "floor", "check": "floor", "floors": ["numpy>=9", "six>=9"]}
    found = judge(
        closure(NUMPY, artifact("six", "1.0")), by_hash(facts(NUMPY), facts(artifact("six", "1.0"))), policy(rule),
        approved=frozenset(), now=NOW, known=Knowledge(newest={("pypi", "numpy"): Published("9", NOW)}),
    )  # fmt: skip
    assert [verdict.outcome for verdict in found.verdicts] == [REVIEW, ALLOW]


class Fails(Inspection):
    def look(self, case):
        raise {"value": ValueError, "key": KeyError, "zero": ZeroDivisionError, "runtime": RuntimeError,
               "attribute": AttributeError, "type": TypeError}[self.id]("broken")  # fmt: skip


class FailsQuickly(ReleaseAge):
    def look(self, case):
        return case.nothing_of_the_kind


@pytest.mark.parametrize("kind", ["value", "key", "zero", "runtime", "attribute", "type"])
@pytest.mark.parametrize("more", [{}, {"findings": ({"code": "top_level_pth", "detail": "x"},)}])
def test_whatever_a_rule_fails_with_denies_and_the_others_are_still_heard(kind, more):
    from sekisho.policy import Policy

    quick = FailsQuickly(id="quick", check="release_age", days=1, then="allow")
    made = Policy(version=1, rules=(quick, *policy(ASKS).rules, Fails(id=kind, check="top_level_pth", then="allow")))
    found = judge(closure(NUMPY), by_hash(facts(NUMPY, **more)), made, approved=frozenset({NUMPY.sha256}), now=NOW)
    assert found.outcome is DENY
    reasons = {reason.rule: reason for reason in found.verdicts[0].reasons}
    assert reasons["quick"].evidence.startswith("the rule failed")
    assert "no-gpl" in reasons


def _classes():
    from typing import get_args

    from sekisho.policy import Rule

    return get_args(get_args(Rule)[0])


@pytest.mark.parametrize("rule", _classes(), ids=lambda rule: rule.__name__)
def test_every_rule_of_the_vocabulary_denies_when_it_fails(rule):
    from typing import get_args

    from sekisho.policy import Policy
    from tests.unit.core.policy.test_rules_that_know import CASES as KNOWING
    from tests.unit.core.test_rules import CASES

    check = get_args(rule.model_fields["check"].annotation)[0]
    said = next(case[0] for case in (*CASES.values(), *KNOWING.values()) if case[0]["check"] == check)

    class Broken(rule):
        def bare(self):
            def look(case):
                raise LookupError(check)

            return look

    then = {} if check == "denied" else {"then": "allow"}
    made = Policy(version=1, rules=(Broken.parse({"id": "broken", **said, **then}, where="x"),))
    found = {"findings": ({"code": "top_level_pth", "detail": "x"},)}
    for more in ({}, found):
        verdict = judge(closure(NUMPY), by_hash(facts(NUMPY, **more)), made, approved={NUMPY.sha256}, now=NOW).verdicts[
            0
        ]
        heard = not rule.finds or more
        assert verdict.outcome is (DENY if heard else ALLOW)
        assert not heard or "the rule failed" in verdict.reasons[-1].evidence


class BrokenAdvisories:
    def __init__(self):
        self.feeds = {"osv": NOW}

    def covers(self, kind):
        raise RuntimeError("the index is broken")

    affecting = file = covers


def test_an_index_that_fails_denies():
    verdict = _judge(PASS, ADVISORY, approved=True, known=Knowledge(advisories=BrokenAdvisories()))
    assert verdict.outcome is DENY
    assert "the index is broken" in verdict.reasons[0].evidence


def test_an_index_entry_alone_lets_expect_what_needs_no_inspection():
    rules = policy(DENIED, ASKS, {"id": "young", "check": "release_age", "days": 3650}, {"id": "big", "check": "yanked", "when": "files > 1"})  # fmt: skip
    found = _foresee(rules, SIX)
    assert (found.outcome, [reason.rule for reason in found.reasons]) == (REVIEW, ["young"])
    assert _foresee(rules, SIX, approved={SIX.sha256}).outcome is ALLOW
    assert _foresee(rules, NUMPY, approved={NUMPY.sha256}).outcome is DENY
    assert _foresee(policy(ASKS), SIX).outcome is ALLOW


def test_of_what_an_inspection_found_before_only_a_denial_is_foreseen():
    licence = {"id": "licence", "check": "license", "allow": ["MIT"]}
    odd = facts(SIX, license_expression="LicenseRef-Odd")
    assert _foresee(policy(licence), SIX, odd).outcome is ALLOW
    assert _foresee(policy({**licence, "then": "deny"}), SIX, odd).outcome is DENY


def test_a_feed_that_is_missing_or_too_old_says_nothing_of_one_release_and_is_not_foreseen():
    assert _judge(ADVISORY, known=Knowledge()).outcome is REVIEW
    assert _foresee(policy(ADVISORY), SIX, known=Knowledge()).outcome is ALLOW
    assert _judge(ADVISORY, known=_at(99)).outcome is REVIEW
    assert _foresee(policy(ADVISORY), SIX, known=_at(99)).outcome is ALLOW


def test_what_is_malicious_is_denied_before_anything_else_is_known_where_the_data_is():
    rules = policy({"id": "mal", "check": "malicious"})
    known = Knowledge(advisories=index(osv("MAL-2026-1")))
    assert rules.hard_denial(NUMPY, NOW, known).rule == "mal"
    assert rules.hard_denial(artifact("six", "1.0"), NOW, known) is None
    assert rules.hard_denial(NUMPY, NOW) is None


def test_a_hard_rule_that_fails_denies():
    rules = policy(DENIED | {"projects": ["other"], "when": "1 / (size - 1000) > 0"})
    assert "the rule failed" in rules.hard_denial(NUMPY, NOW).evidence
