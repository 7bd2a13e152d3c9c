"""The algebra of verdicts: more rules never make it lighter, more approvals never make it graver."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sekisho.model import Outcome
from sekisho.policy import judge
from sekisho.policy.judge import foresee
from tests.property.strategies import KNOWN, POLICIES, closures, facts_of, rules
from tests.records import NOW, by_hash, policy

CASES = closures().flatmap(
    lambda closure: st.tuples(
        st.just(closure), st.tuples(*(st.none() | facts_of(one) for one in closure.artifacts)), st.sets(
            st.sampled_from([one.sha256 for one in closure.artifacts]) if closure.artifacts else st.nothing()
        ),
        KNOWN,
    )
)  # fmt: skip


def _judge(case, policy_rules, approved=None):
    closure, inspected, already, known = case
    facts = by_hash(*(one for one in inspected if one))
    return judge(
        closure, facts, policy(*policy_rules), approved=already if approved is None else approved, now=NOW, known=known
    )


def _gravities(judgement):
    return [verdict.outcome.gravity for verdict in judgement.verdicts]


@given(CASES, POLICIES, rules(99), st.integers(0, 4))
def test_adding_a_rule_never_makes_an_outcome_lighter(case, policy_rules, more, place):
    wider = [*policy_rules[:place], more, *policy_rules[place:]]
    before, after = _judge(case, policy_rules), _judge(case, wider)
    assert all(new >= old for old, new in zip(_gravities(before), _gravities(after), strict=True))
    assert after.outcome.gravity >= before.outcome.gravity


@given(CASES, POLICIES, st.data())
def test_approving_more_never_makes_an_outcome_graver(case, policy_rules, data):
    closure, _, already, _ = case
    hashes = [one.sha256 for one in closure.artifacts]
    more = already | set(data.draw(st.lists(st.sampled_from(hashes))) if hashes else [])
    before, after = _judge(case, policy_rules), _judge(case, policy_rules, more)
    assert all(new <= old for old, new in zip(_gravities(before), _gravities(after), strict=True))
    assert after.outcome.gravity <= before.outcome.gravity


@given(CASES, POLICIES)
def test_no_approval_lifts_a_denial(case, policy_rules):
    closure, _, _, _ = case
    before = _judge(case, policy_rules, set())
    after = _judge(case, policy_rules, {one.sha256 for one in closure.artifacts})
    denied = [verdict.sha256 for verdict in before.verdicts if verdict.outcome is Outcome.DENY]
    assert denied == [verdict.sha256 for verdict in after.verdicts if verdict.outcome is Outcome.DENY]


@given(CASES, POLICIES)
def test_a_request_is_as_grave_as_its_gravest_artifact_and_an_empty_one_is_denied(case, policy_rules):
    judgement = _judge(case, policy_rules)
    assert judgement.outcome.gravity == max(_gravities(judgement), default=Outcome.DENY.gravity)


@given(CASES, POLICIES)
def test_every_verdict_has_a_reason_as_grave_as_itself_or_an_approval(case, policy_rules):
    for verdict in _judge(case, policy_rules).verdicts:
        assert verdict.reasons
        found = {reason.outcome for reason in verdict.reasons}
        assert verdict.outcome in found
        assert "approved" in {reason.rule for reason in verdict.reasons} or verdict.outcome.gravity == max(
            o.gravity for o in found
        )


@given(CASES, POLICIES)
def test_what_was_not_inspected_is_denied(case, policy_rules):
    closure, known, _, _ = case
    inspected = {one.sha256 for one in known if one}
    for artifact, verdict in zip(closure.artifacts, _judge(case, policy_rules).verdicts, strict=True):
        if artifact.sha256 not in inspected:
            assert verdict.outcome is Outcome.DENY


@given(CASES, POLICIES, st.randoms())
def test_the_order_of_rules_changes_no_outcome(case, policy_rules, order):
    shuffled = list(policy_rules)
    order.shuffle(shuffled)
    assert _gravities(_judge(case, shuffled)) == _gravities(_judge(case, policy_rules))


LIFTS = {
    "id": "published", "check": "provenance", "lifts": ["rule-0", "rule-1"],
    "publishers": [{"project": "numpy", "publisher": "GitHub", "repository": "numpy/numpy"}],
}  # fmt: skip


@given(CASES, POLICIES, st.booleans())
def test_nothing_lifts_a_denial_not_even_a_verified_publisher(case, policy_rules, attested):
    closure, inspected, already, known = case
    signed = ({"publisher": "GitHub", "repository": "numpy/numpy"},) if attested else ()
    more = tuple(one and type(one).parse({**one.plain(), "attestations": signed}, where="x") for one in inspected)
    before, after = (_judge((closure, more, already, known), rules) for rules in (policy_rules, [*policy_rules, LIFTS]))
    for old, new in zip(before.verdicts, after.verdicts, strict=True):
        assert (old.outcome is Outcome.DENY) is (new.outcome is Outcome.DENY)


@given(CASES, POLICIES, st.sets(st.sampled_from(["numpy", "six", "evil", "idna", "scikit-learn"])))
def test_an_approval_that_ended_never_makes_an_outcome_lighter(case, policy_rules, ended):
    closure, inspected, already, known = case
    facts, made = by_hash(*(one for one in inspected if one)), policy(*policy_rules)
    gone = {one.sha256: NOW for one in closure.artifacts if one.project in ended}
    before = judge(closure, facts, made, approved=already, now=NOW, known=known)
    after = judge(closure, facts, made, approved=already, now=NOW, known=known, ended=gone)
    assert all(new >= old for old, new in zip(_gravities(before), _gravities(after), strict=True))


@given(CASES, POLICIES)
def test_what_an_index_entry_lets_expect_is_never_graver_than_the_verdict(case, policy_rules):
    closure, _, _, known = case
    known = replace(known, direct=closure.asked())
    foresight = foresee(policy(*policy_rules), known, NOW)
    for artifact, verdict in zip(closure.artifacts, _judge(case, policy_rules, set()).verdicts, strict=True):
        found = foresight.verdict(artifact, None, approved=set(), ended={})
        assert found.outcome.gravity <= verdict.outcome.gravity
