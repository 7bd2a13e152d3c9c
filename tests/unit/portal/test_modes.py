"""Workspaces that do not enforce: what the snapshot carries for them, what is counted, and that everybody is told."""

import json

from sekisho.advisories import AdvisoryIndex
from sekisho.policy import Door
from tests.advisories import osv, packed
from tests.records import NOW, artifact
from tests.unit.portal.house import ADA, RITA, Web
from tests.unit.portal.test_demand import batch, row

RULES = """\
version: 1
rules:
  - {id: mal, check: malicious}
  - {id: licence, check: license, then: review, allow: [MIT]}
"""
AUDIT = f"{RULES}workspaces:\n  watched: {{mode: audit}}\n"
TRAP = osv("MAL-2026-1", "trap", summary="steals")


def use(house, policy, *records):
    house.repository.commit({"policy.yaml": policy})
    house.desk.take_feed(ADA, "osv", packed(osv("GHSA-aaaa-bbbb-cccc"), *records).getvalue(), "all.zip")
    house.snapshots.refresh()
    return house.snapshots.current()


def test_the_reports_of_malice_travel_while_a_workspace_does_not_enforce(house):
    assert use(house, RULES, TRAP).reports == ""
    snapshot = use(house, AUDIT, TRAP)
    found = AdvisoryIndex.load(snapshot.reports.encode(), where="reports")
    assert found.projects() == (("pypi", "trap"),)
    door = Door(snapshot, "watched")
    assert door.barred(artifact("trap"), NOW).rule == "mal"
    assert door.barred(artifact("numpy"), NOW) is None
    more = osv("MAL-2026-2", "newer", modified="2026-11-01T00:00:00Z")
    house.desk.take_feed(ADA, "osv", packed(osv("GHSA-aaaa-bbbb-cccc"), TRAP, more).getvalue(), "all.zip")
    house.snapshots.refresh()
    assert "newer" in house.snapshots.current().reports
    assert use(house, AUDIT.replace("audit", "enforce"), TRAP, more).reports == ""


def test_a_site_without_that_rule_or_that_feed_has_nothing_to_carry(house):
    assert use(house, AUDIT.replace("  - {id: mal, check: malicious}\n", ""), TRAP).reports == ""
    assert use(house, AUDIT.replace("rules:", "feeds: {osv: absent}\nrules:"), TRAP).reports == ""


def test_what_enforce_would_refuse_is_counted_by_itself(house):
    demand = house.desk.demand
    demand.take(batch(row(count=3), row(count=5, served=True, workspace="watched"), row("six", "1.0", served=True)))
    assert [(one.project, one.count, one.served) for one in demand.most_wanted(limit=9)[1]] == [("numpy", 3, False)]
    total, rows = demand.most_wanted(limit=9, served=True)
    assert (total, [(one.project, one.count, one.served) for one in rows]) == (
        2,
        [("numpy", 5, True), ("six", 1, True)],
    )
    total, rows = demand.most_wanted(limit=9, served=True, workspace="watched")
    assert (total, rows[0].workspace) == (1, "watched")
    assert demand.refused("everyone", "pypi", "six", None) is None


def test_everybody_is_told(house):
    use(house, AUDIT)
    house.desk.demand.take(batch(row("six", "1.0", served=True, workspace="watched")))
    web = Web(house)
    rita = web.visit(RITA.name)
    for path in ("/", "/demand", "/advisories", "/requests/new"):
        assert "Workspace watched does not enforce (mode audit)" in rita.get(path).text
    assert "does not enforce" not in web.visit(None).get("/login").text
    shown = rita.get("/demand?served=1").text
    assert "What enforce would refuse" in shown
    assert ">six<" in shown
    assert ">six<" not in rita.get("/demand").text
    found = web.call("GET", "/api/demand?served=true&workspace=watched", RITA.name).json()
    assert (found["total"], found["rows"][0]["project"]) == (1, "six")
    assert web.call("GET", "/api/policy", RITA.name).json()["modes"] == {"watched": "audit"}
    answer = web.call("GET", "/api/why/six?workspace=watched", RITA.name).json()
    assert (answer["available"], answer["mode"]) == (False, "audit")
    assert "does not enforce" in json.dumps(answer["lines"])
