"""What people hand in that cannot be right: a clear answer, nothing lost, nothing approved."""

import logging
from datetime import timedelta

import pytest

from sekisho.allowlist import dump_yaml, load_yaml
from sekisho.errors import UnauthenticatedError
from tests.records import TARGET
from tests.unit.portal.house import ADA, ANNA, BOTH, GPL, NUMPY, OTTO, RITA, SIX

SCRIPT = '<script>alert("1")</script>'


def test_an_expiry_in_the_past_is_named_and_approves_nothing(web):
    request = web.house.waiting(NUMPY)
    past = (web.house.clock() - timedelta(days=1)).isoformat()
    answer = web.call("POST", f"/api/requests/{request}/approve", "anna", json={"reason": "fine", "expires": past})
    assert (answer.status_code, answer.json()["where"]) == (400, "expires")
    page = web.visit("anna").post(f"/requests/{request}/approve", reason="fine", expires="2020-01-01")
    assert page.status_code == 400
    assert "would have expired already" in page.text
    assert (web.house.state(request), web.house.admitted()) == ("waiting", frozenset())


@pytest.mark.parametrize("restart", [False, True])
def test_a_clock_that_was_set_back_revives_nothing_and_prolongs_nothing(house, caplog, restart):
    house.approve(house.waiting(NUMPY), expires=house.clock() + timedelta(hours=1))
    request = house.waiting(SIX)
    secret = house.tokens.issue("eva", ("approver",), expires=house.clock() + timedelta(hours=1))
    house.clock.advance(hours=2)
    house.desk.ask_back(ANNA, request, question="what for?")
    latest = house.ledger.entries()[-1].at
    house.clock.advance(days=-30)
    with caplog.at_level(logging.CRITICAL):
        if restart:
            house.open()
        assert house.desk.clock() >= latest
    assert "the clock says" in caplog.text
    with pytest.raises(UnauthenticatedError, match="expired"):
        house.tokens.identify(secret)
    again = house.propose(NUMPY, known=GPL)
    assert house.desk.standing(again).last["judged"].body["known"] == 0
    assert house.state(again) == "waiting"
    house.approve(request, who=OTTO)
    moments = [row.at for row in house.ledger.entries()]
    assert moments == sorted(moments)


def test_a_clock_that_goes_forward_again_counts_again(house, caplog):
    house.clock.advance(hours=1)
    house.ask()
    latest = house.desk.clock()
    house.clock.advance(minutes=-30)
    with caplog.at_level(logging.CRITICAL):
        assert [house.desk.clock() for _ in range(3)] == [latest] * 3
    assert caplog.text.count("the clock says") == 1
    house.clock.advance(hours=1)
    assert house.desk.clock() > latest


def test_five_thousand_requirements_are_one_request_and_one_more_is_none(web):
    names = [f"name-{number}=={number}.0" for number in range(5001)]
    body = {"target": TARGET.plain(), "requirements": names[:5000]}
    made = web.call("POST", "/api/requests", "rita", json=body)
    assert made.status_code == 201
    assert len(web.house.desk.standing(made.json()["id"]).request.requirements) == 5000
    assert web.visit("rita").get("/").text.count("name-") < 10
    refused = web.call("POST", "/api/requests", "rita", json={**body, "requirements": names})
    assert (refused.status_code, refused.json()["where"]) == (400, "request")
    assert "requirements" in refused.json()["title"]
    assert "5000" in refused.json()["title"]
    assert len(web.house.desk.all()) == 1


@pytest.mark.parametrize("key", ["requirements", "constraints"])
@pytest.mark.parametrize(
    "text",
    ["x @ https://files.invalid/x.whl", "git+ssh://git@code.invalid/x", "./x", "-e .", "x\n-i https://a.invalid"],
)
def test_an_address_is_never_recorded_whoever_sends_it(web, key, text):
    body = {"target": TARGET.plain(), "requirements": ["six"]}
    answer = web.call("POST", "/api/requests", "rita", json={**body, key: [text]})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-input")
    assert key in answer.json()["title"]
    assert web.house.desk.all() == []


