"""Advisories speak of the index: what a channel's package holds, and what it is known as, is judged by them all the same."""

import json

import pytest

from sekisho.lock import lock_digest, make_lock
from sekisho_portal.held import find_held, read_sought
from tests.advisories import CRITICAL, MEDIUM, osv, packed
from tests.command_line import run
from tests.fake_upstream import run_asgi
from tests.records import artifact, facts, package
from tests.unit.portal.house import ADA, RITA

RULES = """
version: 1
rules:
  - {id: critical, check: advisory, severity: 9.0, then: deny, unless: vex}
  - {id: weakness, check: advisory, severity: 4.0, then: review, unless: vex}
  - {id: link-scripts, check: link_script}
"""
SOURCES = """
sources:
  - {id: pypi, preset: pypi}
  - {id: forge, kind: conda, url: "https://channels.invalid/forge"}
"""
CVE = "CVE-2026-1000"
NEWS = {"events": [{"introduced": "2.0"}, {"fixed": "2.1.1"}], "modified": "2026-10-31T12:00:00Z"}
QUIET = [osv(f"GHSA-zzzz-zzzz-000{n}", "unused") for n in range(3)]
PYTORCH = package("pytorch", "2.1.0", "cuda12_py311_0")
WHEEL = artifact("torch", "2.1.0")
HOLDS = {"contains": [{"project": "torch", "release": "2.1.0"}]}


@pytest.fixture
def house(house):
    house.repository.commit({"policy.yaml": RULES, "sources.yaml": SOURCES})
    house.snapshots.refresh()
    take(house)
    return house


def take(house, *records):
    return house.desk.take_feed(ADA, "osv", packed(*QUIET, *records).getvalue(), "all.zip")


def proposed(house, *found, **more):
    """Ask for packages, resolve and inspect: what is found says ``more`` of the first."""
    request = house.ask(RITA, (), conda=[one.project for one in found], channels=["forge"])
    house.resolve(request, *found)
    house.inspect(request, facts(found[0], **more), *map(facts, found[1:]))
    return request


def test_a_package_that_nobody_knows_by_another_name_is_unknown_until_it_is_named(house):
    request = proposed(house, PYTORCH)
    assert house.state(request) == "waiting"
    (row,) = house.desk.standing(request).exceptions()
    assert "pytorch, which holds no project of an index that is known" in row["reasons"][0]["evidence"]
    house.desk.take_feed(ADA, "conda", json.dumps({"pytorch": "torch"}).encode(), "names.json")
    assert house.state(proposed(house, PYTORCH)) == "approved"


def test_what_a_package_holds_is_known_and_judged_again_with_every_import(house):
    request = proposed(house, PYTORCH, **HOLDS)
    assert house.state(request) == "approved"
    take(house, osv(CVE, "torch", vector=MEDIUM, **NEWS))
    (told,) = house.desk.affected()
    assert (told["name"], told["kind"], told["outcome"]) == ("conda:pytorch 2.1.0", "conda", "review")
    assert (told["requests"], told["upgrade"], told["advisories"]) == ([request], "2.1.1", [CVE])
    assert told["purl"] == PYTORCH.purl
    assert house.admitted() == {PYTORCH.sha256}
    take(house, osv(CVE, "torch", vector=CRITICAL, **NEWS))
    assert house.admitted() == frozenset()
    take(house, osv(CVE, "torch", vector=CRITICAL, **NEWS | {"events": [{"introduced": "3"}]}))
    assert house.admitted() == {PYTORCH.sha256}


def test_locks_that_hold_what_holds_it_are_found_by_the_advisory(house):
    request = proposed(house, PYTORCH, **HOLDS)
    approvals = [signed.approval for signed in house.snapshots.current().approvals]
    closure = house.desk.standing(request).closure()
    lock = make_lock("web", closure, approvals, workspace="everyone", now=house.clock())
    house.report(request, "locked", lock=lock.plain())
    take(house, osv(CVE, "torch", vector=MEDIUM, **NEWS), osv("CVE-2026-2000", "torch", versions=["9"]))
    for name, holding in ((CVE, ["web"]), ("CVE-2026-2000", [])):
        desk = house.desk
        found = find_held(
            desk.locks, desk.feeds.index, read_sought(name), desk.sightings.containing, workspace=None, limit=9
        )
        assert [row["name"] for row in found["locks"]] == holding
        assert [row["sha256"] for row in found["files"]] == [PYTORCH.sha256][: len(holding)]
    assert house.desk.affected()[0]["locks"] == [lock_digest(lock)]


