"""Advisories are imported whole or not at all, and a bad file keeps the old ones, loudly."""

import gzip
import json
import logging
from datetime import timedelta

import pytest

from sekisho.errors import BadInputError, ConflictError, NotFoundError, RefusedError
from sekisho_portal.feeds import Feeds
from tests.advisories import CRITICAL, osv, packed
from tests.unit.portal.house import ADA, ANNA, NUMPY, RITA, SERVICE

RULES = """
version: 1
rules:
  - {id: malicious, check: malicious, then: deny}
  - {id: critical, check: advisory, severity: 9.0, then: deny, unless: vex}
  - {id: exploited, check: advisory, severity: 10.0, kev: true, then: review, unless: vex}
"""
KEV = json.dumps({"dateReleased": "2026-10-31T00:00:00Z", "vulnerabilities": [{"cveID": "CVE-2026-1000"}]}).encode()
EPSS = gzip.compress(b"#model_version:v1,score_date:2026-10-31T00:00:00Z\ncve,epss,percentile\nCVE-2026-1000,0.5,0.9\n")
HARMLESS = osv("GHSA-zzzz-zzzz-zzzz", "unused")


def take(house, *records, feed="osv", who=ADA, **more):
    return house.desk.take_feed(who, feed, packed(*(records or [HARMLESS])).getvalue(), "all.zip", **more)


def _reopened(house):
    return Feeds(house.settings.data / "portal" / "advisories", house.ledger, house.clock)


def test_an_import_is_in_force_on_record_and_there_after_a_restart(house):
    made = take(house, osv(vector=CRITICAL))
    (row,) = house.ledger.entries(kinds=("advisories-imported",))
    assert (row.actor, row.body["index"], row.body["inputs"]["osv"]["name"]) == ("ada", made["index"], "all.zip")
    assert [hit.advisory.score for hit in house.desk.feeds.index.affecting("pypi", "numpy", "2.1.0")] == [98]
    again = _reopened(house)
    assert again.edition == house.desk.feeds.edition
    assert again.index.dump() == house.desk.feeds.index.dump()
    assert len(house.ledger.entries(kinds=("advisories-imported",))) == 1


@pytest.mark.parametrize("who", [RITA, ANNA, SERVICE], ids=lambda who: who.name)
def test_only_an_admin_imports(house, who):
    with pytest.raises(RefusedError, match="admin"):
        take(house, who=who)
    assert house.desk.feeds.edition is None


@pytest.mark.parametrize(
    ("feed", "data", "said"),
    [
        ("osv", b"", "zip"),
        ("osv", packed(osv()).getvalue()[:-30], "zip"),
        ("osv", packed(osv(), names=["../x.json"]).getvalue(), "named so"),
        ("osv", packed().getvalue(), "no advisory"),
        ("kev", b"[]", "KEV"),
        ("epss", b"cve,epss\n", "EPSS"),
    ],
)
def test_a_bad_file_keeps_the_old_index_loudly(house, caplog, feed, data, said):
    before = take(house)
    with caplog.at_level(logging.ERROR), pytest.raises(BadInputError, match=said):
        house.desk.take_feed(ADA, feed, data, "bad", smaller=True)
    assert house.desk.feeds.edition.index == before["index"]
    assert _reopened(house).edition.index == before["index"]
    assert house.ledger.entries()[-1].kind == "import-refused"
    assert "the old index stays" in caplog.text
    assert house.desk.feeds.plain(house.snapshots.current().policy)["advisories_problem"]["feed"] == feed


def test_an_older_file_and_one_that_lost_much_are_refused(house):
    take(house, *(osv(f"GHSA-aaaa-bbbb-000{n}", f"p{n}") for n in range(5)))
    with pytest.raises(ConflictError, match="older than what is in force"):
        take(house, *(osv(f"GHSA-aaaa-bbbb-000{n}", f"p{n}", modified="2026-10-01T00:00:00Z") for n in range(5)))
    with pytest.raises(ConflictError, match="it has 1 advisories, and 5 are in force"):
        take(house)
    assert take(house, smaller=True)["advisories"] == 1


def test_kev_and_epss_are_joined_and_stay_when_osv_is_imported_anew(house):
    with pytest.raises(NotFoundError, match="no advisories yet"):
        house.desk.take_feed(ADA, "kev", KEV, "kev.json")
    take(house, osv("CVE-2026-1000"))
    house.desk.take_feed(ADA, "kev", KEV, "kev.json")
    house.desk.take_feed(ADA, "epss", EPSS, "epss.csv.gz")
    made = take(house, osv("CVE-2026-1000"), HARMLESS)
    assert set(made["inputs"]) == {"osv", "kev", "epss"}
    (hit,) = house.desk.feeds.index.affecting("pypi", "numpy", "2.1.0")
    assert (hit.advisory.exploited, hit.advisory.epss) == (True, 50_000)
    assert set(house.desk.feeds.index.feeds) == {"osv", "kev", "epss"}