def test_a_second_approval_changes_nothing(web):
    request = web.house.waiting(NUMPY)
    path = f"/api/requests/{request}/approve"
    assert web.call("POST", path, "anna", json={"reason": "fine"}).status_code == 200
    before, size = web.house.repository.head(), web.house.ledger.size()
    answer = web.call("POST", path, "otto", json={"reason": "fine, too"})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert (web.house.repository.head(), web.house.ledger.size()) == (before, size)
    assert web.house.repository.show("pypi/numpy.yaml").count("approved_by") == 1


def test_an_approval_of_a_closure_that_was_not_shown_is_a_conflict(web):
    request, other = web.house.waiting(NUMPY), web.house.waiting(SIX)
    digest = web.house.desk.standing(other).closure().digest()
    answer = web.call("POST", f"/api/requests/{request}/approve", "anna", json={"reason": "fine", "closure": digest})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert web.house.admitted() == frozenset()


def test_markup_in_whatever_people_say_is_shown_and_never_obeyed(web):
    """Reasons of all kinds, in pages and in the answers of the API."""
    house = web.house
    asked = house.waiting(NUMPY, reason=SCRIPT)
    house.desk.ask_back(ANNA, asked, question=SCRIPT)
    house.desk.answer(RITA, asked, text=SCRIPT)
    house.desk.break_glass(ANNA, asked, project="numpy", hours=4, reason=SCRIPT)
    house.approve(asked, reason=SCRIPT)
    house.desk.revoke(OTTO, house.desk.approval(asked), reason=SCRIPT)
    house.desk.state(
        ANNA,
        {
            "advisory": "CVE-2026-1", "project": "numpy", "releases": ["2.1.0"], "scope": ["everyone"],
            "justification": "vulnerable_code_not_present", "impact": SCRIPT, "expires": None,
        },
    )  # fmt: skip
    visitor = web.visit("anna")
    for path in ("/", f"/requests/{asked}", "/advisories", "/demand", "/requests/new"):
        assert "<script" not in visitor.get(path).text, path
    assert visitor.get(f"/requests/{asked}").text.count("&lt;script&gt;") >= 6
    for path in (f"/api/requests/{asked}", "/api/requests", "/api/policy", "/api/why/numpy"):
        answer = web.call("GET", path, "anna")
        assert answer.headers["content-type"] == "application/json", path
        assert answer.headers["x-content-type-options"] == "nosniff", path


# method of a page's form: (fields, who may send it)
FORMS = {
    "/requests/new": ({"requirements": "six", "python": "3.11.2", "glibc": "2.36"}, {"rita", "bo"}),
    "/requests/{}/approve": ({"reason": "x"}, {"anna"}),
    "/requests/{}/deny": ({"reason": "x"}, {"anna"}),
    "/requests/{}/ask-back": ({"reason": "x"}, {"anna"}),
    "/requests/{}/answer": ({"reason": "x"}, {"bo"}),
    "/requests/{}/revoke": ({"reason": "x"}, {"anna", "bo"}),
    "/advisories/revoke": ({"what": "six", "workspace": "everyone", "reason": "x"}, {"anna", "bo"}),
}


@pytest.mark.parametrize("who", [RITA.name, ANNA.name, BOTH.name, ADA.name, "service"])
@pytest.mark.parametrize("path", FORMS)
def test_every_form_for_every_role(web, path, who):
    """``bo`` asked, and is an approver, too."""
    house = web.house
    request = house.waiting(NUMPY, who=BOTH)
    fields, may = FORMS[path]
    if "revoke" in path:
        house.approve(request)
        house.approve(house.waiting(SIX))
    if path.endswith("/answer"):
        house.desk.ask_back(ANNA, request, question="what for?")
    admitted, head = house.admitted(), house.repository.head()
    answer = web.visit(who).post(path.format(request), **fields)
    assert answer.status_code == (303 if who in may else 403), answer.text
    if who not in may:
        assert (house.admitted(), house.repository.head()) == (admitted, head)


