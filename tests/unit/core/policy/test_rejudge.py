"""From an import of advisories to who has what it concerns."""

import pytest

from sekisho.model import Outcome
from sekisho.policy.judge import prepare
from sekisho.policy.knowledge import Knowledge
from sekisho.policy.rejudge import Held, Uses, impact, rejudge, upgrade, worse
from tests.advisories import CRITICAL, index, osv
from tests.records import NOW, approval, artifact, by_hash, facts, policy

NUMPY, SIX = artifact(), artifact("six", "1.17.0")
RULES = policy({"id": "weak", "check": "advisory", "severity": 7.0, "then": "deny"})
FACTS = by_hash(facts(NUMPY), facts(SIX))
BEFORE = prepare(RULES, Knowledge(advisories=index()), NOW)
GRAVE = index(osv("PYSEC-1", aliases=["CVE-2026-1"], vector=CRITICAL, events=[{"introduced": "0"}, {"fixed": "2.1.3"}]))
AFTER = prepare(RULES, Knowledge(advisories=GRAVE), NOW)


@pytest.fixture
def uses():
    made = Uses()
    made.approve(approval(NUMPY, id="a1"))
    made.approve(approval(NUMPY, id="a2"))
    made.approve(approval(SIX, id="a3"))
    made.hold(Held("lock-1", "everyone", ("registry/a@sha256:1",)), [NUMPY.sha256, SIX.sha256])
    made.hold(Held("lock-2", "team-a"), [SIX.sha256])
    made.hold(Held("lock-3", "team-b", ("registry/b@sha256:2", "registry/a@sha256:1")), [NUMPY.sha256])
    return made


def test_what_became_graver_is_found_and_nothing_else(uses):
    before = {sha256: verdict.outcome for sha256, verdict in rejudge(BEFORE, uses.artifacts.values(), FACTS).items()}
    after = rejudge(AFTER, uses.artifacts.values(), FACTS)
    (verdict,) = worse(before, after)
    assert (verdict.sha256, verdict.outcome) == (NUMPY.sha256, Outcome.DENY)
    assert worse({sha256: one.outcome for sha256, one in after.items()}, after) == ()


def test_an_approved_file_leads_to_everybody_who_has_it_and_to_what_mends_it(uses):
    found = impact(rejudge(AFTER, [NUMPY], FACTS)[NUMPY.sha256], uses, AFTER)
    assert found.approvals == ("a1", "a2")
    assert found.locks == ("lock-1", "lock-3")
    assert found.images == ("registry/a@sha256:1", "registry/b@sha256:2")
    assert found.workspaces == ("everyone", "team-b")
    assert found.upgrade == "2.1.3"


def test_an_advisory_leads_to_approved_files_by_any_of_its_names(uses):
    for name in ("CVE-2026-1", "PYSEC-1"):
        assert [one.purl for one, _ in uses.concerned(name, GRAVE)] == [NUMPY.purl]
    assert list(uses.concerned("CVE-2026-2", GRAVE)) == []


def test_a_file_that_nobody_holds_concerns_nobody(uses):
    other = artifact("idna")
    found = impact(rejudge(AFTER, [other], by_hash(facts(other)))[other.sha256], uses, AFTER)
    assert (found.approvals, found.locks, found.images, found.workspaces, found.upgrade) == ((), (), (), (), None)


@pytest.mark.parametrize(
    ("records", "release"),
    [
        ([[{"introduced": "0"}, {"fixed": "2.1.3"}]], "2.1.3"),
        ([[{"introduced": "0"}, {"fixed": "2.1.3"}], [{"introduced": "0"}, {"fixed": "2.2"}]], "2.2"),
        ([[{"introduced": "0"}, {"fixed": "1.9"}, {"introduced": "2.0"}, {"fixed": "2.1.2"}]], "2.1.2"),
        ([[{"introduced": "0"}, {"fixed": "2.1.3"}], [{"introduced": "0"}]], None),
        ([[{"introduced": "0"}, {"last_affected": "3"}]], None),
    ],
)
def test_an_upgrade_mends_everything_or_is_not_proposed(records, release):
    made = index(*(osv(f"GHSA-{number}", events=events) for number, events in enumerate(records)))
    assert upgrade(NUMPY, made.affecting("pypi", "numpy", NUMPY.release)) == release
