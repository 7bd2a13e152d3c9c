from datetime import timedelta

import pytest

from sekisho.errors import BadInputError
from sekisho.model import Outcome
from sekisho.policy.rules import Case
from tests.records import NOW, artifact, facts, package, policy

WHEEL = artifact()
GOOD = facts(WHEEL)
FOUND = [{"code": "record_mismatch", "detail": "x.py is not in RECORD"}]
CUDA = package("pytorch", "2.1.0", "cuda12_py311_0")
NUMBERED = package("pytorch", "2.1.0", "h1_200", build_number=200)
ODD = package("pytorch", "1..0")


def found(code):
    return facts(CUDA, findings=[{"code": code, "detail": "here"}])


def stating(licence):
    return facts(CUDA, license_expression=None, license_hint=licence)


def seen(ago):
    return CUDA.model_copy(update={"uploaded": NOW - ago})


# rule, artifact, facts, whether the rule answers
CASES = {
    "denied name": ({"check": "denied", "projects": ["numpy"]}, WHEEL, GOOD, True),
    "denied name in another spelling": ({"check": "denied", "projects": ["Scikit_Learn"]}, artifact("scikit-learn"), GOOD, True),
    "denied release": ({"check": "denied", "projects": ["numpy<3"]}, WHEEL, GOOD, True),
    "denied pre-release": ({"check": "denied", "projects": ["numpy<3"]}, artifact(release="2.0rc1"), GOOD, True),
    "release outside the denial": ({"check": "denied", "projects": ["numpy<2"]}, WHEEL, GOOD, False),
    "release that cannot be compared": ({"check": "denied", "projects": ["numpy<2"]}, artifact(release="nightly"), GOOD, True),
    "denied name of another kind": ({"check": "denied", "projects": ["numpy"], "kind": "conda"}, WHEEL, GOOD, False),
    "other name": ({"check": "denied", "projects": ["numpyy", "num"]}, WHEEL, GOOD, False),
    "denied before inspection": ({"check": "denied", "projects": ["numpy"]}, WHEEL, None, True),
    "young": ({"check": "release_age", "days": 7}, artifact(uploaded=NOW - timedelta(days=6, hours=23)), GOOD, True),
    "just old enough": ({"check": "release_age", "days": 7}, artifact(uploaded=NOW - timedelta(days=7)), GOOD, False),
    "from the future": ({"check": "release_age", "days": 0}, artifact(uploaded=NOW + timedelta(seconds=1)), GOOD, True),
    "unknown age": ({"check": "release_age", "days": 0}, artifact(uploaded=None), GOOD, True),
    "allowed licence": ({"check": "license", "allow": ["MIT"]}, WHEEL, GOOD, False),
    "other licence": ({"check": "license", "allow": ["ISC"]}, WHEEL, GOOD, True),
    "no licence": ({"check": "license", "allow": ["MIT"]}, WHEEL, facts(WHEEL, license_expression=None), True),
    "licence in words": ({"check": "license", "allow": ["MIT"]}, WHEEL, facts(WHEEL, license_expression=None, license_hint="MIT License"), False),
    "unknown words": ({"check": "license", "allow": ["MIT"]}, WHEEL, facts(WHEEL, license_expression=None, license_hint="see LICENSE"), True),
    "yanked": ({"check": "yanked"}, artifact(yanked="broken"), GOOD, True),
    "yanked without a reason": ({"check": "yanked"}, artifact(yanked=""), GOOD, True),
    "not yanked": ({"check": "yanked"}, WHEEL, GOOD, False),
    "source": ({"check": "sdist_only"}, artifact(filename="numpy-2.1.0.tar.gz"), GOOD, True),
    "wheel": ({"check": "sdist_only"}, WHEEL, GOOD, False),
    "model file": ({"check": "sdist_only"}, artifact(kind="huggingface", filename="model.safetensors"), GOOD, False),
    "native": ({"check": "native_code"}, WHEEL, facts(WHEEL, native=("a.so",)), True),
    "pure": ({"check": "native_code"}, WHEEL, GOOD, False),
    "finding": ({"check": "record_mismatch"}, WHEEL, facts(WHEEL, findings=FOUND), True),
    "other finding": ({"check": "archive_confusion"}, WHEEL, facts(WHEEL, findings=FOUND), False),
    "metadata finding": ({"check": "metadata_mismatch"}, WHEEL, facts(WHEEL, findings=[{"code": "metadata_mismatch", "detail": "x"}]), True),
    "pth finding": ({"check": "top_level_pth"}, WHEEL, facts(WHEEL, findings=[{"code": "top_level_pth", "detail": "x.pth"}]), True),
    "no finding": ({"check": "top_level_pth"}, WHEEL, GOOD, False),
    "link script": ({"check": "link_script"}, CUDA, found("link_script"), True),
    "settings of a client": ({"check": "client_settings"}, CUDA, found("client_settings"), True),
    "other depends": ({"check": "depends_mismatch"}, CUDA, found("depends_mismatch"), True),
    "no link script": ({"check": "link_script"}, CUDA, found("menu"), False),
    "activation": ({"check": "activation_script"}, CUDA, found("activation_script"), True),
    "menu": ({"check": "menu"}, CUDA, found("menu"), True),
    "another user": ({"check": "privileged_mode"}, CUDA, found("privileged_mode"), True),
    "a build to refuse": ({"check": "build", "refuse": ["pytorch=*=*cuda11*", "*[build=*cuda12*]"]}, CUDA, None, True),
    "another build to refuse": ({"check": "build", "refuse": ["pytorch=*=*cpu*"]}, CUDA, None, False),
    "a build of another package to refuse": ({"check": "build", "refuse": ["torch=*=*cuda12*"]}, CUDA, None, False),
    "a build number to refuse": ({"check": "build", "refuse": ["*[build_number='>=100']"]}, NUMBERED, None, True),
    "a lower build number": ({"check": "build", "refuse": ["*[build_number='>=300']"]}, NUMBERED, None, False),
    "none of the only builds": ({"check": "build", "only": ["pytorch=*=*cpu*", "pytorch=*=*cuda11*"]}, CUDA, None, True),
    "one of the only builds": ({"check": "build", "only": ["pytorch=*=*cpu*", "pytorch=*=*cuda12*"]}, CUDA, None, False),
    "only builds of another package": ({"check": "build", "only": ["libblas=*=*openblas"]}, CUDA, None, False),
    "a wheel has no build": ({"check": "build", "refuse": ["*"]}, WHEEL, GOOD, False),
    "a channel that may": ({"check": "channel", "may": {"forge": ["numpy", "py*"]}}, CUDA, None, False),
    "a channel that may not": ({"check": "channel", "may": {"forge": ["numpy"], "other": ["*"]}}, CUDA, None, True),
    "a channel that is not named": ({"check": "channel", "may": {"other": ["*"]}}, CUDA, None, True),
    "a wheel is of no channel": ({"check": "channel", "may": {"other": ["x"]}}, WHEEL, GOOD, False),
    "denied in a channel": ({"check": "denied", "kind": "conda", "projects": ["pytorch"]}, CUDA, None, True),
    "denied release in a channel": ({"check": "denied", "kind": "conda", "projects": ["pytorch<2.2"]}, CUDA, None, True),
    "denied other release in a channel": ({"check": "denied", "kind": "conda", "projects": ["pytorch<2.1.0a1"]}, CUDA, None, False),
    "denied build": ({"check": "denied", "kind": "conda", "projects": ["pytorch=*=*cuda12*"]}, CUDA, None, True),
    "denied other build": ({"check": "denied", "kind": "conda", "projects": ["pytorch=*=*cpu*"]}, CUDA, None, False),
    "denied of the channel": ({"check": "denied", "kind": "conda", "projects": ["forge::pytorch"]}, CUDA, None, True),
    "denied of another channel": ({"check": "denied", "kind": "conda", "projects": ["main::pytorch"]}, CUDA, None, False),
    "denied and no version to compare": ({"check": "denied", "kind": "conda", "projects": ["pytorch<1"]}, ODD, None, True),
    "a licence that a channel states": ({"check": "license", "allow": ["BSD-3-Clause"]}, CUDA, stating("BSD-3-Clause"), False),
    "another licence that a channel states": ({"check": "license", "allow": ["BSD-3-Clause"]}, CUDA, stating("GPL-3.0-only"), True),
    "young in a channel": ({"check": "release_age", "days": 7}, seen(timedelta(days=6)), None, True),
    "old enough in a channel": ({"check": "release_age", "days": 7}, seen(timedelta(days=7)), None, False),
    "denied in an index only": ({"check": "denied", "projects": ["pytorch"]}, CUDA, None, False),
}  # fmt: skip


