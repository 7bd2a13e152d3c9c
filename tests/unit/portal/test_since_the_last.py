"""What is new since the release of a project that was approved last: who published it, and what a scanner noticed."""

import pytest

from tests.records import artifact
from tests.unit.portal.house import NUMPY

RULES = """version: 1
rules:
  - {id: publisher, check: provenance, then: review}
  - {id: scanned, check: scanner, then: review}
"""
NEWER = artifact("numpy", "2.2.0")
OURS = {"publisher": "GitHub", "repository": "numpy/numpy", "workflow": "wheels.yml"}


@pytest.fixture
def ruled(house):
    house.repository.commit({"policy.yaml": RULES})
    house.snapshots.refresh()
    return house


def _by(**more):
    return {"attestations": [{**OURS, **more}]}


def _noticed(*codes, **more):
    return {"scans": [{"scanner": "guarddog", "findings": codes, **more}]}


def _rules(house, request):
    return [reason["rule"] for row in house.desk.standing(request).exceptions() for reason in row["reasons"]]


@pytest.mark.parametrize(
    ("before", "after", "rules"),
    [
        (_by(), _by(), []),
        (_by(), _by(repository="evil/numpy"), ["publisher"]),
        (_by(), _by(workflow="other.yml"), ["publisher"]),
        (_by(), {}, ["publisher"]),
        ({}, _by(), []),
        ({}, {"findings": [{"code": "unverified_provenance", "detail": "it is about another file"}]}, ["publisher"]),
        (_noticed("net"), _noticed("net"), []),
        (_noticed("net"), _noticed("net", "exec"), ["scanned"]),
        (_noticed("net"), _noticed(problem="it took too long"), []),
        (_noticed(problem="it took too long"), _noticed("exec"), []),
        ({}, _noticed("exec"), []),
    ],
)
def test_a_change_goes_to_review_and_nothing_else(ruled, before, after, rules):
    assert ruled.state(ruled.propose(NUMPY, known=before)) == "approved"
    request = ruled.propose(NEWER, known=after)
    assert ruled.state(request) == ("waiting" if rules else "approved")
    assert _rules(ruled, request) == rules


def test_once_a_person_approved_the_change_the_next_release_is_compared_with_it(ruled):
    ruled.propose(NUMPY, known=_by())
    ruled.clock.advance(days=1)
    request = ruled.propose(NEWER, known=_by(repository="numpy/releases"))
    ruled.approve(request)
    ruled.clock.advance(days=1)
    assert ruled.state(ruled.propose(artifact("numpy", "2.3.0"), known=_by(repository="numpy/releases"))) == "approved"
    assert ruled.state(ruled.propose(artifact("numpy", "2.4.0"), known=_by())) == "waiting"


def test_a_scan_that_failed_is_said(ruled):
    request = ruled.propose(NUMPY, known=_noticed(problem="it took too long"))
    [verdict] = ruled.desk.standing(request).judgement().verdicts
    assert [reason.evidence for reason in verdict.reasons] == ["guarddog did not look at it: it took too long"]
