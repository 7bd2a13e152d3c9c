import html
import re

import pytest

from sekisho.errors import BadInputError
from sekisho.model import Build
from tests.records import artifact, facts
from tests.unit.portal.house import ANNA, BOTH, GPL, NUMPY, PASSED, SIX
from tests.unit.portal.test_wheels_built import SOURCE, WHEEL, built

SCRIPT = '<script>alert("1")</script>'


def _has_headers(answer):
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_every_page_has_headers_that_keep_foreign_scripts_and_frames_away(web):
    request = web.house.waiting()
    visitor = web.visit("anna")
    for path in ("/", "/login", "/requests/new", f"/requests/{request}", "/requests/r404", "/nowhere"):
        _has_headers(visitor.get(path))


def test_no_page_holds_a_script_or_a_style_of_its_own(web):
    request = web.house.waiting()
    visitor = web.visit("anna")
    for path in ("/", "/login", "/requests/new", f"/requests/{request}", "/nowhere"):
        assert not re.search(r"<script|<style|\son\w+=|\sstyle=|javascript:", visitor.get(path).text)


def test_who_is_not_logged_in_sees_the_login_and_nothing_else(web):
    request = web.house.waiting()
    visitor = web.visit(None)
    for path, login in (("/", "/login"), (f"/requests/{request}", f"/login?then=/requests/{request}")):
        answer = visitor.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, login)
    assert "rita" not in visitor.get("/requests/new").text


def test_who_follows_a_link_sees_it_after_the_login(web):
    visitor, wanted = web.visit(None), "/requests/new?project=a%3D%3D1.0"
    [link] = re.findall(r'<a href="(/login\?then=[^"]+)">log in', visitor.get(wanted).text)
    [then] = re.findall(r'name="then" value="([^"]+)"', visitor.get(html.unescape(link)).text)
    data = {"token": web.secrets["rita"]}
    answer = visitor.client.post("/login", data={**data, "then": html.unescape(then)})
    assert answer.headers["location"] == wanted
    assert "a==1.0" in visitor.get(wanted).text
    elsewhere = (
        "//evil.invalid/",
        "/\\evil.invalid",
        "https://evil.invalid/",
        "/\t/evil.invalid",
        "evil",
        "",
        "/\r\nx: y",
    )
    for then in elsewhere:
        answer = web.visit(None).client.post("/login", data={**data, "then": then})
        assert (answer.status_code, answer.headers["location"]) == (303, "/"), then


def test_a_login_sets_a_cookie_that_scripts_and_other_sites_do_not_get(web):
    answer = web.visit(None).client.post("/login", data={"token": f" {web.secrets['anna']}\n"})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie


def test_over_https_the_cookie_stays_there(web):
    client = web.visit(None).client
    client.base_url = "https://portal.invalid"
    assert "secure" in client.post("/login", data={"token": web.secrets["anna"]}).headers["set-cookie"].lower()


@pytest.mark.parametrize("token", ["wrong", "", "é"])
def test_a_wrong_token_is_a_page_with_401_and_sets_no_cookie(web, token):
    answer = web.visit(None).client.post("/login", data={"token": token})
    assert answer.status_code in (400, 401)
    assert "set-cookie" not in answer.headers
    _has_headers(answer)


def test_a_token_that_was_revoked_is_logged_out(web):
    visitor = web.visit("anna")
    assert visitor.get("/").status_code == 200
    web.house.tokens.revoke("anna")
    assert visitor.get("/").headers["location"] == "/login"


def test_logging_out_takes_the_cookie_away(web):
    visitor = web.visit("anna")
    assert visitor.post("/logout").headers["location"] == "/login"
    assert visitor.get("/").headers["location"] == "/login"


def test_the_list_shows_every_request_with_its_state(web):
    waiting = web.house.waiting()
    refused = web.house.propose(artifact("evil"))
    page = web.visit("rita").get("/").text
    assert page.index(refused) < page.index(waiting)
    assert re.search(rf"{waiting}.*?waiting.*?0 allow, 2 review, 0 deny", page, re.DOTALL)
    assert re.search(rf"{refused}.*?refused.*?0 allow, 0 review, 1 deny", page, re.DOTALL)


