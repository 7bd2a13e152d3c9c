"""A service token moves a request only along its way, and a decision is about what its maker saw."""

from datetime import UTC, datetime

import pytest

from sekisho.errors import BadInputError, ConflictError, RefusedError
from sekisho.model import Target
from sekisho.tokens import Identity
from tests.records import artifact, facts
from tests.unit.portal.house import ANNA, GPL, NUMPY, OTTO, PASSED, RITA, SIX

DELIVERY = {"locked": "lock", "assembled": "assembly", "gated": "gates", "delivered": "image"}


def _at(house, state):
    """Return a request in ``state``."""
    request = house.ask()
    if state == "resolving":
        return request
    house.resolve(request, NUMPY)
    if state == "inspecting":
        return request
    house.inspect(request, facts(NUMPY, **GPL))
    if state == "denied":
        house.desk.deny(ANNA, request, reason="no")
    return request


@pytest.mark.parametrize("kind", DELIVERY)
@pytest.mark.parametrize("state", ["resolving", "inspecting", "waiting", "denied"])
def test_nothing_is_delivered_that_nobody_approved(house, state, kind):
    request = _at(house, state)
    before = house.kinds(request)
    with pytest.raises(ConflictError, match=f"it is {state}"):
        house.report(request, kind, **{DELIVERY[kind]: {}})
    assert house.kinds(request) == before


@pytest.mark.parametrize("kind", DELIVERY)
def test_what_the_policy_refused_is_not_delivered(house, kind):
    request = house.propose(artifact("evil"))
    with pytest.raises(ConflictError, match="it is refused"):
        house.report(request, kind, **{DELIVERY[kind]: {}})


def test_an_inspection_before_any_closure_is_no_step(house):
    with pytest.raises(ConflictError, match="it is resolving"):
        house.inspect(house.ask(), facts(NUMPY))


def test_a_failed_request_goes_on_only_when_somebody_retries_it(house):
    request = house.ask()
    house.report(request, "failed", stage="resolve", problem={"title": "x"})
    with pytest.raises(ConflictError, match="it is failed"):
        house.resolve(request, NUMPY)


@pytest.mark.parametrize("state", ["waiting", "denied"])
def test_a_judged_request_cannot_be_made_to_fail(house, state):
    request = _at(house, state)
    assert house.report(request, "failed", stage="gate", problem={"title": "x"}).state == state


def test_a_delivery_that_failed_is_not_proposed_anew(house):
    request = _at(house, "waiting")
    house.approve(request)
    house.report(request, "failed", stage="gate", problem={"title": "x"})
    before = house.kinds(request)
    house.resolve(request, NUMPY)
    house.inspect(request, facts(NUMPY))
    assert house.kinds(request) == before


def test_a_delivered_image_stays_delivered(house):
    request = _at(house, "waiting")
    house.approve(request)
    for kind, key in DELIVERY.items():
        house.report(request, kind, **{key: {"it": 1, **PASSED}})
    before = house.kinds(request)
    for kind, key in DELIVERY.items():
        assert house.report(request, kind, **{key: {"it": 2}}).state == "delivered"
    house.report(request, "failed", stage="push", problem={"title": "x"})
    assert house.kinds(request) == before


def test_a_closure_has_everything_that_was_asked_for(house):
    request = house.ask(requirements=["NumPy>=1", "Six"])
    with pytest.raises(BadInputError, match="lacks six"):
        house.resolve(request, NUMPY)
    house.resolve(request, NUMPY, SIX)


def test_what_the_target_does_not_need_may_be_missing(house):
    request = house.ask(requirements=["numpy", 'six; sys_platform == "win32"', 'idna; python_version >= "3.11"'])
    with pytest.raises(BadInputError, match="lacks idna, which"):
        house.resolve(request, NUMPY)
    house.resolve(request, NUMPY, artifact("idna"))