def test_every_page_says_that_a_newer_policy_cannot_be_used(web):
    good = web.house.repository.show("policy.yaml")
    web.house.repository.commit({"policy.yaml": "version: 1\nrules:\n  - {id: a, check: <b>yankd}\n"})
    web.house.snapshots.refresh()
    visitor = web.visit("rita")
    for path in ("/", "/demand", "/advisories", "/requests/new"):
        page = visitor.get(path).text
        assert "the policy before it stays in force" in page, path
        assert "policy.yaml, line 3" in page
        assert "<b>yankd" not in page
    assert "stays in force" not in web.visit(None).get("/login").text
    web.house.repository.commit({"policy.yaml": good})
    web.house.snapshots.refresh()
    assert "stays in force" not in visitor.get("/").text


@pytest.mark.parametrize("end", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_no_calendar_has_in_utc_is_bad_input(web, end):
    request = web.house.waiting()
    decision = {"reason": "fine", "expires": end}
    words = {"advisory": "CVE-2026-1", "project": "numpy", "releases": ["1"], "justification": "component_not_present"}
    body = {"requirements": ["numpy"], "target": TARGET.plain(), "resolve_before": end}
    assert web.call("POST", f"/api/requests/{request}/approve", "anna", json=decision).status_code == 400
    assert web.call("POST", "/api/vex", "anna", json={**words, "expires": end}).status_code == 400
    assert web.call("POST", "/api/requests", "rita", json=body).status_code == 400
    assert web.house.state(request) == "waiting"


def test_an_entry_with_such_a_time_is_refused_alone(house):
    house.approve(house.waiting())
    path = "pypi/numpy.yaml"
    value = load_yaml(house.repository.show(path), where=path)
    value["approvals"].append({**value["approvals"][0], "id": "a900", "at": "0001-01-01T00:00:00+14:00"})
    house.repository.commit({path: dump_yaml(value)})
    house.snapshots.refresh()
    assert house.snapshots.problem is None
    assert len(house.admitted()) == 2
    assert "no year from 1 to 9999" in house.snapshots.current().refused[0].why


@pytest.mark.parametrize("depth", [1000, 40_000])
def test_a_marker_that_is_nested_too_deep_is_bad_input(web, depth):
    text = f"numpy; {'(' * depth}python_version > '3'{')' * depth}"
    answer = web.call("POST", "/api/requests", "rita", json={"requirements": [text], "target": TARGET.plain()})
    assert answer.status_code == 400, answer.text[:200]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"kind": "conda"}, "requirements are of an index"),
        ({"conda": ["tool"]}, "no source is a channel"),
        ({"channels": ["forge"]}, "no package of them"),
        ({"conda": ["tool >=1.*.2"]}, "orders by something that is no version"),
        ({"conda": ["x" * 65]}, "is not a valid conda project name"),
        ({"requirements": ["x" * 300]}, "is not a valid pypi project name"),
        ({"constraints": ["x" * 300]}, "is not a valid pypi project name"),
        ({"hashes": {"../x": ["ab" * 32]}}, "is not a valid pypi project name"),
        ({"hashes": {"NumPy": ["ab" * 32]}}, "the hashes of 'NumPy' bind nothing"),
    ],
)
def test_what_would_never_be_answered_or_bind_nothing_is_refused_when_it_is_asked(web, more, said):
    answer = web.call("POST", "/api/requests", "rita", json={"requirements": ["numpy"], **more})
    assert answer.status_code == 400
    assert said in answer.json()["title"]
    assert web.house.desk.all() == []


@pytest.mark.parametrize("letter", ["\u202e", "\u2066", "\u2028", "\u2029", "\x1b"])
def test_no_word_of_a_person_turns_around_or_breaks_what_others_read(web, letter):
    words = f"fine{letter}enif"
    assert web.call("POST", "/api/requests", "rita", json={"requirements": ["six"], "reason": words}).status_code == 400
    request = web.house.waiting(NUMPY)
    for path, body in (
        ("approve", {"reason": words}),
        ("deny", {"reason": words}),
        ("ask-back", {"text": words}),
        ("break-glass", {"project": "numpy", "reason": words}),
    ):
        assert web.call("POST", f"/api/requests/{request}/{path}", "anna", json=body).status_code == 400, path
    assert web.house.kinds(request)[-1] == "judged"
    assert web.call("POST", f"/api/requests/{request}/approve", "anna", json={"reason": "für uns, שלום"}).is_success
