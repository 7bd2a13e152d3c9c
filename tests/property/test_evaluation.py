"""The algebra of verdicts: more rules never make it lighter, more approvals never make it graver."""

from hypothesis import given
from hypothesis import strategies as st

from sekisho.model import Outcome
from sekisho.policy import judge
from tests.property.strategies import POLICIES, closures, facts_of, rules
from tests.records import NOW, by_hash, policy

CASES = closures().flatmap(
    lambda closure: st.tuples(
        st.just(closure), st.tuples(*(st.none() | facts_of(one) for one in closure.artifacts)), st.sets(
            st.sampled_from([one.sha256 for one in closure.artifacts]) if closure.artifacts else st.nothing()
        ),
    )
)  # fmt: skip


def _judge(case, policy_rules, approved=None):
    closure, known, already = case
    facts = by_hash(*(one for one in known if one))
    return judge(closure, facts, policy(*policy_rules), approved=already if approved is None else approved, now=NOW)


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
    closure, _, already = case
    hashes = [one.sha256 for one in closure.artifacts]
    more = already | set(data.draw(st.lists(st.sampled_from(hashes))) if hashes else [])
    before, after = _judge(case, policy_rules), _judge(case, policy_rules, more)
    assert all(new <= old for old, new in zip(_gravities(before), _gravities(after), strict=True))
    assert after.outcome.gravity <= before.outcome.gravity


@given(CASES, POLICIES)
def test_no_approval_lifts_a_denial(case, policy_rules):
    closure, _, _ = case
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
    closure, known, _ = case
    inspected = {one.sha256 for one in known if one}
    for artifact, verdict in zip(closure.artifacts, _judge(case, policy_rules).verdicts, strict=True):
        if artifact.sha256 not in inspected:
            assert verdict.outcome is Outcome.DENY


@given(CASES, POLICIES, st.randoms())
def test_the_order_of_rules_changes_no_outcome(case, policy_rules, order):
    shuffled = list(policy_rules)
    order.shuffle(shuffled)
    assert _gravities(_judge(case, shuffled)) == _gravities(_judge(case, policy_rules))