def test_an_empty_list_says_how_to_ask(web):
    assert "sekisho request" in web.visit("rita").get("/").text


def test_a_request_is_shown_with_verdicts_reasons_and_record(web):
    request = web.house.waiting()
    page = web.visit("anna").get(f"/requests/{request}").text
    assert "numpy 2.1.0" in page
    assert "GPL-3.0-only" in page
    assert "requested" in page
    assert "judged" in page
    assert f"sha256:{NUMPY.sha256[:16]}" in page


def test_what_is_named_for_builds_is_shown_before_and_after_they_are_built(web):
    house = web.house
    free = {"requirement": "six", "match-runtime": False}
    named = {"extra_build_dependencies": {"raw": [free]}, "extra_build_variables": {"raw": {"CC": "a<b"}}}
    request = house.ask(requirements=["raw"], **named)
    visitor = web.visit("anna")

    def look():
        return visitor.get(f"/requests/{request}").text

    assert "also with six (of any release, whatever is installed)" in look()
    assert "<code>CC=a&lt;b</code>" in look()
    asked = house.desk.standing(request).request
    recipe = asked.for_build("raw").recipe
    way = {"extra": ("six",), "variables": {"CC": "a<b"}}
    build = Build(project="raw", sdist=SOURCE.sha256, requires=(), recipe=recipe, artifacts=(SIX,), **way)
    before = house.closure(request, SOURCE).model_copy(update={"builds": (build,)})
    house.report(request, "resolved", closure=before.plain())
    house.inspect(request, facts(SOURCE, **GPL), facts(SIX, **GPL))
    house.approve(request)
    assert house.state(request) == "building"
    wheel = WHEEL.model_copy(update={"recipe": recipe})
    row = built(wheel=wheel, requires=(SIX,), environment={"CC": "a<b"}, **way)
    after = before.model_copy(update={"artifacts": (wheel,), "builds": ()})
    house.report(request, "built", closure=after.plain(), built=[row.plain()], facts=[facts(wheel, **GPL).plain()])
    assert "from raw-1.0.tar.gz, as asked also with six, told <code>CC=a&lt;b</code>, reproducible" in look()


def test_an_exception_stands_beside_what_is_known_and_what_is_approved(web):
    house = web.house
    house.approve(house.waiting(artifact(release="2.0.0", sha256=SIX.sha256[::-1])))
    request = house.propose(NUMPY, known={**GPL, "native": tuple(f"numpy/{n}.so" for n in range(5))})
    (row,) = web.call("GET", f"/api/requests/{request}", "anna").json()["exceptions"]
    assert row["approved"] == ["2.0.0"]
    assert row["facts"] == {
        "size": 1000, "uploaded": row["facts"]["uploaded"], "licence": "GPL-3.0-only",
        "native": "numpy/0.so, numpy/1.so, numpy/2.so and 2 more",
    }  # fmt: skip
    page = web.visit("anna").get(f"/requests/{request}").text
    assert "<div>licence: GPL-3.0-only</div>" in page
    assert "<td>2.0.0</td>" in page


def test_everything_that_people_and_packages_say_is_escaped(web):
    house = web.house
    odd = artifact(filename=f"{SCRIPT.replace(' ', '').replace('/', '')}.whl", yanked=SCRIPT)
    request = house.ask(reason=SCRIPT, requirements=["numpy"])
    house.resolve(request, odd)
    house.inspect(request, facts(odd, license_expression=None, license_hint=SCRIPT))
    house.report(house.ask(requirements=["six"]), "failed", stage=SCRIPT, problem={"title": SCRIPT, "todo": SCRIPT})
    decided = house.waiting(artifact("idna"))
    house.desk.deny(ANNA, decided, reason=SCRIPT)
    visitor = web.visit("anna")
    pages = [visitor.get("/").text, visitor.get(f"/requests/new?project={SCRIPT}").text]
    pages += [visitor.get(f"/requests/{standing.id}").text for standing in house.desk.all()]
    assert sum(page.count("&lt;script&gt;") for page in pages) >= 6
    assert not any("<script" in page for page in pages)


def test_nobody_can_have_a_name_with_markup(web):
    with pytest.raises(BadInputError):
        web.house.tokens.issue(SCRIPT, ("requester",))