@pytest.mark.parametrize(
    "other",
    [
        {"target": Target(python="3.12.1", glibc="2.36").plain()},
        {"resolve_before": "2020-01-01T00:00:00Z"},
        {"direct": ["six"]},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_closure_is_for_the_target_and_cut_off_that_were_asked_for(house, other):
    request = house.ask(resolve_before=datetime(2026, 10, 1, tzinfo=UTC).isoformat())
    with pytest.raises(BadInputError, match="another target, cut-off or requirements"):
        house.report(request, "resolved", closure=house.closure(request, NUMPY).plain() | other)
    house.resolve(request, NUMPY)


def test_an_approval_of_another_closure_than_the_present_one_is_a_conflict(house):
    request = house.waiting(NUMPY)
    digest = house.desk.standing(request).closure().digest()
    with pytest.raises(ConflictError, match="changed while you were looking"):
        house.approve(request, closure="0" * 64)
    assert house.state(request) == "waiting"
    house.approve(request, closure=digest)
    assert house.state(request) == "approved"


def test_the_api_and_the_page_take_the_closure_that_was_seen(web):
    request = web.house.waiting(NUMPY)
    digest = web.house.desk.standing(request).closure().digest()
    path = f"/requests/{request}"
    page = web.visit("anna").get(path).text
    assert f'name="closure" value="{digest}"' in page
    body = {"reason": "fine", "closure": "0" * 64}
    assert web.call("POST", f"/api{path}/approve", "anna", json=body).status_code == 409
    assert web.visit("anna").post(f"{path}/approve", reason="fine", closure="0" * 64).status_code == 409
    assert web.visit("anna").post(f"{path}/approve", reason="fine", closure=digest).status_code == 303
    assert web.house.state(request) == "approved"


def test_another_spelling_of_the_requester_is_the_requester(house):
    request = house.waiting(NUMPY)
    with pytest.raises(RefusedError, match="asked for this"):
        house.approve(request, Identity(name="RITA", roles=("approver",)))


@pytest.mark.parametrize("reason", ["", "  ", "fine\nSekisho-Ledger: 1", "a\x1b[2J", "\ud800", "x" * 2001])
def test_a_decision_says_why_in_one_printable_line(house, reason):
    request = house.waiting(NUMPY)
    for decide in (house.desk.deny, lambda who, name, reason: house.approve(name, who, reason=reason)):
        with pytest.raises(BadInputError, match="the reason must be"):
            decide(OTTO, request, reason=reason)
    assert house.state(request) == "waiting"


@pytest.mark.parametrize("reason", ["a\x1b[2J", "\x00", "\ud800", "\x9b"])
def test_a_request_gives_its_reason_without_control_characters(house, reason):
    with pytest.raises(BadInputError, match="cannot be printed"):
        house.ask(RITA, reason=reason)
    assert house.ask(RITA, reason="several\n\tlines")


def _rebase(house, request, manifest):
    """Report that an image stands on another base now."""
    return house.report(
        request, "rebased", before="m", assembly={"of": manifest}, gates=PASSED, image={"manifest": manifest}
    )


def test_a_delivered_image_is_rebased_and_each_time_is_on_record_once(house):
    request = _at(house, "waiting")
    house.approve(request)
    for kind, key in DELIVERY.items():
        house.report(request, kind, **{key: PASSED if key == "gates" else {"manifest": "m"}})
    before = house.kinds(request)
    for manifest in ("n", "n", "o", "n"):
        assert _rebase(house, request, manifest).state == "delivered"
        told = house.desk.standing(request).plain("link")
        assert (told["image"], told["assembly"]) == ({"manifest": manifest}, {"of": manifest})
    for _ in range(2):
        house.report(request, "not-rebased", base="b", problem={"title": "x"})
    assert house.kinds(request) == [*before, "rebased", "rebased", "rebased", "not-rebased"]
    told = house.desk.standing(request).plain("link")
    assert told["image"] == {"manifest": "n"}
    assert told["not_rebased"].items() >= {"base": "b", "problem": {"title": "x"}}.items()
    _rebase(house, request, "p")
    assert "not_rebased" not in house.desk.standing(request).plain("link")


@pytest.mark.parametrize(
    "gates",
    [None, {}, {"gates": []}, {"gates": [*PASSED["gates"], {"gate": "secrets", "status": "failed"}]}],
    ids=["not gated", "no gates", "none of them", "one failed"],
)
def test_an_image_that_a_gate_did_not_pass_is_not_delivered_and_not_rebased(house, gates):
    request = _at(house, "waiting")
    house.approve(request)
    if gates is not None:
        house.report(request, "gated", gates=gates)
    before = house.kinds(request)
    with pytest.raises(ConflictError, match="not every gate passed"):
        house.report(request, "delivered", image={"manifest": "m"})
    assert house.kinds(request) == before
    house.report(request, "gated", gates=PASSED)
    house.report(request, "delivered", image={"manifest": "m"})
    if gates is not None:
        with pytest.raises(ConflictError, match="not every gate passed"):
            house.report(request, "rebased", before="m", assembly={}, gates=gates, image={"manifest": "n"})
    assert house.kinds(request) == [*before, "gated", "delivered"]


@pytest.mark.parametrize("state", ["resolving", "waiting", "denied", "approved"])
def test_what_was_not_delivered_is_not_rebased(house, state):
    request = _at(house, "waiting" if state == "approved" else state)
    if state == "approved":
        house.approve(request)
    with pytest.raises(ConflictError, match=f"cannot be rebased, it is {state}"):
        _rebase(house, request, "n")
