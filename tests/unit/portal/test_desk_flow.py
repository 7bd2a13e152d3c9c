"""From a request to an approval that is in force, through a real ledger and a real repository."""

from datetime import timedelta

import pytest

from sekisho.allowlist import parse_tree
from sekisho.errors import BadInputError, ConflictError, NotFoundError, RefusedError
from sekisho.keys import load_trust
from tests.records import artifact, facts, sha
from tests.unit.portal.house import ANNA, GPL, NUMPY, OTTO, PASSED, RITA, SERVICE, SIX


def test_a_request_that_a_person_approves_is_in_force_with_everything_on_record(house):
    request = house.ask(reason="for the churn model")
    assert house.state(request) == "resolving"
    house.resolve(request, NUMPY, SIX)
    assert house.state(request) == "inspecting"
    house.inspect(request, facts(NUMPY), facts(SIX, **GPL))
    assert house.state(request) == "waiting"
    assert house.admitted() == frozenset()
    before = house.repository.count()

    house.approve(request, ANNA, reason="fits")

    assert house.state(request) == "approved"
    assert house.kinds(request) == ["requested", "resolved", "inspected", "judged", "approval-intended", "approved"]
    assert house.admitted() == {NUMPY.sha256, SIX.sha256}
    assert house.repository.count() == before + 1
    approved = house.desk.standing(request).last["approved"]
    assert approved.actor == "anna"
    assert approved.body["revision"] == house.repository.head()
    assert approved.body["artifacts"] == 2


def test_what_is_committed_is_signed_and_names_request_closure_and_people(house):
    request = house.waiting()
    closure = house.desk.standing(request).closure()
    judged = house.desk.standing(request).judgement()
    house.approve(request, ANNA, reason="fits")
    files = {path: house.repository.show(path) for path in ("pypi/numpy.yaml", "pypi/six.yaml")}
    found = parse_tree(files, trust=load_trust(house.settings.trust_file))
    assert found.refused == ()
    numpy = found.approvals[0].approval
    assert numpy.artifacts == (NUMPY,)
    assert (numpy.request, numpy.closure, numpy.policy) == (request, closure.digest(), judged.policy)
    assert (numpy.requested_by, numpy.approved_by, numpy.reason, numpy.scope) == ("rita", "anna", "fits", ("everyone",))
    assert {approval.approval.id for approval in found.approvals} == {numpy.id}


def test_the_commit_carries_the_number_of_the_ledger_row_that_intended_it(house):
    request = house.waiting()
    house.approve(request)
    intent = house.desk.standing(request).last["approval-intended"]
    assert house.repository.git("log", "-1", "--format=%(trailers:key=Sekisho-Ledger,valueonly)") == str(intent.seq)


def test_an_approval_holds_in_the_workspace_that_asked_and_until_it_expires(house):
    request = house.waiting(NUMPY, workspace="team-a")
    house.approve(request, expires=house.clock.now + timedelta(days=1))
    assert house.admitted("team-a") == {NUMPY.sha256}
    assert house.admitted("everyone") == frozenset()
    house.clock.advance(days=1)
    assert house.admitted("team-a") == frozenset()


def test_what_no_rule_objects_to_is_approved_by_the_policy(house):
    request = house.propose(NUMPY)
    assert house.state(request) == "approved"
    approved = house.desk.standing(request).last["approved"]
    assert (approved.actor, approved.body["reason"]) == ("policy", "no rule objects")
    assert house.admitted() == {NUMPY.sha256}


def test_what_was_approved_before_is_approved_without_a_commit(house):
    house.approve(house.waiting())
    before = house.repository.head()
    again = house.propose(NUMPY, SIX, known=GPL)
    assert house.state(again) == "approved"
    approved = house.desk.standing(again).last["approved"]
    assert (approved.actor, approved.body["reason"], approved.body["artifacts"]) == ("policy", "approved before", 0)
    assert approved.body["revision"] == house.repository.head() == before


def test_an_approval_in_one_workspace_is_not_known_in_another(house):
    house.approve(house.waiting(NUMPY, workspace="team-a"))
    assert house.propose(NUMPY, known=GPL, workspace="team-b")
    assert house.state(house.propose(NUMPY, known=GPL, workspace="team-b")) == "waiting"


def test_only_what_is_new_in_a_closure_is_approved_again(house):
    house.approve(house.waiting(NUMPY))
    request = house.waiting(NUMPY, SIX)
    assert house.desk.standing(request).last["judged"].body["known"] == 1
    house.approve(request)
    assert house.repository.git("show", "--name-only", "--format=", "HEAD") == "deep/allowlists/pypi/six.yaml"
    assert house.admitted() == {NUMPY.sha256, SIX.sha256}