def test_before_an_inspection_nobody_knows_that_it_is_unknown(house):
    request = house.ask(RITA, (), conda=["pytorch"], channels=["forge"])
    standing = house.desk.standing(request)
    assert house.desk._judging.foresee(standing, [PYTORCH], {})[PYTORCH.sha256].outcome == "allow"
    take(house, osv(CVE, "torch", vector=CRITICAL, **NEWS))
    house.desk.take_feed(ADA, "conda", json.dumps({"pytorch": "torch"}).encode(), "names.json")
    assert house.desk._judging.foresee(standing, [PYTORCH], {})[PYTORCH.sha256].outcome == "deny"


def test_a_package_and_a_wheel_of_one_project_are_both_affected(house):
    proposed(house, PYTORCH, **HOLDS)
    assert house.state(house.propose(WHEEL)) == "approved"
    take(house, osv(CVE, "torch", vector=CRITICAL, **NEWS))
    assert {told["purl"] for told in house.desk.affected()} == {PYTORCH.purl, WHEEL.purl}


def test_a_package_that_is_known_only_by_the_imported_names_is_judged_again_too(house):
    house.desk.take_feed(ADA, "conda", json.dumps({"pytorch": ["torch", "torch-libs"]}).encode(), "names.json")
    proposed(house, PYTORCH)
    assert house.admitted() == {PYTORCH.sha256}
    take(house, osv(CVE, "torch", vector=CRITICAL, **NEWS))
    assert house.admitted() == frozenset()


def test_a_statement_on_a_package_of_a_channel_is_for_it_alone(house, web):
    proposed(house, PYTORCH, **HOLDS)
    house.propose(WHEEL)
    take(house, osv(CVE, "torch", vector=CRITICAL, **NEWS))
    assert house.admitted() == frozenset()
    with run_asgi(web.app) as url:
        sekisho = lambda who, *words: run(*words, SEKISHO_PORTAL_URL=url, SEKISHO_TOKEN=web.secrets[who])  # noqa: E731
        told = sekisho("rita", "affected").out
        assert f"sekisho vex not-affected {CVE} conda:pytorch==2.1.0" in told
        assert f"sekisho vex not-affected {CVE} torch==2.1.0" in told
        done = sekisho(
            "anna", "vex", "not-affected", CVE, "conda:pytorch==2.1.0", "--justification", "component_not_present"
        )
        assert "does not affect conda:pytorch==2.1.0 in everyone" in done.out
        assert "conda:pytorch==2.1.0" in sekisho("anna", "vex", "list").out
    assert f"not-affected {CVE} torch==2.1.0" in web.visit("rita").get("/advisories").text
    assert house.admitted() == {PYTORCH.sha256}
    (one,) = house.snapshots.current().vex
    assert (one.statement.kind, one.statement.project) == ("conda", "pytorch")


def test_a_statement_of_a_kind_that_there_is_none_of_is_refused(house, web):
    with run_asgi(web.app) as url:
        said = run("vex", "not-affected", CVE, "npm:left-pad==1", "--justification", "component_not_present",
                   SEKISHO_PORTAL_URL=url, SEKISHO_TOKEN=web.secrets["anna"])  # fmt: skip
    assert said.status == 1
    assert "npm:left-pad" in said.err


def test_a_link_script_is_named_and_denied(house):
    found = {"findings": [{"code": "link_script", "detail": "bin/.pytorch-post-link.sh"}], **HOLDS}
    request = proposed(house, PYTORCH, **found)
    assert house.state(request) == "refused"
    (row,) = house.desk.standing(request).exceptions()
    assert row["reasons"] == [{"rule": "link-scripts", "outcome": "deny", "evidence": "bin/.pytorch-post-link.sh"}]