def test_an_error_page_escapes_what_was_asked_for(web):
    answer = web.visit("anna").get(f"/requests/{SCRIPT.replace('/', '')}")
    assert answer.status_code == 404
    assert "<script" not in answer.text


def test_the_form_asks_as_a_requirements_file_does_and_remembers_for_whom(web):
    visitor = web.visit("rita")
    lines = f"# why\nsix==1.17.0 \\\n  --hash=sha256:{SIX.sha256}\nidna  # because\n"
    told = {"python": "3.12.4", "glibc": "2.31", "arch": "aarch64", "workspace": "team-a"}
    answer = visitor.post("/requests/new", requirements=lines, **told)
    asked = web.house.desk.standing(answer.headers["location"].rpartition("/")[2]).request
    assert asked.requirements == ("six==1.17.0", "idna")
    assert asked.hashes == {"six": (SIX.sha256,)}
    assert (asked.workspace, str(asked.target)) == ("team-a", "Python 3.12.4, linux aarch64, glibc 2.31")
    page = visitor.get("/requests/new").text
    for value in ('value="3.12.4"', 'value="2.31"', 'value="team-a"', "<option selected>aarch64"):
        assert value in page
    refused = visitor.post("/requests/new", requirements="six\n-e .\n", **told)
    assert refused.status_code == 400
    assert "requirements, line 2" in refused.text


def test_an_approver_approves_by_the_form(web):
    request = web.house.waiting()
    visitor = web.visit("anna")
    assert "Approve the closure" in visitor.get(f"/requests/{request}").text
    answer = visitor.post(f"/requests/{request}/approve", reason="fits")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/requests/{request}")
    assert web.house.desk.standing(request).last["approved"].actor == "anna"
    assert "anna: fits" in visitor.get(f"/requests/{request}").text
    assert "Approve the closure" not in visitor.get(f"/requests/{request}").text


def test_an_approver_denies_by_the_form(web):
    request = web.house.waiting()
    web.visit("anna").post(f"/requests/{request}/deny", reason="no")
    assert web.house.state(request) == "denied"


def test_the_requester_sees_no_buttons_and_is_refused_if_they_post_anyway(web):
    request = web.house.waiting(NUMPY, who=BOTH)
    visitor = web.visit("bo")
    page = visitor.get(f"/requests/{request}").text
    assert "somebody else has to decide" in page
    assert "Approve the closure" not in page
    answer = visitor.post(f"/requests/{request}/approve", reason="mine")
    assert answer.status_code == 403
    assert "bo asked for this" in answer.text
    assert web.house.state(request) == "waiting"


FORMS = {
    "/requests/{}/approve": {"reason": "x"},
    "/requests/{}/deny": {"reason": "x"},
    "/requests/new": {"requirements": "six", "python": "3.11.2", "glibc": "2.36"},
    "/logout": {},
}


@pytest.mark.parametrize("path", FORMS)
def test_a_form_that_is_not_from_our_page_does_nothing(web, path):
    request = web.house.waiting()
    before = web.house.ledger.size()
    visitor = web.visit("bo")
    for key in (None, "", "0" * 64, "é", web.visit("otto").key()):
        fields = {**FORMS[path], **({} if key is None else {"key": key})}
        answer = visitor.client.post(path.format(request), data=fields)
        assert answer.status_code in (400, 403), key
        assert visitor.get("/").status_code == 200, key
    assert web.house.ledger.size() == before


def test_without_a_login_no_form_does_anything(web):
    request = web.house.waiting()
    answer = web.visit(None).post(f"/requests/{request}/approve", reason="x")
    assert answer.status_code == 403
    assert "not logged in" in answer.text
    assert web.house.state(request) == "waiting"


def test_asking_by_the_form_makes_a_request(web):
    fields = {"requirements": "numpy\n\n six>=1 \n", "python": "3.11.2", "glibc": "2.36", "reason": "because"}
    answer = web.visit("rita").post("/requests/new", **fields)
    (standing,) = web.house.desk.all()
    assert answer.headers["location"] == f"/requests/{standing.id}"
    assert standing.request.requirements == ("numpy", "six>=1")
    assert (standing.request.requester, standing.request.reason) == ("rita", "because")


