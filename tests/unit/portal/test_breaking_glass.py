"""In an emergency one file comes in at once, loudly, for hours, and never what is denied for good."""

import logging
from datetime import timedelta

import pytest

from sekisho.errors import BadInputError, ConflictError, NotFoundError, RefusedError
from tests.advisories import CRITICAL, osv, packed
from tests.records import facts
from tests.unit.portal.house import ADA, ANNA, BOTH, GPL, NUMPY, OTTO, RITA, SERVICE, SIX

REASON = "the night run is down"
RULES = """
version: 1
rules:
  - {id: malicious, check: malicious, then: deny}
  - {id: no-evil, check: denied, projects: [evil], then: deny}
  - {id: critical, check: advisory, severity: 9.0, then: deny}
  - {id: licence, check: license, then: review, allow: [MIT]}
"""


def glass(house, request, who=ANNA, **more):
    return house.desk.break_glass(who, request, **({"project": "numpy", "hours": 4, "reason": REASON} | more))


def test_one_file_comes_in_at_once_and_the_request_goes_on_waiting(house, caplog):
    request = house.waiting()
    with caplog.at_level(logging.WARNING):
        glass(house, request)
    assert house.admitted() == {NUMPY.sha256}
    assert house.state(request) == "waiting"
    assert f"break-glass: anna admits numpy 2.1.0 for 4 hours ({request}): {REASON}" in caplog.text
    (row,) = house.desk.standing(request).plain("")["break_glass"]
    assert (row["by"], row["names"], row["reason"]) == ("anna", ["numpy 2.1.0"], REASON)
    (signed,) = house.snapshots.current().approvals
    assert signed.approval.break_glass


def test_it_ends_by_itself(house):
    glass(house, house.waiting(), hours=1)
    house.clock.advance(hours=1)
    assert house.admitted() == frozenset()


def test_it_is_no_reason_to_let_anything_in_for_longer(house):
    request = house.waiting()
    glass(house, request)
    other = house.propose(NUMPY, known=GPL)
    assert house.state(other) == "waiting", "not approved by policy because it happens to be in"
    house.approve(other, OTTO)
    house.clock.advance(hours=5)
    assert house.admitted() == {NUMPY.sha256}


def test_what_was_let_in_needs_a_person_afterwards(house):
    request = house.ask(requirements=["numpy"])
    house.resolve(request, NUMPY)
    glass(house, request)
    assert house.admitted() == {NUMPY.sha256}, "before it was even inspected"
    house.clock.advance(hours=5)
    house.inspect(request, facts(NUMPY))
    assert house.state(request) == "waiting"
    assert house.desk.standing(request).plain("")["exceptions"][0]["reasons"][0]["rule"] == "expired"


def test_it_beats_a_denial_by_advisory_and_nothing_harder(house):
    house.repository.commit({"policy.yaml": RULES})
    house.snapshots.refresh()
    take = lambda *found: house.desk.take_feed(ADA, "osv", packed(*found).getvalue(), "all.zip")  # noqa: E731
    take(osv("CVE-2026-1000", vector=CRITICAL))
    request = house.propose(NUMPY)
    assert house.state(request) == "refused"
    glass(house, request)
    assert house.admitted() == {NUMPY.sha256}
    house.desk.look_again()
    assert house.admitted() == {NUMPY.sha256}
    take(osv("CVE-2026-1000", vector=CRITICAL), osv("MAL-2026-1"))
    assert house.admitted() == frozenset()
    with pytest.raises(RefusedError, match="denied for good"):
        glass(house, request)
    assert house.admitted() == frozenset()


def test_a_denied_name_cannot_be_broken(house):
    from tests.records import artifact

    request = house.propose(artifact("evil", "1.0"))
    with pytest.raises(RefusedError, match="denied for good") as caught:
        glass(house, request, project="evil")
    assert "cannot be broken" in caught.value.todo


@pytest.mark.parametrize("who", [BOTH, RITA, ADA, SERVICE], ids=lambda who: who.name)
def test_who_may_not_approve_breaks_nothing_and_the_attempt_is_on_record(house, who):
    request = house.waiting(who=BOTH)
    with pytest.raises(RefusedError):
        glass(house, request, who)
    assert house.admitted() == frozenset()
    row = house.desk.standing(request).rows[-1]
    assert (row.kind, row.body["action"]) == ("attempt-refused", "break-glass")


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"hours": 0}, BadInputError),
        ({"hours": 73}, BadInputError),
        ({"reason": ""}, BadInputError),
        ({"reason": "a\nb"}, BadInputError),
        ({"project": "torch"}, NotFoundError),
    ],
)
def test_bad_input_breaks_nothing(house, more, error):
    request = house.waiting()
    with pytest.raises(error):
        glass(house, request, **more)
    assert house.admitted() == frozenset()


def test_nothing_is_broken_of_what_is_decided(house):
    request = house.waiting()
    house.desk.deny(ANNA, request, reason="no")
    with pytest.raises(ConflictError):
        glass(house, request)