def test_what_the_policy_denies_is_refused_and_nobody_can_approve_it(house):
    request = house.propose(artifact("evil"), NUMPY)
    assert house.state(request) == "refused"
    with pytest.raises(ConflictError, match="it is refused"):
        house.approve(request)
    assert house.admitted() == frozenset()


def test_an_artifact_that_was_not_inspected_is_refused(house):
    request = house.ask()
    house.resolve(request, NUMPY, SIX)
    house.inspect(request, facts(NUMPY))
    assert house.state(request) == "refused"


def test_a_policy_that_denies_since_the_request_waits_stops_the_approval(house):
    request = house.waiting(NUMPY)
    policy = house.repository.show("policy.yaml").replace("[evil]", "[evil, numpy]")
    house.repository.commit({"policy.yaml": policy})
    house.snapshots.refresh()
    with pytest.raises(RefusedError, match="the policy now denies pkg:pypi/numpy@2"):
        house.approve(request)
    assert "approval-intended" not in house.kinds(request)


def test_an_approver_can_deny(house):
    request = house.waiting()
    house.desk.deny(ANNA, request, reason="not needed")
    assert house.state(request) == "denied"
    assert house.desk.standing(request).plain("")["denied"] == {"by": "anna", "reason": "not needed"}
    assert house.admitted() == frozenset()


def test_a_decision_is_made_once(house):
    approved, denied = house.waiting(), house.waiting(artifact("idna"))
    house.approve(approved)
    house.desk.deny(ANNA, denied, reason="no")
    for request, state in ((approved, "approved"), (denied, "denied")):
        with pytest.raises(ConflictError, match=f"it is {state}"):
            house.approve(request, OTTO)
        with pytest.raises(ConflictError, match=f"it is {state}"):
            house.desk.deny(OTTO, request, reason="no")
    assert house.admitted() == {NUMPY.sha256, SIX.sha256}


def test_nothing_is_decided_before_it_was_judged(house):
    request = house.ask()
    with pytest.raises(ConflictError, match="it is resolving"):
        house.approve(request)
    house.resolve(request, NUMPY)
    with pytest.raises(ConflictError, match="it is inspecting"):
        house.desk.deny(ANNA, request, reason="no")


@pytest.mark.parametrize("ago", [timedelta(0), timedelta(days=1)])
def test_an_expiry_that_is_not_to_come_is_bad_input(house, ago):
    request = house.waiting()
    with pytest.raises(BadInputError, match="expired already"):
        house.approve(request, expires=house.clock.now - ago)
    assert house.state(request) == "waiting"


def test_a_failed_proposal_is_tried_again_from_its_beginning(house):
    request = house.ask()
    house.report(request, "failed", stage="resolve", problem={"title": "no solution"})
    assert house.state(request) == "failed"
    assert house.desk.standing(request).plain("")["problem"] == {"title": "no solution"}
    house.desk.retry(RITA, request)
    assert house.state(request) == "resolving"
    assert house.desk.standing(request).last["retried"].body == {"stage": "propose"}


def test_a_failed_delivery_is_tried_again_without_a_new_decision(house):
    request = house.waiting()
    house.approve(request)
    house.report(request, "failed", stage="gate", problem={"title": "a gate failed"})
    house.desk.retry(ANNA, request)
    assert house.state(request) == "approved"
    assert house.desk.standing(request).last["retried"].body == {"stage": "deliver"}


def test_what_has_not_failed_is_not_retried(house):
    with pytest.raises(ConflictError, match="has not failed"):
        house.desk.retry(RITA, house.waiting())


def test_a_worker_sees_what_asks_for_work_and_only_that(house):
    request = house.waiting()
    house.approve(request)
    house.report(request, "failed", stage="gate", problem={"title": "x"})
    house.desk.retry(RITA, request)
    rows = house.desk.work(0)
    assert [row.kind for row in rows] == ["requested", "approved", "retried"]
    assert house.desk.work(rows[1].seq) == rows[2:]


def test_the_line_reports_its_stages_up_to_the_image(house):
    request = house.waiting()
    house.approve(request)
    bodies = {"locked": "lock", "assembled": "assembly", "gated": "gates", "delivered": "image"}
    for kind, key in bodies.items():
        assert house.report(request, kind, **{key: {"it": kind, **(PASSED if key == "gates" else {})}}).state == kind
    status = house.desk.standing(request).plain("link")
    assert [status[key]["it"] for key in bodies.values()] == list(bodies)


