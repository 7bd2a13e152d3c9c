"""A door admits exactly what is approved, in scope, not expired and not denied."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from sekisho.allowlist import sign_approval
from sekisho.policy import Door
from tests.property.strategies import SLUGS, approvals, artifacts, rules
from tests.records import NO_RULE_APPLIES, NOW, SIGNER, snapshot

APPROVALS = st.lists(approvals(), max_size=5)
RULES = st.lists(rules(0) | rules(1), max_size=2, unique_by=lambda rule: rule["id"])
TIMES = st.integers(-4, 4).map(lambda hours: NOW + timedelta(hours=hours))


def _door(found, policy_rules, workspace):
    return Door(
        snapshot(*(sign_approval(one, SIGNER) for one in found), rules=[NO_RULE_APPLIES, *policy_rules]), workspace
    )


def _expected(found, policy_rules, workspace, now):
    """What the words of the architecture say, written a second time and without any index."""
    policy = snapshot(rules=[NO_RULE_APPLIES, *policy_rules]).policy
    return {
        artifact.sha256
        for approval in found
        for artifact in approval.artifacts
        if workspace in approval.scope
        and not (approval.expires and approval.expires <= now)
        and policy.hard_denial(artifact, now) is None
    }


@given(APPROVALS, RULES, SLUGS, TIMES)
def test_a_door_admits_exactly_the_approved_set(found, policy_rules, workspace, now):
    door = _door(found, policy_rules, workspace)
    expected = _expected(found, policy_rules, workspace, now)
    assert door.hashes(now) == expected
    for approval in found:
        for artifact in approval.artifacts:
            assert (door.admits(artifact.sha256, now) is not None) is (artifact.sha256 in expected)


@given(APPROVALS, RULES, SLUGS, TIMES)
def test_every_view_of_a_door_agrees(found, policy_rules, workspace, now):
    door = _door(found, policy_rules, workspace)
    listed = {one.sha256 for name in door.projects("pypi", now) for one in door.artifacts("pypi", name, now)}
    assert listed == door.hashes(now)
    assert all(door.artifacts("pypi", name, now) for name in door.projects("pypi", now))


@given(APPROVALS, RULES, SLUGS, artifacts(), TIMES)
def test_bytes_that_nobody_approved_are_never_admitted(found, policy_rules, workspace, other, now):
    approved = {one.sha256 for approval in found for one in approval.artifacts}
    if other.sha256 not in approved:
        assert _door(found, policy_rules, workspace).admits(other.sha256, now) is None


@given(APPROVALS, approvals(), RULES, SLUGS, TIMES)
def test_one_more_approval_never_closes_a_door(found, more, policy_rules, workspace, now):
    before = _door(found, policy_rules, workspace).hashes(now)
    assert before <= _door([*found, more], policy_rules, workspace).hashes(now)


@given(APPROVALS, RULES, rules(9), SLUGS, TIMES)
def test_one_more_rule_never_opens_a_door(found, policy_rules, more, workspace, now):
    before = _door(found, policy_rules, workspace).hashes(now)
    assert _door(found, [*policy_rules, more], workspace).hashes(now) <= before


@given(APPROVALS, RULES, SLUGS, TIMES)
def test_until_its_next_expiry_the_answer_for_a_project_stays(found, policy_rules, workspace, now):
    door = _door(found, policy_rules, workspace)
    for project in {one.project for approval in found for one in approval.artifacts}:
        end = door.next_expiry("pypi", project, now)
        last = (end - timedelta(microseconds=1)) if end else now + timedelta(days=365)
        assert door.artifacts("pypi", project, last) == door.artifacts("pypi", project, now)


@given(APPROVALS, RULES, SLUGS, TIMES)
def test_a_closed_door_always_has_a_reason(found, policy_rules, workspace, now):
    door = _door(found, policy_rules, workspace)
    known = {"expired", "not-approved", *(rule["id"] for rule in policy_rules)}
    for project in ("numpy", "six", "nobody-asked"):
        if not door.artifacts("pypi", project, now):
            rule, sentence = door.why_not("pypi", project, now)
            assert rule in known
            assert sentence