def test_an_index_that_somebody_altered_counts_as_none(house, caplog):
    made = take(house, osv(vector=CRITICAL))
    (house.settings.data / "portal" / "advisories" / made["index"]).write_bytes(b"{}")
    with caplog.at_level(logging.CRITICAL):
        again = _reopened(house)
    assert "nothing counts as clean" in caplog.text
    assert not again.index.covers("pypi")
    assert "import the advisories again" in again.problem["todo"]


def test_only_the_newest_editions_are_kept(house):
    for n in range(6):
        take(house, *(osv(f"GHSA-aaaa-bbbb-000{m}", f"p{m}") for m in range(n + 1)))
    names = {path.name for path in (house.settings.data / "portal" / "advisories").iterdir()}
    assert {name for name in names if name.startswith("edition-")} == {f"edition-{n:06}.json" for n in (4, 5, 6)}
    assert len(names) == 3 + 3 + 3 + 1  # editions, indexes, inputs, the current one
    assert _reopened(house).edition.number == 6


def test_a_row_that_a_crash_kept_from_being_written_is_written_at_the_next_start(house):
    class CrashError(Exception):
        pass

    class Deaf(type(house.ledger)):
        def append(self, kind, *arguments, **more):
            raise CrashError

    house.desk.feeds._ledger = Deaf(house.ledger._engine, clock=house.clock)
    with pytest.raises(CrashError):
        take(house)
    assert house.ledger.entries(kinds=("advisories-imported",)) == []
    house.open()
    (row,) = house.ledger.entries(kinds=("advisories-imported",))
    assert row.body["index"] == house.desk.feeds.edition.index


def test_without_a_feed_that_the_policy_leans_on_everything_goes_to_review_until_it_comes(house):
    house.repository.commit({"policy.yaml": RULES})
    house.snapshots.refresh()
    request = house.propose(NUMPY)
    assert house.state(request) == "waiting"
    shown = house.desk.standing(request).plain("")["exceptions"]
    assert {reason["rule"] for reason in shown[0]["reasons"]} >= {"stale-osv", "stale-kev"}
    take(house)
    assert house.state(request) == "waiting"  # KEV is still missing
    house.desk.take_feed(ADA, "kev", KEV, "kev.json")
    assert house.state(request) == "approved"
    assert house.desk.standing(request).last["approved"].actor == "policy"


def test_a_stale_feed_never_approves(house):
    house.repository.commit({"policy.yaml": RULES})
    house.snapshots.refresh()
    take(house)
    house.desk.take_feed(ADA, "kev", KEV, "kev.json")
    house.clock.advance(days=8)
    assert house.state(house.propose(NUMPY)) == "waiting"
    feeds = house.desk.feeds.plain(house.snapshots.current().policy)["feeds"]
    assert (feeds["osv"]["state"], feeds["kev"]["state"]) == ("stale", "fresh")


def test_a_request_says_what_is_known_new_and_upgraded(house):
    from tests.records import artifact

    house.approve(house.waiting(NUMPY))
    newer, six = artifact("numpy", "2.2.0"), artifact("six", "1.17.0")
    request = house.propose(newer, six, known={"license_expression": "GPL-3.0-only"})
    assert house.desk.standing(request).plain("")["difference"] == {"known": 0, "new": 1, "upgraded": 1}


def test_an_approver_decides_on_what_was_shown(house):
    house.repository.commit({"policy.yaml": RULES.replace("then: deny", "then: review")})
    house.snapshots.refresh()
    request = house.propose(NUMPY)
    house.desk.feeds.take(ADA, "osv", packed(osv(vector=CRITICAL)).getvalue(), "all.zip")  # and nobody looked again
    with pytest.raises(ConflictError, match="the verdicts changed"):
        house.approve(request)
    house.approve(request)
    assert house.state(request) == "approved"
    assert house.clock.now - house.desk.standing(request).last["approved"].at < timedelta(seconds=1)


def test_what_conda_packages_are_called_is_imported_kept_and_no_feed_that_may_be_too_old(house):
    take(house, osv(vector=CRITICAL))
    made = house.desk.take_feed(ADA, "conda", b'{"numpy-base": "numpy"}', "names.json")
    assert made["inputs"]["conda"]["name"] == "names.json"
    take(house, osv(vector=CRITICAL), osv("GHSA-yyyy-yyyy-yyyy", "more"))
    for feeds in (house.desk.feeds, _reopened(house)):
        assert feeds.index.known_as("conda", "numpy-base") == (("pypi", "numpy"),)
        assert "conda" not in feeds.plain(house.snapshots.current().policy)["feeds"]
    before = house.desk.feeds.index
    with pytest.raises(BadInputError, match="object"):
        house.desk.take_feed(ADA, "conda", b"[]", "names.json")
    assert house.desk.feeds.index is before