def _look(rule, artifact, facts):
    (parsed,) = policy({"id": "the-rule", **rule}).rules
    return parsed.look(Case(artifact, facts, NOW))


@pytest.mark.parametrize("name", CASES)
def test_a_rule_answers_when_it_applies_and_only_then(name):
    rule, subject, known, applies = CASES[name]
    reason = _look(rule, subject, known)
    assert (reason is not None) is applies


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[3] and case[0]["check"] != "denied"])
def test_a_rule_answers_what_the_policy_says_with_its_evidence(name, outcome):
    rule, subject, known, _ = CASES[name]
    reason = _look({**rule, "then": outcome}, subject, known)
    in_doubt = outcome is Outcome.DENY and name in {"no licence", "unknown words"}
    assert (reason.rule, reason.outcome) == ("the-rule", Outcome.REVIEW if in_doubt else outcome)
    assert reason.evidence


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        ({"check": "denied", "projects": ["numpy"]}, Outcome.DENY),
        ({"check": "release_age", "days": 3650}, Outcome.REVIEW),
        ({"check": "license", "allow": ["ISC"]}, Outcome.REVIEW),
    ],
)
def test_without_then_a_denial_denies_and_the_others_ask_a_person(rule, outcome):
    assert _look(rule, WHEEL, GOOD).outcome is outcome


