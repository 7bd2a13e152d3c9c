import pytest

from sekisho.errors import BadInputError
from sekisho.policy import parse_policy
from tests.records import NOW, artifact, policy

GOOD = "version: 1\nrules: [{id: young, check: release_age, days: 7, then: review}]\n"


def test_a_policy_is_read_from_yaml():
    (rule,) = parse_policy(GOOD).rules
    assert (rule.id, rule.check, rule.days) == ("young", "release_age", 7)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("version: 1\nrules: []\n", "rules"),
        ("version: 1\n", "rules"),
        ("rules: [{id: a, check: yanked}]\n", "version"),
        ("version: 2\nrules: [{id: a, check: yanked}]\n", "version"),
        ("version: 1\nrules: [{id: a, check: sounds_nice}]\n", "sounds_nice"),
        ("version: 1\nrules: [{id: a, check: yanked}, {id: a, check: yanked}]\n", "'a' is listed twice"),
        ("version: 1\nrules: [{id: a, check: yanked, then: allow_it}]\n", "then"),
        ("version: 1\nrules: [{id: a, check: yanked, unless: friday}]\n", "unless"),
        ("version: 1\nrules: [{check: yanked}]\n", "id"),
        ("version: 1\nrules: [{id: a}]\n", "check"),
        ("version: 1\nrules: [{id: a, check: denied, projects: []}]\n", "projects"),
        ("version: 1\nrules: [{id: a, check: denied, projects: ['not a name !']}]\n", "not a requirement"),
        ("version: 1\nrules: [{id: a, check: release_age, days: -1}]\n", "days"),
        ("version: 1\nrules: [{id: a, check: license, allow: []}]\n", "allow"),
        ("version: 1\nask: 'javascript:alert(1)'\nrules: [{id: a, check: yanked}]\n", "ask"),
        ("version: 1\nmode: audit\nrules: [{id: a, check: yanked}]\n", "mode"),
        ("", "value"),
        ("- a\n", "value"),
    ],
)
def test_a_policy_that_does_not_hold_together_is_refused_with_file_and_key(text, why):
    with pytest.raises(BadInputError, match=why) as caught:
        parse_policy(text)
    assert caught.value.where.startswith("policy.yaml")


def test_malformed_yaml_names_the_line():
    with pytest.raises(BadInputError) as caught:
        parse_policy("version: 1\nrules: [\n")
    assert "line 3" in caught.value.where


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{id: b, check: sounds_nice, then: deny}", "sounds_nice"),
        ("{id: b, check: release_age, dayz: 7}", "dayz"),
        ("{id: a, check: yanked}", "'a' is listed twice"),
    ],
)
def test_a_rule_that_nobody_knows_is_named_with_its_line(rule, said):
    with pytest.raises(BadInputError, match=said) as caught:
        parse_policy(f"version: 1\nrules:\n  - {{id: a, check: yanked}}\n\n  - {rule}\n")
    assert caught.value.where == "policy.yaml, line 5"


def test_a_sandbox_that_relaxes_what_is_no_rule_is_named_with_its_line():
    sandbox = "workspaces:\n  lab:\n    sandbox:\n      days: 7\n      relax:\n        nope: allow\n"
    with pytest.raises(BadInputError, match="relaxes 'nope', which is no rule") as caught:
        parse_policy(f"{GOOD}{sandbox}")
    assert caught.value.where == "policy.yaml, line 8"


def test_the_digest_of_a_policy_changes_with_any_rule():
    young = {"id": "young", "check": "release_age", "days": 7}
    assert policy(young).digest() != policy(young | {"days": 8}).digest() != policy(young | {"then": "deny"}).digest()


def test_the_digest_does_not_depend_on_the_order_of_allowed_licences():
    names = [f"LicenseRef-{number}" for number in range(50)]
    digests = {
        policy({"id": "l", "check": "license", "allow": order}).digest()
        for order in (names, names[::-1], names[25:] + names[:25])
    }
    assert len(digests) == 1


def test_a_hard_denial_comes_from_denied_names_only():
    rules = policy(
        {"id": "yanked", "check": "yanked", "then": "deny"}, {"id": "no-evil", "check": "denied", "projects": ["evil"]}
    )
    assert rules.hard_denial(artifact("numpy", yanked="broken"), NOW) is None
    assert rules.hard_denial(artifact("evil"), NOW).rule == "no-evil"
