"""What policy.yaml may say besides rules: feeds, workspaces, sandboxes; and where it is wrong."""

from datetime import timedelta

import pytest

from sekisho.errors import BadInputError, RefusedError
from sekisho.model import Outcome
from sekisho.policy import judge, parse_policy
from sekisho.policy.knowledge import Knowledge
from tests.records import NOW, artifact, by_hash, closure, facts

RULES = """\
rules:
  - {id: no-evil, check: denied, projects: [evil]}
  - {id: young, check: release_age, days: 3650, then: review}
  - {id: licence, check: license, allow: [ISC], then: deny}
"""
SANDBOX = f"""\
version: 1
workspaces:
  risk: {{mode: audit}}
  lab:
    sandbox: {{days: 14, relax: {{young: allow, licence: review}}}}
{RULES}"""


def test_a_workspace_has_its_mode_and_enforces_without_one():
    policy = parse_policy(SANDBOX)
    assert [policy.mode(name) for name in ("risk", "lab", "everyone")] == ["audit", "enforce", "enforce"]


def test_an_old_policy_is_what_it_was():
    policy = parse_policy(f"version: 1\n{RULES}")
    assert set(policy.plain()) == {"version", "rules"}


def test_a_sandbox_is_looser_for_itself_alone():
    policy, numpy = parse_policy(SANDBOX), artifact()
    outcomes = [
        judge(
            closure(numpy),
            by_hash(facts(numpy)),
            policy,
            approved=frozenset(),
            now=NOW,
            known=Knowledge(workspace=name),
        ).outcome
        for name in ("lab", "risk", "everyone")
    ]
    assert outcomes == [Outcome.REVIEW, Outcome.DENY, Outcome.DENY]


def test_what_is_approved_in_a_sandbox_ends_soon_and_is_for_it_alone():
    policy, soon, late = parse_policy(SANDBOX), NOW + timedelta(days=1), NOW + timedelta(days=99)
    assert policy.check_scope(("lab",), None, NOW) == NOW + timedelta(days=14)
    assert policy.check_scope(("lab",), late, NOW) == NOW + timedelta(days=14)
    assert policy.check_scope(("lab",), soon, NOW) == soon
    assert policy.check_scope(("risk", "everyone"), None, NOW) is None
    with pytest.raises(BadInputError, match="lab is a sandbox"):
        policy.check_scope(("everyone", "lab"), None, NOW)


def _with(workspaces):
    return f"version: 1\nworkspaces: {workspaces}\n{RULES}"


@pytest.mark.parametrize(
    ("text", "why", "line"),
    [
        (_with("{lab: {mode: sometimes}}"), "mode", "line 2"),
        (_with("{lab: {sandbox: {days: 0, relax: {young: allow}}}}"), "days", "line 2"),
        (_with("{lab: {sandbox: {days: 14, relax: {}}}}"), "relax", "line 2"),
        (_with("{lab: {sandbox: {days: 14, relax: {nothing: allow}}}}"), "'nothing', which is no rule", "line 2"),
        (_with("{lab: {sandbox: {days: 14, relax: {no-evil: allow}}}}"), "holds everywhere", "line 2"),
        (_with("{lab: {sandbox: {days: 14, relax: {young: review}}}}"), "does not relax 'young'", "line 2"),
        (_with("{everyone: {sandbox: {days: 14, relax: {young: allow}}}}"), "everyone cannot be a sandbox", "line 2"),
        (_with("{'no name': {mode: audit}}"), "no name", "line 2"),
        ("version: 1\nrules: [{id: stale-osv, check: yanked}]\n", "no rule can be called 'stale-osv'", "line 2"),
        ("version: 1\nrules: [{id: approved, check: yanked}]\n", "no rule can be called 'approved'", "line 2"),
        ("version: 1\nfeeds: {osv: {days: 0}}\n" + RULES, "days", "line 2"),
        ("version: 1\nfeeds: {gossip: {days: 1}}\n" + RULES, "gossip", "line 2"),
        ("version: 1\nrules:\n  - {id: a, check: yanked}\n  - {id: b, check: yankd}\n", "yankd", "line 4"),
        ("version: 1\nrules:\n  - id: a\n    check: license\n    allow: [MIT]\n    alow: [ISC]\n", "alow", "line 6"),
        ("version: 1\nrules:\n  - id: a\n    check: provenance\n    lifts: [b]\n    publishers: [{project: x, publisher: G, repository: r}]\n", "lifts 'b'", "line 5"),
        ("version: 1\nrules:\n  - {id: a, check: yanked, when: 'siz > 1'}\n", "undeclared reference to 'siz'", "line 3"),
    ],
)  # fmt: skip
def test_what_does_not_hold_together_is_named_with_file_line_and_key(text, why, line):
    with pytest.raises(BadInputError, match=why) as caught:
        parse_policy(text)
    assert caught.value.where == f"policy.yaml, {line}"


def test_of_several_faults_each_has_its_line():
    with pytest.raises(BadInputError) as caught:
        parse_policy("version: 1\nrules:\n  - {id: a, check: yanked, x: 1}\n  - {id: b, check: yanked, y: 1}\n")
    assert "(line 3)" in caught.value.what
    assert "(line 4)" in caught.value.what
    assert caught.value.where == "policy.yaml, line 3"


def test_of_countless_faults_twenty_are_told_at_once():
    rows = "".join(f"  - {{id: r{number}, check: yanked, x: 1}}\n" for number in range(500))
    with pytest.raises(BadInputError, match="and 480 more") as caught:
        parse_policy(f"version: 1\nrules:\n{rows}")
    assert len(caught.value.what) < 3000


def test_the_shipped_policy_is_one():
    from pathlib import Path

    text = (Path(__file__).resolve().parents[4] / "allowlists" / "policy.yaml").read_text()
    assert {rule.id for rule in parse_policy(text).rules} >= {"malicious", "critical", "young", "licence"}


ABSENT = """\
version: 1
feeds: {osv: absent}
rules:
  - {id: malicious, check: malicious}
  - {id: advisories, check: advisory, severity: 4.0, then: deny}
"""


def test_a_site_without_a_feed_says_so_and_every_verdict_repeats_it():
    one = artifact()
    judged = judge(closure(one), by_hash(facts(one)), parse_policy(ABSENT), approved=frozenset(), now=NOW)
    (reason,) = judged.verdicts[0].reasons
    assert (reason.outcome, reason.rule) == (Outcome.ALLOW, "all-rules")
    assert reason.evidence == "0 rules, no objection; without osv, as the policy says"
    silent = parse_policy(ABSENT.replace("feeds: {osv: absent}\n", ""))
    assert judge(closure(one), by_hash(facts(one)), silent, approved=frozenset(), now=NOW).outcome is Outcome.REVIEW


@pytest.mark.parametrize("feed", ["kev", "epss"])
def test_only_the_first_feed_can_be_absent(feed):
    with pytest.raises(BadInputError, match=f"feed {feed} cannot be absent"):
        parse_policy(ABSENT.replace("osv", feed))


@pytest.mark.parametrize("text", ["approvers: 3", "approvers: 0", "approvers: two", "feeds: {osv: no}"])
def test_what_is_no_number_of_approvers_and_no_feed_is_refused(text):
    with pytest.raises(BadInputError):
        parse_policy(ABSENT.replace("feeds: {osv: absent}", text))


def test_no_image_is_built_of_what_a_sandbox_has():
    policy = parse_policy(SANDBOX)
    with pytest.raises(RefusedError, match="enters an image"):
        policy.check_image("lab", "sklearn")
    policy.check_image("lab", None)
    policy.check_image("everyone", "sklearn")
