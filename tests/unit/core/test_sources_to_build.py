"""Source that only the runner may have, and the wheels that it makes: in doors, judgements, locks and statements."""

import pytest

from sekisho.attestation import build_statement
from sekisho.errors import RefusedError
from sekisho.lock import make_lock
from sekisho.model import Build, BuildSystem, Built, Outcome
from sekisho.policy import Door, Policy, judge
from tests.records import NOW, approval, artifact, by_hash, closure, facts, request, sha, signed, snapshot

SOURCE = artifact("raw", "1.0", filename="raw-1.0.tar.gz", build_only=True)
WHEEL = artifact("raw", "1.0", built=SOURCE.sha256, path=f"built/{SOURCE.sha256}/raw-1.0-py3-none-any.whl")
TOOL = artifact("tool", "1.0")
BUILD = Build(project="raw", sdist=SOURCE.sha256, requires=("tool",), artifacts=(TOOL,))
RULES = {"version": 1, "rules": [{"id": "source", "check": "sdist_only", "then": "review"}]}


def test_a_door_gives_source_to_the_runner_and_shows_it_to_nobody():
    door = Door(snapshot(signed(SOURCE), signed(WHEEL)), "everyone")
    assert door.admits(SOURCE.sha256, NOW) == SOURCE
    assert door.artifacts("pypi", "raw", NOW) == (WHEEL,)
    alone = Door(snapshot(signed(SOURCE)), "everyone")
    assert alone.projects("pypi", NOW) == ()
    assert alone.artifacts("pypi", "raw", NOW) == ()


def test_what_a_wheel_is_built_with_is_judged_like_anything_else():
    whole = closure(SOURCE, builds=(BUILD,))
    system = BuildSystem(requires=("tool",), backend="tool.build")
    found = by_hash(facts(SOURCE, build=system), facts(TOOL, license_expression="LicenseRef-Odd"))
    rules = {**RULES, "rules": [*RULES["rules"], {"id": "licence", "check": "license", "allow": ["MIT"]}]}
    judged = judge(whole, found, Policy.parse(rules, where="test"), approved=frozenset(), now=NOW)
    said = {row.sha256: [reason.evidence for reason in row.reasons] for row in judged.verdicts}
    assert said[SOURCE.sha256] == ["no wheel for the target, only source, which tool.build would build in the runner"]
    assert "LicenseRef-Odd" in said[TOOL.sha256][0]
    assert judged.outcome is Outcome.REVIEW


def test_a_setup_py_is_named_as_what_would_run():
    system = BuildSystem(requires=("setuptools",), backend="setuptools.build_meta:__legacy__", legacy=True)
    found = by_hash(facts(SOURCE, build=system))
    policy = Policy.parse(RULES, where="test")
    [row] = judge(closure(SOURCE), found, policy, approved=frozenset(), now=NOW).verdicts
    assert "a setup.py that names no build system would build" in row.reasons[0].evidence


def test_a_lock_waits_for_the_wheel():
    approvals = (approval(SOURCE), approval(TOOL), approval(WHEEL))
    with pytest.raises(RefusedError, match="raw is still source"):
        make_lock("x", closure(SOURCE, builds=(BUILD,)), approvals, workspace="everyone", now=NOW)
    lock = make_lock("x", closure(WHEEL), approvals, workspace="everyone", now=NOW)
    assert [row.sha256 for row in lock.artifacts] == [WHEEL.sha256]


def test_a_request_that_names_the_source_by_hash_takes_its_wheel():
    wanted = request("raw", hashes={"raw": (SOURCE.sha256,)})
    assert wanted.objection((WHEEL,)) is None
    assert wanted.objection((artifact("raw", "1.0"),)) is not None


def test_the_statement_names_source_tools_base_and_what_differs():
    built = Built(
        wheel=WHEEL, source=SOURCE, requires=(TOOL,), base=sha("base"), room=sha("room"), runner="test",
        environment={"TZ": "UTC", "WITH": "1"}, extra=("torch",), variables={"WITH": "1"}, reproducible=False, differing=("raw/x.so",), begun=NOW, ended=NOW,
    )  # fmt: skip
    said = build_statement(built, "https://portal.example")
    assert said["predicateType"] == "https://slsa.dev/provenance/v1"
    assert said["subject"] == [{"name": WHEEL.filename, "digest": {"sha256": WHEEL.sha256}}]
    made = said["predicate"]["buildDefinition"]
    assert [row["digest"]["sha256"] for row in made["resolvedDependencies"]] == [
        SOURCE.sha256, TOOL.sha256, sha("base"),
    ]  # fmt: skip
    assert made["internalParameters"] == {"environment": {"TZ": "UTC", "WITH": "1"}, "network": "none"}
    assert made["externalParameters"]["extra-build-dependencies"] == ["torch"]
    assert made["externalParameters"]["extra-build-variables"] == {"WITH": "1"}
    second = said["predicate"]["runDetails"]["byproducts"][1]["annotations"]
    assert second == {"reproducible": False, "differing": ["raw/x.so"]}