@pytest.mark.parametrize("check", ["link_script", "client_settings", "depends_mismatch"])
def test_what_only_conda_packages_have_is_denied_unless_the_policy_says_otherwise(check):
    reason = _look({"check": check}, CUDA, found(check))
    assert (reason.outcome, reason.evidence) == (Outcome.DENY, "here")


@pytest.mark.parametrize(
    ("projects", "release", "denied"),
    [
        (["pytorch"], None, True),
        (["pytorch<3"], None, False),
        (["pytorch<3"], "2.1", True),
        (["pytorch<3"], "3.0", False),
        (["pytorch=*=cpu*"], "2.1", False),
        (["forge::pytorch"], None, False),
    ],
)
def test_a_release_of_a_channel_is_denied_whole_only_where_all_its_files_are(projects, release, denied):
    rules = policy({"id": "no", "check": "denied", "kind": "conda", "projects": projects})
    assert bool(rules.denial("conda", "pytorch", release)) is denied
    assert rules.denial("pypi", "pytorch", release) is None
    assert rules.denying("conda", "pytorch") == ("no",)


@pytest.mark.parametrize(
    "rule",
    [
        {"check": "denied", "kind": "conda", "projects": ["*"]},
        {"check": "denied", "kind": "conda", "projects": ["py*"]},
        {"check": "denied", "kind": "conda", "projects": ["numpy>=1..2"]},
        {"check": "denied", "projects": ["numpy=*=mkl"]},
        {"check": "floor", "kind": "conda", "floors": ["numpy"]},
        {"check": "build"},
        {"check": "build", "refuse": ["numpy[license=MIT]"]},
        {"check": "channel", "may": {}},
    ],
)
def test_a_rule_on_channels_that_says_nothing_valid_is_refused(rule):
    with pytest.raises(BadInputError):
        policy({"id": "x", **rule})


def test_evidence_shows_the_first_binaries_and_how_many_there_are():
    found = facts(WHEEL, native=tuple(f"{letter}.so" for letter in "abcde"))
    assert _look({"check": "native_code"}, WHEEL, found).evidence == "5 binaries, as a.so, b.so, c.so"


def test_every_check_of_the_vocabulary_is_covered_here():
    from typing import get_args

    from sekisho.policy import Rule

    checks = {
        check for rule in get_args(get_args(Rule)[0]) for check in get_args(rule.model_fields["check"].annotation)
    }
    from tests.unit.core.policy.test_rules_that_know import CASES as KNOWING

    assert {rule["check"] for rule, *_ in (*CASES.values(), *KNOWING.values())} == checks


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        ({"license_expression": "GPL-3.0-only"}, Outcome.DENY),
        ({"license_expression": None}, Outcome.REVIEW),
        ({"license_expression": None, "license_hint": "see LICENSE"}, Outcome.REVIEW),
    ],
)
def test_a_licence_that_is_unknown_is_for_a_person_and_no_denial(found, outcome):
    (rule,) = policy({"id": "l", "check": "license", "allow": ["MIT"], "then": "deny"}).rules
    assert rule.answer(Case(WHEEL, facts(WHEEL, **found), NOW)).outcome is outcome