def test_requests_are_listed_newest_first(house):
    first, second = house.ask(requirements=["six"]), house.ask(requirements=["idna"])
    assert [standing.id for standing in house.desk.all()] == [second, first]


def test_the_same_words_a_moment_later_are_another_request(house):
    assert house.ask() != house.ask()


@pytest.mark.parametrize(
    "more",
    [
        {"requirements": ["evil @ http://example.invalid/x.whl"]},
        {"requirements": []},
        {"target": {"python": "3.11"}},
        {"workspace": "../up"},
        {"requester": "anna"},
        {"at": "2020-01-01T00:00:00Z"},
        {"surprise": 1},
    ],
    ids=lambda more: next(iter(more)),
)
def test_a_request_that_makes_no_sense_is_refused_and_not_recorded(house, more):
    before = house.ledger.size()
    with pytest.raises(BadInputError):
        house.ask(**more)
    assert house.ledger.size() == before


def test_an_unknown_request_is_not_found(house):
    for ask in (house.desk.standing, house.approve, lambda name: house.desk.retry(RITA, name)):
        with pytest.raises(NotFoundError, match="no request r404"):
            ask("r404")


def test_the_ledger_of_a_whole_flow_holds(house):
    house.approve(house.waiting())
    house.propose(NUMPY)
    size, _ = house.ledger.verify()
    assert size == house.ledger.size() > 10


def test_a_closure_for_another_request_is_refused(house):
    one, other = house.ask(requirements=["six"]), house.ask(requirements=["numpy"])
    closure = house.closure(other, NUMPY)
    with pytest.raises(BadInputError, match="answers another request"):
        house.desk.report(SERVICE, one, "resolved", {"closure": closure.plain()})
    assert house.kinds(one) == ["requested"]


def test_a_closure_with_two_files_of_a_project_is_refused(house):
    request = house.ask()
    with pytest.raises(BadInputError, match="more than one file of a project"):
        house.resolve(request, NUMPY, artifact(filename="numpy-2.1.0-cp311-cp311-linux_x86_64.whl"))


@pytest.mark.parametrize("project", ["Foo_Bar", "../../escape", "a/b"])
def test_a_closure_with_a_project_that_is_not_normalised_is_refused(house, project):
    request = house.ask()
    odd = artifact("foo").plain() | {"project": project}
    body = {"closure": house.closure(request, NUMPY).plain() | {"artifacts": [odd]}}
    with pytest.raises(BadInputError, match="project"):
        house.desk.report(SERVICE, request, "resolved", body)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("approved", {}),
        ("judged", {}),
        ("requested", {"request": {}}),
        ("resolved", {}),
        ("resolved", {"closure": {}}),
        ("inspected", {}),
        ("inspected", {"facts": {}}),
        ("inspected", {"facts": [{"sha256": "x"}]}),
        ("locked", {}),
        ("assembled", {}),
        ("gated", {}),
        ("delivered", {}),
        ("failed", {"stage": "push"}),
    ],
)
def test_a_report_of_another_form_is_bad_input_and_not_recorded(house, kind, body):
    request = house.ask()
    with pytest.raises(BadInputError):
        house.desk.report(SERVICE, request, kind, body)
    assert house.kinds(request) == ["requested"]
    assert house.desk.standing(request).plain("")["state"] == "resolving"


def test_a_file_with_other_bytes_under_the_same_name_is_not_approved_with_it(house):
    house.approve(house.waiting(NUMPY))
    assert sha("other") not in house.admitted()
    assert house.state(house.propose(artifact(sha256=sha("other")), known=GPL)) == "waiting"


def test_an_approval_states_size_and_metadata_as_the_inspection_measured_them(house):
    bare = artifact("bare", size=0, index={"core-metadata": sha("what the index said")})
    request = house.ask(requirements=["bare"])
    house.resolve(request, bare)
    house.inspect(request, facts(bare, size=7, metadata_sha256=sha("m"), **GPL))
    house.approve(request)
    files = {"pypi/bare.yaml": house.repository.show("pypi/bare.yaml")}
    [signed] = parse_tree(files, trust=load_trust(house.settings.trust_file)).approvals
    assert signed.approval.closure == house.desk.standing(request).closure().digest()
    [approved] = signed.approval.artifacts
    assert (approved.size, approved.index) == (7, {"core-metadata": sha("m")})
    assert house.admitted() == {bare.sha256}
