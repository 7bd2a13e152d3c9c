from typing import get_args

import pytest

from sekisho.model import Outcome
from sekisho.model.verdict import gravest
from sekisho.policy import Door, Policy, judge
from sekisho.policy.rules import Case, Denied, Rule, Yanked
from tests.records import NOW, artifact, by_hash, closure, facts, policy, signed, snapshot

NUMPY, SIX = artifact(), artifact("six", "1.17.0")
DENY = {"id": "no-numpy", "check": "denied", "projects": ["numpy"]}
REVIEW = {"id": "no-gpl", "check": "license", "allow": ["ISC"]}
PASS = {"id": "yanked", "check": "yanked"}

RULES = get_args(get_args(Rule)[0])


def _judge(*rules, approved=(), artifacts=(NUMPY,), inspected=None):
    known = by_hash(*(facts(one) for one in (artifacts if inspected is None else inspected)))
    return judge(closure(*artifacts), known, policy(*rules), approved=frozenset(approved), now=NOW)


def test_what_no_rule_objects_to_is_allowed_with_a_reason():
    found = _judge(PASS)
    assert found.outcome is Outcome.ALLOW
    assert [(reason.rule, reason.outcome) for reason in found.verdicts[0].reasons] == [("all-rules", Outcome.ALLOW)]


def test_every_rule_that_objects_is_in_the_verdict():
    (verdict,) = _judge(PASS, REVIEW, DENY).verdicts
    assert [reason.rule for reason in verdict.reasons] == ["no-gpl", "no-numpy"]
    assert verdict.outcome is Outcome.DENY


def test_a_denial_beats_an_approval():
    (verdict,) = _judge(DENY, approved=[NUMPY.sha256]).verdicts
    assert verdict.outcome is Outcome.DENY
    assert "approved" not in [reason.rule for reason in verdict.reasons]


def test_a_denial_beats_an_approval_even_after_a_rule_that_asks_for_review():
    assert _judge(REVIEW, DENY, approved=[NUMPY.sha256]).outcome is Outcome.DENY


def test_an_approval_beats_a_review_and_keeps_its_reasons():
    (verdict,) = _judge(REVIEW, approved=[NUMPY.sha256]).verdicts
    assert verdict.outcome is Outcome.ALLOW
    assert [reason.rule for reason in verdict.reasons] == ["approved", "no-gpl"]


def test_an_approval_of_other_bytes_does_not_count():
    assert _judge(REVIEW, approved=[SIX.sha256]).outcome is Outcome.REVIEW


def test_a_file_that_was_not_inspected_is_denied_even_if_it_is_approved():
    found = _judge(PASS, artifacts=(NUMPY, SIX), inspected=(NUMPY,), approved=[SIX.sha256])
    assert [verdict.outcome for verdict in found.verdicts] == [Outcome.ALLOW, Outcome.DENY]
    assert found.verdicts[1].reasons[0].rule == "not-inspected"
    assert found.outcome is Outcome.DENY


def test_an_empty_closure_is_denied():
    found = _judge(PASS, artifacts=())
    assert (found.outcome, found.verdicts) == (Outcome.DENY, ())


def test_the_request_is_as_grave_as_its_gravest_artifact():
    rule = {"id": "yanked", "check": "yanked", "then": "review"}
    found = _judge(rule, artifacts=(NUMPY, artifact("six", "1.17.0", yanked="broken")))
    assert found.outcome is Outcome.REVIEW
    assert found.count() == {"allow": 1, "review": 1, "deny": 0}


class Broken(Yanked):
    def look(self, case):
        return case.facts.native[0]


class Divides(Yanked):
    def look(self, case):
        return 1 / 0


class Types(Yanked):
    def look(self, case):
        return case.artifact.size < case.artifact.project


@pytest.mark.parametrize("rule", [Broken, Divides, Types])
def test_a_rule_that_fails_denies_whatever_its_then_says(rule):
    broken = Policy(version=1, rules=(rule(id="broken", check="yanked", then="allow"),))
    found = judge(closure(NUMPY), by_hash(facts(NUMPY)), broken, approved=frozenset({NUMPY.sha256}), now=NOW)
    (reason,) = found.verdicts[0].reasons
    assert (found.outcome, reason.rule) == (Outcome.DENY, "broken")
    assert "the rule failed" in reason.evidence


def test_a_rule_that_allows_does_not_outvote_one_that_denies():
    allow = {"id": "friends", "check": "license", "allow": ["ISC"], "then": "allow"}
    assert _judge(allow, DENY).outcome is Outcome.DENY
    assert _judge(DENY, allow).outcome is Outcome.DENY


def test_a_judgement_names_what_was_judged_by_what():
    found = _judge(PASS)
    assert (found.closure, found.policy, found.at) == (closure(NUMPY).digest(), policy(PASS).digest(), NOW)
    assert found.verdicts[0].purl == NUMPY.purl


def test_nothing_at_all_is_denied():
    assert gravest([]) is Outcome.DENY


@pytest.mark.parametrize("name", sorted({rule.__name__ for rule in RULES}))
@pytest.mark.parametrize("error", [RuntimeError, RecursionError, AttributeError, OSError, AssertionError, MemoryError])
def test_each_rule_denies_when_it_raises_anything(name, error):
    """The rule is a real one, and what it looks at is what fails."""

    class Failing(type(artifact())):
        def __getattribute__(self, key):
            if key in {"uploaded", "yanked", "filename", "kind", "project", "index", "sha256"}:
                raise error("the evaluator broke")
            return super().__getattribute__(key)

    class Facts:
        def __getattr__(self, key):
            raise error("the evaluator broke")

    rule = next(rule for rule in RULES if rule.__name__ == name)
    more = {"Denied": {"projects": ("six",)}, "ReleaseAge": {"days": 1}, "License": {"allow": ("MIT",)},
            "AdvisoryRule": {"severity": 7}, "Build": {"refuse": ("six",)}, "Channel": {"may": {"forge": ("six",)}}, "ProjectStatus": {"statuses": ("archived",)}, "Floor": {"behind_days": 1},
            "Provenance": {"publishers": ({"project": "six", "publisher": "x", "repository": "y"},)}}.get(name, {})  # fmt: skip
    check = get_args(rule.model_fields["check"].annotation)[0]
    built = rule(id="a-rule", check=check, **more, **({} if rule is Denied else {"then": "allow"}))
    reason = built.answer(Case(Failing.model_construct(), Facts(), NOW))
    assert (reason.rule, reason.outcome) == ("a-rule", Outcome.DENY)
    assert reason.evidence.startswith("the rule failed: ")


def test_a_denial_that_fails_while_serving_closes_the_door(monkeypatch):
    """Nothing is served by a policy that cannot be evaluated, and the refusal says so."""
    door = Door(snapshot(signed(NUMPY), rules=[{"id": "no-evil", "check": "denied", "projects": ["evil"]}]), "everyone")
    assert door.admits(NUMPY.sha256, NOW)

    def broken(self, case):
        raise RuntimeError("the evaluator broke")

    monkeypatch.setattr(Denied, "look", broken)
    assert door.admits(NUMPY.sha256, NOW) is None
    rule, sentence = door.why_not("pypi", "numpy", NOW)
    assert (rule, "the rule failed: the evaluator broke" in sentence) == ("no-evil", True)
