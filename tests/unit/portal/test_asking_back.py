"""An approver asks, the requester answers; and where the policy wants two approvers, two different ones decide."""

from datetime import timedelta

import pytest

from sekisho.errors import BadInputError, ConflictError, RefusedError
from sekisho.tokens import Identity
from tests.allowlists_tree import POLICY
from tests.unit.portal.house import ADA, ANNA, BOTH, NUMPY, OTTO, RITA, SERVICE, SIX


def ask(house, request, who=ANNA, question="what for?"):
    return house.desk.ask_back(who, request, question=question)


def answer(house, request, who=RITA, text="for the churn model"):
    return house.desk.answer(who, request, text=text)


def test_a_question_is_answered_and_both_are_on_record(house):
    request = house.waiting()
    ask(house, request)
    assert house.state(request) == "asked"
    answer(house, request)
    assert house.state(request) == "waiting"
    said = house.desk.standing(request).plain("")["conversation"]
    assert [(row["kind"], row["by"], row["text"]) for row in said] == [
        ("asked", "anna", "what for?"),
        ("answered", "rita", "for the churn model"),
    ]
    ask(house, request, OTTO, "really?")
    assert house.state(request) == "asked"


@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_an_approver_may_decide_without_the_answer(house, decision):
    request = house.waiting()
    ask(house, request)
    if decision == "approve":
        house.approve(request)
    else:
        house.desk.deny(ANNA, request, reason="too slow")
    assert house.state(request) == ("approved" if decision == "approve" else "denied")
    with pytest.raises(ConflictError):
        answer(house, request)


def test_a_question_stays_open_when_the_request_is_judged_again(house):
    request = house.waiting()
    ask(house, request)
    house.repository.commit({"policy.yaml": POLICY.replace("id: licence", "id: other")})
    house.desk.look_again()
    assert house.kinds(request)[-1] == "judged"
    assert house.state(request) == "asked"
    answer(house, request)
    assert house.state(request) == "waiting"


@pytest.mark.parametrize("who", [BOTH, RITA, ADA, SERVICE], ids=lambda who: who.name)
def test_only_another_approver_asks(house, who):
    request = house.waiting(who=BOTH)
    with pytest.raises(RefusedError):
        ask(house, request, who)
    assert house.state(request) == "waiting"
    assert house.kinds(request)[-1] == "attempt-refused"


@pytest.mark.parametrize("who", [ANNA, BOTH, ADA, SERVICE, Identity(name="rita", roles=("approver",))])
def test_only_the_requester_answers(house, who):
    request = house.waiting()
    ask(house, request)
    with pytest.raises(RefusedError):
        answer(house, request, who)
    assert house.state(request) == "asked"


@pytest.mark.parametrize("text", ["", " ", "a\nb", "a\x1b[2J", "x" * 2001])
def test_words_are_words(house, text):
    request = house.waiting()
    with pytest.raises(BadInputError, match="question"):
        ask(house, request, question=text)
    ask(house, request)
    with pytest.raises(BadInputError, match="answer"):
        answer(house, request, text=text)


def test_nothing_is_answered_that_was_not_asked_nor_asked_twice(house):
    request = house.waiting()
    with pytest.raises(ConflictError, match="nothing was asked"):
        answer(house, request)
    ask(house, request)
    with pytest.raises(ConflictError, match="open already"):
        ask(house, request, OTTO)


# Two approvers


@pytest.fixture
def two(house):
    house.repository.commit({"policy.yaml": POLICY.replace("version: 1", "version: 1\napprovers: 2")})
    house.snapshots.refresh()
    return house


def test_two_different_approvers_decide_and_both_are_signed(two):
    request = two.waiting()
    two.approve(request, ANNA, reason="fits", expires=two.clock.now + timedelta(days=9))
    assert two.state(request) == "waiting"
    assert two.admitted() == frozenset()
    assert two.desk.standing(request).plain("")["first_approval"]["by"] == "anna"
    two.approve(request, OTTO, reason="agreed", expires=two.clock.now + timedelta(days=3))
    assert two.admitted() == {NUMPY.sha256, SIX.sha256}
    approval = two.snapshots.current().approvals[0].approval
    assert (approval.approved_by, approval.seconded_by, approval.requested_by) == ("anna", "otto", "rita")
    assert approval.expires < two.clock.now + timedelta(days=4), "the earlier end counts"


