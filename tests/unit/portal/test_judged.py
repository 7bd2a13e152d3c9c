"""What a builder is told of a request's closure when it gates an image: verdicts of now, licences, what is covered."""

from tests.allowlists_tree import POLICY
from tests.records import facts
from tests.unit.portal.house import NUMPY


def test_a_builder_hears_verdicts_of_now_licences_and_what_is_covered(web):
    house = web.house
    request = house.ask()
    house.report(request, "resolved", closure=house.closure(request, NUMPY).plain(), newest={})
    house.inspect(request, facts(NUMPY, license_expression="MIT"))
    told = web.call("GET", f"/api/requests/{request}/judged", "service").json()
    assert [row["sha256"] for row in told["judgement"]["verdicts"]] == [NUMPY.sha256]
    assert told["judgement"]["outcome"] == "allow"
    assert told["licences"] == {NUMPY.sha256: "MIT"}
    assert told["covered"] == []
    house.repository.commit({"policy.yaml": POLICY + "  - {id: none, check: denied, then: deny, projects: [numpy]}\n"})
    house.snapshots.refresh()
    told = web.call("GET", f"/api/requests/{request}/judged", "service").json()
    assert told["judgement"]["outcome"] == "deny"


def test_a_licence_that_nobody_knows_is_not_told(web):
    house = web.house
    request = house.ask()
    house.report(request, "resolved", closure=house.closure(request, NUMPY).plain(), newest={})
    house.inspect(request, facts(NUMPY, license_expression=None, license_hint="ask me"))
    assert web.call("GET", f"/api/requests/{request}/judged", "service").json()["licences"] == {}
