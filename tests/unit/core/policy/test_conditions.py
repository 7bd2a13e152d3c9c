"""``when``: a closed set of variables, checked when the policy is read; an error in it denies."""

import pytest

from sekisho.errors import BadInputError
from sekisho.model import Outcome
from sekisho.policy import judge
from sekisho.policy.knowledge import Knowledge
from tests.records import NOW, artifact, by_hash, closure, facts, package, policy

NUMPY = artifact()


def _outcome(when, more=None, known=None, check="license"):
    rule = {"id": "licence", "check": check, "allow": ["ISC"], "when": when}
    found = judge(
        closure(NUMPY), by_hash(facts(NUMPY, **(more or {}))), policy(rule), approved=frozenset(), now=NOW,
        known=known or Knowledge(),
    )  # fmt: skip
    return found.outcome, found.verdicts[0].reasons[0].evidence


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("true", True),
        ("kind == 'pypi' && source == 'pypi'", True),
        ("project in ['numpy', 'six']", True),
        ("project.startsWith('num') && release.matches('^2[.]')", True),
        ("filename.endsWith('.whl')", True),
        ("size > 1000", False),
        ("age_days > 300", True),
        ("yanked", False),
        ("direct", True),
        ("approved_before", False),
        ("workspace == 'everyone'", True),
        ("license == 'MIT' && !native && files == 0 && unpacked == 0", True),
        ("findings.exists(f, f == 'top_level_pth')", False),
        ("'GitHub:numpy/numpy' in publishers", False),
    ],
)
def test_a_rule_speaks_only_where_its_condition_holds(when, holds):
    assert _outcome(when)[0] is (Outcome.REVIEW if holds else Outcome.ALLOW)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("build.startsWith('cuda12') && subdir == 'linux-64' && channel == 'forge'", True),
        ("kind == 'conda' && subdir == 'noarch'", False),
        ("build.contains('mkl')", False),
    ],
)
def test_a_condition_sees_where_a_package_of_a_channel_is_from(when, holds):
    one = package("pytorch", "2.1.0", "cuda12_0")
    rule = policy({"id": "all", "check": "build", "refuse": ["*"], "when": when})
    found = judge(closure(one), by_hash(facts(one)), rule, approved=frozenset(), now=NOW)
    assert found.outcome is (Outcome.REVIEW if holds else Outcome.ALLOW)
    assert _outcome("build == '' && channel == '' && subdir == ''")[0] is Outcome.REVIEW


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ("size >", "Syntax error"),
        ("nothing_of_the_kind == 1", "undeclared reference"),
        ("size > 'a'", "no matching overload"),
        ("size + 1", "true or false"),
        ("project", "true or false"),
        ("now > 1", "undeclared reference"),
        ("x" * 1001, "when"),
        ("", "when"),
    ],
)
def test_a_condition_that_can_never_work_is_refused_when_the_policy_is_read(when, why):
    with pytest.raises(BadInputError, match=why):
        policy({"id": "a", "check": "yanked", "when": when})


def test_a_condition_that_fails_denies():
    outcome, evidence = _outcome("1 / (size - 1000) > 0")
    assert outcome is Outcome.DENY
    assert "divide by zero" in evidence


def test_a_rule_that_is_asked_before_the_inspection_cannot_lean_on_it():
    denied = {"id": "a", "check": "denied", "projects": ["numpy"]}
    with pytest.raises(BadInputError, match="undeclared reference to 'native'"):
        policy(denied | {"when": "native"})
    rules = policy(denied | {"when": "workspace == 'lab'"})
    assert rules.hard_denial(NUMPY, NOW) is None
    assert rules.hard_denial(NUMPY, NOW, Knowledge(workspace="lab")).rule == "a"