def test_no_lock_holds_it(house):
    from sekisho.lock import make_lock

    request = house.waiting(NUMPY, SIX)
    glass(house, request)
    approvals = [signed.approval for signed in house.snapshots.current().approvals]
    with pytest.raises(RefusedError, match="2 artifacts have no approval"):
        make_lock("x", house.desk.standing(request).closure(), approvals, workspace="everyone", now=house.clock())


def test_every_page_the_api_and_why_say_so_until_it_ends(web):
    request = web.house.waiting()
    body = {"project": "NumPy", "hours": 2, "reason": "<b>night</b> run"}
    assert web.call("POST", f"/api/requests/{request}/break-glass", "anna", json=body).status_code == 200
    (told,) = web.call("GET", "/api/policy", "rita").json()["break_glass"]
    assert (told["names"], told["by"], told["request"]) == (["numpy 2.1.0"], "anna", request)
    visitor = web.visit("rita")
    for path in ("/", "/demand", "/advisories", "/requests/new", f"/requests/{request}"):
        page = visitor.get(path).text
        assert "Break glass: anna let in numpy 2.1.0" in page, path
        assert "&lt;b&gt;night" in page
        assert "<b>night" not in page
    assert "BREAK GLASS: anna let in 2.1.0" in "\n".join(web.call("GET", "/api/why/numpy", "rita").json()["lines"])
    web.house.clock.advance(hours=3)
    assert "Break glass" not in visitor.get("/").text
    assert "anna broke glass on 2026-11-01" in visitor.get(f"/requests/{request}").text
    assert web.call("GET", "/api/policy", "rita").json()["break_glass"] == []


def test_an_act_that_was_cut_short_is_finished_with_the_end_that_was_given(house):
    request = house.waiting()

    class Broken:
        def __getattr__(self, name):
            raise OSError("git is broken")

    house.use(Broken())
    with pytest.raises(OSError, match="git is broken"):
        glass(house, request)
    house.open()
    (signed,) = house.snapshots.current().approvals
    assert signed.approval.expires - signed.approval.at <= timedelta(hours=4)
    assert house.kinds(request)[-1] == "break-glass"


def _form(page):
    return 'action="/requests/' in page and "Break glass: for emergencies only" in page


def test_the_page_of_a_request_lets_an_approver_break_glass_for_an_exception(web):
    request = web.house.waiting(NUMPY, SIX, who=BOTH)
    path = f"/requests/{request}"
    shown = {who: _form(web.visit(who).get(path).text) for who in ("rita", "bo", "anna", "ada")}
    assert shown == {"rita": False, "bo": False, "anna": True, "ada": False}
    visitor = web.visit("anna")
    assert '<option value="six">six 1.17.0</option>' in visitor.get(path).text
    fields = {"project": "SIX", "hours": "2", "reason": REASON}
    answer = visitor.post(f"{path}/break-glass", **fields)
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    assert web.house.admitted() == {SIX.sha256}
    assert f"Break glass: anna let in {SIX.name} for everyone until 2026-11-01T14:00Z" in visitor.get("/").text
    web.house.approve(request)
    assert not _form(visitor.get(path).text)


def test_a_refused_request_can_be_broken_on_its_page_and_what_is_malicious_cannot(web):
    house = web.house
    house.repository.commit({"policy.yaml": RULES})
    house.snapshots.refresh()
    house.desk.take_feed(ADA, "osv", packed(osv("CVE-2026-1000", vector=CRITICAL)).getvalue(), "all.zip")
    refused = house.propose(NUMPY)
    visitor = web.visit("anna")
    assert _form(visitor.get(f"/requests/{refused}").text)
    assert visitor.post(f"/requests/{refused}/break-glass", project="numpy", hours="1", reason="x").status_code == 303
    feed = packed(osv("CVE-2026-1000", vector=CRITICAL), osv("MAL-2026-1", "six")).getvalue()
    house.desk.take_feed(ADA, "osv", feed, "all.zip")
    evil = house.propose(SIX)
    answer = visitor.post(f"/requests/{evil}/break-glass", project="six", hours="1", reason="x")
    assert answer.status_code == 403
    assert "denied for good" in answer.text
    assert SIX.sha256 not in house.admitted()


@pytest.mark.parametrize(
    ("who", "fields", "status"),
    [
        ("anna", {"hours": "0"}, 400),
        ("anna", {"hours": "73"}, 400),
        ("anna", {"hours": "four"}, 400),
        ("anna", {"hours": ""}, 400),
        ("anna", {"reason": ""}, 400),
        ("anna", {"reason": "a\nb"}, 400),
        ("anna", {"project": ""}, 400),
        ("anna", {"project": "torch"}, 404),
        ("anna", {"project": "../x"}, 400),
        ("anna", {"key": "0" * 64}, 403),
        ("bo", {}, 403),
        ("rita", {}, 403),
        ("ada", {}, 403),
    ],
)
def test_the_form_refuses_what_the_command_line_refuses(web, who, fields, status):
    request = web.house.waiting(who=BOTH)
    sent = {"project": "numpy", "hours": "4", "reason": REASON, **fields}
    answer = web.visit(who).post(f"/requests/{request}/break-glass", **sent)
    assert answer.status_code == status, answer.text
    assert web.house.admitted() == frozenset()