@pytest.mark.parametrize("name", ["anna", "ANNA"])
def test_nobody_is_two_people(two, name):
    request = two.waiting()
    two.approve(request, ANNA)
    with pytest.raises(ConflictError, match="has approved this already"):
        two.approve(request, Identity(name=name, roles=("approver",)))
    with pytest.raises(RefusedError):
        two.approve(request, RITA)
    assert two.admitted() == frozenset()


def test_the_first_word_is_void_when_there_is_more_to_know(two):
    request = two.waiting()
    two.approve(request, ANNA)
    rules = POLICY.replace("version: 1", "version: 1\napprovers: 2").replace("[MIT]", "[0BSD]")
    two.repository.commit({"policy.yaml": rules + "  - {id: native, check: sdist_only, then: review}\n"})
    two.repository.commit({"policy.yaml": rules.replace("id: licence", "id: licence-new")})
    two.desk.look_again()
    two.approve(request, OTTO)
    assert two.state(request) == "waiting"
    two.approve(request, ANNA)
    assert two.state(request) == "approved"


def test_the_policy_needs_no_second_one(two):
    assert two.state(two.propose(NUMPY)) == "approved"


def test_one_workspace_may_want_two(house):
    text = POLICY + "workspaces: {team-a: {approvers: 2}}\n"
    house.repository.commit({"policy.yaml": text})
    house.snapshots.refresh()
    request = house.waiting(NUMPY, workspace="team-a")
    house.approve(request)
    assert house.state(request) == "waiting"
    house.approve(house.waiting(SIX))
    assert house.admitted() == {SIX.sha256}


def test_a_sandbox_ends_soon_whoever_approves(house):
    house.repository.commit(
        {"policy.yaml": POLICY + "workspaces: {lab: {sandbox: {days: 2, relax: {licence: allow}}}}\n"}
    )
    house.snapshots.refresh()
    request = house.propose(NUMPY, workspace="lab", known={"license_expression": "GPL-3.0-only"})
    assert house.state(request) == "approved"
    assert house.admitted("lab") == {NUMPY.sha256}
    house.clock.advance(days=2)
    assert house.admitted("lab") == frozenset()


def test_no_image_is_asked_for_in_a_sandbox(house):
    house.repository.commit(
        {"policy.yaml": POLICY + "workspaces: {lab: {sandbox: {days: 2, relax: {licence: allow}}}}\n"}
    )
    house.snapshots.refresh()
    with pytest.raises(RefusedError, match="lab is a sandbox"):
        house.ask(workspace="lab", image="sklearn")
    assert house.state(house.ask(workspace="team-a", image="sklearn")) == "resolving"


def test_the_page_asks_answers_and_revokes(web):
    request = web.house.waiting(NUMPY)
    anna, rita = web.visit("anna"), web.visit("rita")
    assert anna.post(f"/requests/{request}/ask-back", reason="<i>why</i>?").status_code == 303
    shown = rita.get(f"/requests/{request}").text
    assert "&lt;i&gt;why&lt;/i&gt;?" in shown
    assert f"/requests/{request}/answer" in shown
    assert f"/requests/{request}/approve" not in shown
    assert rita.post(f"/requests/{request}/answer", reason="for fun").status_code == 303
    assert anna.post(f"/requests/{request}/approve", reason="ok", expires="nonsense").status_code == 400
    assert anna.post(f"/requests/{request}/approve", reason="ok", expires="2099-01-01").status_code == 303
    assert rita.post(f"/requests/{request}/revoke", reason="mine").status_code == 403
    assert anna.post(f"/requests/{request}/revoke", reason="gone").status_code == 303
    assert web.house.admitted() == frozenset()
    assert "anna revoked numpy 2.1.0" in rita.get(f"/requests/{request}").text
