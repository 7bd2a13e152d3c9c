"""What a resolver may know beforehand, and what is said of a request that does not pass: ways out, in API and page."""

from datetime import timedelta

import pytest

from sekisho.errors import BadInputError
from sekisho.model import Alternative, Change
from sekisho_portal.ways import way_lines
from tests.allowlists_tree import POLICY
from tests.records import artifact, facts, request
from tests.unit.portal.house import ANNA, NUMPY

RULES = (
    POLICY
    + "  - {id: young, check: release_age, days: 7, then: review}\n"
    + "  - {id: back, check: floor, behind_days: 730, then: review}\n"
)


@pytest.fixture(autouse=True)
def _rules(house):
    house.repository.commit({"policy.yaml": RULES})
    house.snapshots.refresh()


def _foresee(web, request, *files, **more):
    body = {"artifacts": [one.plain() for one in files], **more}
    answer = web.call("POST", f"/api/requests/{request}/foresee", "service", json=body)
    assert answer.status_code == 200, answer.text
    return {row["sha256"]: row["outcome"] for row in answer.json()}


def test_verdicts_are_foretold_from_index_entries_and_an_approval_counts(web):
    house = web.house
    old = house.clock() - timedelta(days=4000)
    fresh, aged = artifact("numpy", "9.0", uploaded=house.clock()), artifact("numpy", "8.0", uploaded=old)
    request = house.ask()
    assert _foresee(web, request, fresh, aged) == {fresh.sha256: "review", aged.sha256: "allow"}
    house.approve(house.waiting(fresh))
    assert _foresee(web, house.ask(), fresh) == {fresh.sha256: "allow"}


def test_a_direct_requirement_far_behind_the_newest_release_is_foretold_and_judged(web):
    house = web.house
    old = artifact("numpy", "1.0", uploaded=house.clock() - timedelta(days=4000))
    newest = {"numpy": {"release": "9.0", "uploaded": (house.clock() - timedelta(days=100)).isoformat()}}
    request = house.ask()
    assert _foresee(web, request, old) == {old.sha256: "allow"}
    assert _foresee(web, request, old, newest=newest) == {old.sha256: "review"}
    house.report(request, "resolved", closure=house.closure(request, old).plain(), newest=newest)
    house.inspect(request, facts(old))
    assert house.state(request) == "waiting"
    status = web.call("GET", f"/api/requests/{request}", "rita").json()
    assert [reason["evidence"] for row in status["exceptions"] for reason in row["reasons"]] == [
        "1.0 was chosen, 3900 days older than 9.0"
    ]


@pytest.mark.parametrize(
    "newest", [[], {"numpy": {}}, {"numpy": {"release": "1", "uploaded": "yesterday"}}, {"..": {}}]
)
def test_what_is_no_newest_release_is_refused(house, newest):
    request = house.ask()
    with pytest.raises(BadInputError):
        house.report(request, "resolved", closure=house.closure(request, NUMPY).plain(), newest=newest)


def _waiting(house):
    """Return a request that waits for something that another release does not share."""
    fresh = artifact("numpy", "9.0", uploaded=house.clock())
    request = house.propose(fresh, requirements=["numpy==9.0"])
    assert house.state(request) == "waiting"
    return request


def _alternative(house, request, **more):
    closure = house.desk.standing(request).closure().digest()
    change = Change(project="numpy", before="9.0", after="8.0")
    found = Alternative(closure=closure, requirements=("numpy==8.0",), changes=(change,), **more)
    house.report(request, "suggested", closure=closure, alternative=found.plain())


def test_ways_out_are_in_the_api_and_on_the_page(web):
    request = _waiting(web.house)
    status = web.call("GET", f"/api/requests/{request}", "rita").json()
    assert (status["needs"], status["searching"]) == ({"review": ["numpy 9.0"], "deny": []}, True)
    assert "alternative" not in status
    _alternative(web.house, request)
    status = web.call("GET", f"/api/requests/{request}", "rita").json()
    assert (status["searching"], status["state"]) == (False, "waiting")
    assert status["alternative"]["requirements"] == ["numpy==8.0"]
    assert status["ways"] == [
        "it passes once somebody approves: numpy 9.0",
        "instead: ask for 'numpy==8.0' in place of 'numpy==9.0'",
        "  that is numpy 8.0 instead of 9.0",
        "  the policy allows all of it, as far as it is known before an inspection",
    ]
    page = web.visit("anna").get(f"/requests/{request}").text
    assert "it passes once somebody approves: numpy 9.0" in page
    assert "numpy 8.0 instead of 9.0" in page


def test_what_only_an_inspection_shows_is_not_searched_for(web):
    request = web.house.waiting(NUMPY)
    status = web.call("GET", f"/api/requests/{request}", "rita").json()
    assert (status["searching"], status["ways"]) == (False, ["it passes once somebody approves: numpy 2.1.0"])
    assert web.call("GET", f"/api/requests/{request}/records", "service").json()["avoidable"] == []