def test_asking_for_what_makes_no_sense_is_a_page_that_says_so(web):
    answer = web.visit("rita").post("/requests/new", requirements="-r x", python="3.11.2", glibc="2.36")
    assert answer.status_code == 400
    assert "cannot be opened here" in answer.text
    assert web.house.desk.all() == []


def test_a_form_that_cannot_be_taken_comes_back_as_it_was_typed_with_what_is_wrong(web):
    typed = {"requirements": "numpy\n<six", "reason": "<why>", "python": "3.12.4", "glibc": "2.31", "arch": "aarch64"}
    page = web.visit("rita").post("/requests/new", workspace="team-a", **typed).text
    assert '<p class="note loud" role="alert">' in page
    assert "where: requirements, line 2; do now: " in page
    for told in (">numpy\n&lt;six</textarea>", ">&lt;why&gt;</textarea>", 'value="3.12.4"', 'value="2.31"',
                 'value="team-a"', "<option selected>aarch64"):  # fmt: skip
        assert told in page


def test_asking_for_nothing_is_said_in_plain_words(web):
    page = web.visit("rita").post("/requests/new", python="3.11.2", glibc="2.36").text
    assert '<p class="note loud" role="alert">neither `requirements` nor `conda` asks for anything; ' in page


def test_every_table_is_in_a_part_that_a_keyboard_can_scroll(web):
    visitor = web.visit("anna")
    for page in ("/", f"/requests/{web.house.waiting()}", "/advisories", "/demand"):
        shown = visitor.get(page).text
        assert shown.count("<table>") == shown.count('" tabindex="0">\n<table>') == shown.count("aria-label")


def test_nothing_stands_in_the_way_of_what_was_approved(web):
    request, visitor = web.house.waiting(), web.visit("anna")
    assert "it passes once somebody approves" in visitor.get(f"/requests/{request}").text
    web.house.approve(request)
    page = visitor.get(f"/requests/{request}").text
    assert "once somebody approves" not in page
    assert "size: 1.0 kB" in page


def test_a_third_action_does_not_exist(web):
    request = web.house.waiting()
    answer = web.visit("anna").post(f"/requests/{request}/destroy", reason="x")
    assert answer.status_code == 403
    assert web.house.state(request) == "waiting"


def test_what_does_not_exist_is_a_page(web):
    answer = web.visit("anna").get("/nowhere")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


def test_every_state_of_a_request_has_a_page(web):
    house = web.house
    image = {"registry": "reg.invalid", "repository": "curated/x", "manifest": "ab" * 32}
    gates = {"gates": [{"gate": "imports", "status": "failed", "evidence": ["numpy does not import"]}]}
    bodies = {
        "locked": {"lock": {}},
        "assembled": {"assembly": {}},
        "gated": {"gates": gates},
        "delivered": {"image": image},
    }
    request = house.ask()
    visitor = web.visit("anna")
    seen = {}

    def look():
        page = visitor.get(f"/requests/{request}")
        assert page.status_code == 200
        seen[house.state(request)] = page.text

    look()
    house.resolve(request, NUMPY)
    look()
    house.inspect(request, facts(NUMPY, **GPL))
    look()
    house.approve(request)
    look()
    for kind, body in bodies.items():
        if kind == "delivered":
            house.report(request, "failed", stage="push", problem={"title": "the registry is down", "todo": "start it"})
            look()
            house.desk.retry(ANNA, request)
            house.report(request, "gated", gates=PASSED)
        house.report(request, kind, **body)
        look()
    assert list(seen) == ["resolving", "inspecting", "waiting", "approved", *list(bodies)[:-1], "failed", "delivered"]
    assert "numpy does not import" in seen["gated"]
    assert f"reg.invalid/curated/x@sha256:{'ab' * 32}" in seen["delivered"]
    assert "the registry is down" in seen["failed"]


def test_the_style_sheet_is_served(web):
    answer = web.client.get("/style.css")
    assert answer.headers["content-type"].startswith("text/css")


def test_an_approver_sees_which_files_are_not_from_the_first_source(web):
    inside = artifact("acme-web", "1.0", source="inside")
    request = web.house.waiting(inside, NUMPY)
    shown = web.visit("anna").get(f"/requests/{request}").text
    assert shown.count("from source") == 1
    assert "from source inside" in shown
