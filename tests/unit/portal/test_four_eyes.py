"""Whoever asks does not approve, and every attempt is on record."""

import pytest

from sekisho.errors import RefusedError
from sekisho.tokens import Identity
from tests.unit.portal.house import ADA, ANNA, BOTH, NUMPY, RITA, SERVICE


def _act(house, action, who, request):
    if action == "approve":
        house.approve(request, who)
    else:
        house.desk.deny(who, request, reason="because")


@pytest.mark.parametrize("action", ["approve", "deny"])
@pytest.mark.parametrize(
    "roles", [("requester",), ("requester", "approver"), ("approver", "admin", "service", "requester")]
)
def test_a_requester_decides_nothing_of_their_own_whatever_their_roles(house, action, roles):
    who = Identity(name="bo", roles=roles)
    request = house.waiting(NUMPY, who=who)
    with pytest.raises(RefusedError, match="bo asked for this") as caught:
        _act(house, action, who, request)
    assert "another approver" in caught.value.todo
    assert house.state(request) == "waiting"
    assert house.admitted() == frozenset()


@pytest.mark.parametrize("action", ["approve", "deny"])
@pytest.mark.parametrize("who", [Identity(name="ron", roles=("requester",)), ADA, SERVICE], ids=lambda who: who.name)
def test_who_is_no_approver_decides_nothing(house, action, who):
    request = house.waiting(NUMPY)
    with pytest.raises(RefusedError, match="is not an approver"):
        _act(house, action, who, request)
    assert house.state(request) == "waiting"
    assert house.admitted() == frozenset()


@pytest.mark.parametrize("action", ["approve", "deny"])
@pytest.mark.parametrize("who", [BOTH, RITA], ids=lambda who: who.name)
def test_every_refused_attempt_is_on_record(house, action, who):
    request = house.waiting(NUMPY, who=BOTH)
    with pytest.raises(RefusedError) as caught:
        _act(house, action, who, request)
    row = house.desk.standing(request).rows[-1]
    assert (row.kind, row.actor) == ("attempt-refused", who.name)
    assert row.body == {"action": action, "why": caught.value.what}


def test_an_attempt_that_was_refused_does_not_keep_an_approver_from_approving(house):
    request = house.waiting(NUMPY, who=BOTH)
    with pytest.raises(RefusedError):
        house.approve(request, BOTH)
    house.approve(request, ANNA)
    assert house.state(request) == "approved"


def test_an_approver_who_also_asks_may_approve_what_others_asked_for(house):
    request = house.waiting(NUMPY, who=RITA)
    house.approve(request, BOTH)
    assert house.desk.standing(request).last["approved"].actor == "bo"


@pytest.mark.parametrize("who", [ANNA, SERVICE, ADA], ids=lambda who: who.name)
def test_only_a_requester_asks(house, who):
    with pytest.raises(RefusedError, match="requester"):
        house.ask(who)


@pytest.mark.parametrize("who", [RITA, ANNA, ADA], ids=lambda who: who.name)
def test_only_a_room_of_sekisho_reports(house, who):
    request = house.ask()
    body = {"closure": house.closure(request, NUMPY).plain()}
    with pytest.raises(RefusedError, match="service"):
        house.desk.report(who, request, "resolved", body)
    assert house.kinds(request) == ["requested"]