def test_a_suggestion_about_another_closure_or_too_late_changes_nothing(house):
    request = _waiting(house)
    before = house.kinds(request)
    house.report(request, "suggested", closure="0" * 64, alternative=None)
    assert house.kinds(request) == before
    house.approve(request)
    done = house.kinds(request)
    _alternative(house, request)
    assert house.kinds(request) == done


def test_a_suggestion_that_is_none_is_refused(house):
    request = _waiting(house)
    closure = house.desk.standing(request).closure().digest()
    other = Alternative(closure=closure, requirements=("numpy==8.0", "six"), changes=())
    with pytest.raises(BadInputError, match="another request"):
        house.report(request, "suggested", closure=closure, alternative=other.plain())
    with pytest.raises(BadInputError):
        house.report(request, "suggested", closure="0" * 64, alternative={"requirements": []})
    with pytest.raises(BadInputError, match="without alternative"):
        house.report(request, "suggested", closure="0" * 64)


def test_lines_for_a_refusal_whose_alternative_needs_a_person():
    found = Alternative(
        closure="0" * 64,
        requirements=("a", "b==1"),
        changes=(
            Change(project="b", before="2", after="1"),
            Change(project="c", before="1"),
            Change(project="d", after="3"),
        ),
        review=("d 3",),
        deny=("e 4",),
    )
    said = way_lines({"review": ["x 1"], "deny": ["b 2"]}, found, request("a", "b==2"), searching=False)
    assert said == [
        "no approval admits b 2",
        "and what would still need an approval: x 1",
        "instead: ask for 'b==1' in place of 'b==2'",
        "  that is b 1 instead of 2, no c, d 3 more",
        "  it needs approval of d 3 and no denial of e 4, as far as it is known before an inspection",
    ]
    same = way_lines({"review": [], "deny": ["b 2"]}, found, request("a", "b==1"), searching=True)
    assert "instead: ask for the same again; it can be had otherwise" in same
    assert "the builder is looking for something to have instead" in same
    held = request("a", "b==1", constraints=("c<3",))
    bound = way_lines({"review": [], "deny": ["b 2"]}, found, held, searching=False)
    assert "instead: ask for the same with other pins in what binds it" in bound


def test_after_a_later_judgement_the_builder_is_asked_to_search_again(house):
    request = _waiting(house)
    _alternative(house, request)
    house.repository.commit({"policy.yaml": RULES + "  - {id: no-mit, check: license, allow: [0BSD], then: review}\n"})
    house.desk.look_again()
    assert house.kinds(request)[-2:] == ["judged", "search-again"]
    assert house.desk.work(0)[-1].kind == "search-again"
    status = house.desk.standing(request).plain("")
    assert (status["searching"], "alternative" in status) == (True, False)
    house.desk.look_again()
    assert house.kinds(request).count("search-again") == 1
    _alternative(house, request)
    status = house.desk.standing(request).plain("")
    assert (status["searching"], status["alternative"]["requirements"]) == (False, ["numpy==8.0"])


def test_nobody_searches_again_for_what_only_an_inspection_shows(house):
    request = house.waiting(NUMPY)
    house.repository.commit({"policy.yaml": RULES + "  - {id: no-mit, check: license, allow: [0BSD], then: review}\n"})
    house.desk.look_again()
    assert house.kinds(request)[-1] == "judged"
    assert house.desk.standing(request).plain("")["searching"] is False


class _Killed(BaseException):
    """The process is gone: nothing may catch this."""


@pytest.mark.parametrize("before", [0, 1])
def test_a_search_that_a_crash_kept_from_being_asked_for_is_asked_for_at_the_next_start(house, before):
    class Cut(type(house.ledger)):
        def append(self, kind, *arguments, **more):
            if kind == "search-again":
                raise _Killed
            return super().append(kind, *arguments, **more)

    request = _waiting(house)
    extra = [f"  - {{id: no-mit-{n}, check: license, allow: [0BSD], then: review}}\n" for n in range(before + 1)]
    for number in range(before):
        house.repository.commit({"policy.yaml": RULES + "".join(extra[: number + 1])})
        house.desk.look_again()
    house.repository.commit({"policy.yaml": RULES + "".join(extra)})
    house.desk.means.ledger = Cut(house.ledger._engine, clock=house.clock)
    with pytest.raises(_Killed):
        house.desk.look_again()
    assert house.kinds(request)[-1] == "judged"
    house.open()
    assert house.kinds(request)[-2:] == ["judged", "search-again"]
    assert house.desk.work(0)[-1].kind == "search-again"
    house.open()
    house.desk.look_again()
    assert house.kinds(request).count("search-again") == before + 1


def test_a_start_asks_for_no_search_that_the_builder_makes_by_itself_or_that_nobody_needs(house):
    first, decided, inspected = _waiting(house), _waiting(house), house.waiting(NUMPY)
    house.repository.commit({"policy.yaml": RULES + "  - {id: no-mit, check: license, allow: [0BSD], then: review}\n"})
    house.desk.look_again()
    house.desk.deny(ANNA, decided, reason="no")
    later = _waiting(house)
    before = house.ledger.size()
    house.open()
    assert house.ledger.size() == before
    counted = [house.kinds(one).count("search-again") for one in (first, decided, inspected, later)]
    assert counted == [1, 1, 0, 0]
