"""Where two approvers decide, one approver's statement on an advisory is no way around the second."""

import json

import pytest

from sekisho.allowlist import dump_yaml
from sekisho.signing import Signer
from sekisho.vex import add_vex, sign_vex
from tests.advisories import MEDIUM, osv, packed
from tests.command_line import run
from tests.fake_upstream import run_asgi
from tests.records import signed, statement
from tests.unit.portal.house import ADA, ANNA, BOTH, NUMPY, OTTO

CVE, ALIAS = "CVE-2026-1000", "GHSA-aaaa-aaaa-0001"
ONE = """
version: 1
rules:
  - {id: weakness, check: advisory, severity: 4.0, then: review, unless: vex}
"""
TWO = ONE + "approvers: 2\nworkspaces:\n  lab: {approvers: 1}\n"
WORDS = {
    "advisory": CVE,
    "project": "numpy",
    "releases": ["2.1.0"],
    "justification": "component_not_present",
    "scope": ["everyone", "lab"],
}


@pytest.fixture
def house(house):
    """A site where two approve, but in one workspace, and an advisory on everything called numpy."""
    house.repository.commit({"policy.yaml": TWO})
    house.snapshots.refresh()
    house.desk.take_feed(ADA, "osv", packed(osv(CVE, vector=MEDIUM, aliases=[ALIAS])).getvalue(), "all.zip")
    return house


def test_it_counts_once_two_have_said_the_same(house):
    request, lab = house.propose(NUMPY), house.propose(NUMPY, workspace="lab")
    assert [house.state(one) for one in (request, lab)] == ["waiting", "waiting"]
    first = house.desk.state(ANNA, WORDS)
    assert (first["missing"], first["said_by"]) == ({"everyone": 1}, ["anna"])
    assert [house.state(one) for one in (request, lab)] == ["waiting", "approved"]
    assert house.desk.state(ANNA, WORDS)["missing"] == {"everyone": 1}, "nor by saying it twice"
    house.desk.state(OTTO, {**WORDS, "justification": "vulnerable_code_not_present"})
    house.desk.state(OTTO, {**WORDS, "scope": ["lab"]})
    assert house.state(house.propose(NUMPY)) == "waiting", "nor by saying something else, or elsewhere"
    assert house.admitted() == frozenset()
    second = house.desk.state(OTTO, {**WORDS, "advisory": ALIAS})
    assert (second["missing"], second["said_by"]) == ({}, ["anna", "otto"])
    assert house.state(request) == "approved"
    assert house.admitted() == {NUMPY.sha256}
    (reason,) = house.desk.standing(request).judgement().verdicts[0].reasons
    assert reason.evidence == f"{CVE} does not matter ({first['id']} and {second['id']}: component_not_present)"


def test_who_asked_is_none_of_the_two(house):
    request = house.propose(NUMPY, who=BOTH)
    house.desk.state(BOTH, WORDS)
    house.desk.state(ANNA, WORDS)
    assert house.state(request) == "waiting"
    house.desk.state(OTTO, WORDS)
    assert house.state(request) == "approved"


def test_what_one_said_counts_no_more_once_the_policy_asks_for_two(house):
    house.repository.commit({"policy.yaml": ONE.replace("review", "deny")})
    house.snapshots.refresh()
    house.desk.state(ANNA, WORDS)
    assert house.state(house.propose(NUMPY)) == "approved"
    house.repository.commit({"policy.yaml": TWO.replace("review", "deny")})
    house.snapshots.refresh()
    assert house.admitted() == frozenset()
    house.desk.state(OTTO, WORDS)
    assert house.admitted() == {NUMPY.sha256}


def test_the_page_says_so_and_lets_another_approver_say_the_same(web, house):
    request = house.propose(NUMPY)
    said = house.desk.state(ANNA, {**WORDS, "impact": "<b>never</b> called", "expires": "2099-01-01T00:00:00Z"})
    shown = {name: web.visit(name).get("/advisories").text for name in ("rita", "anna", "otto")}
    for text in shown.values():
        assert "Does not count in everyone yet: another approver has to state the same." in text
        assert "&lt;b&gt;never" in text
    assert [name for name, text in shown.items() if "I state the same" in text] == ["otto"]
    for name, status in (("rita", 403), ("anna", 303), ("otto", 303)):
        assert web.visit(name).post("/advisories/state", digest=said["digest"]).status_code == status
        assert house.state(request) == ("approved" if name == "otto" else "waiting"), name
    assert "Does not count" not in web.visit("otto").get("/advisories").text
    row = house.desk.stated()[-1]
    assert (row["impact"], row["expires"]) == ("<b>never</b> called", "2099-01-01T00:00:00Z")
    assert web.visit("otto").post("/advisories/state", digest="0" * 64).status_code == 404
    forged = web.visit("otto").client.post("/advisories/state", data={"key": "0" * 64, "digest": said["digest"]})
    assert forged.status_code == 403


def test_the_command_line_says_so_and_how_another_says_the_same(web, house):
    request = house.propose(NUMPY)
    with run_asgi(web.app) as url:
        sekisho = lambda who, *words: run(*words, SEKISHO_PORTAL_URL=url, SEKISHO_TOKEN=web.secrets[who])  # noqa: E731
        assert sekisho("rita", "vex", "list").out == "nothing is stated\n"
        more = ("--justification", "component_not_present", "--workspace", "everyone", "--workspace", "lab")
        done = sekisho("anna", "vex", "not-affected", CVE, "numpy==2.1.0", *more)
        waits = "does NOT count in everyone yet: another approver must state the same"
        assert waits in done.out
        listed = sekisho("otto", "vex", "list")
        assert waits in listed.out
        (command,) = [line.partition("they run: sekisho ")[2] for line in listed.out.splitlines() if "they run" in line]
        assert "NOT" not in sekisho("otto", *command.split()).out
        assert [row["missing"] for row in json.loads(sekisho("otto", "vex", "list", "--json").out)] == [{}, {}]
    assert house.state(request) == "approved"


def test_what_is_affected_says_that_two_have_to_state(web, house):
    house.desk.state(ANNA, WORDS)
    house.desk.state(OTTO, WORDS)
    assert house.state(house.propose(NUMPY)) == "approved"
    news = osv("CVE-2026-2000", vector=MEDIUM, modified="2026-10-31T01:00:00Z")
    feed = packed(osv(CVE, vector=MEDIUM, aliases=[ALIAS]), news).getvalue()
    house.desk.take_feed(ADA, "osv", feed, "all.zip")
    assert house.desk.affected()[0]["approvers"] == 2
    assert "2 different approvers have to state it." in web.visit("rita").get("/advisories").text
    with run_asgi(web.app) as url:
        told = run("affected", SEKISHO_PORTAL_URL=url, SEKISHO_TOKEN=web.secrets["rita"]).out
    assert "or state, by 2 different approvers: sekisho vex not-affected CVE-2026-2000" in told


def _own_key(house):
    """Return the key of an approver who may sign entries of the tree, listed beside the portal's."""
    own = Signer.generate()
    trust = house.settings.trust_file
    trust.write_text(json.dumps([*json.loads(trust.read_text()), own.trusted("anna", "approval").plain()]))
    return own


@pytest.mark.parametrize(("policy", "counts"), [(ONE, True), (TWO, False), (TWO.replace("1}", "2}"), False)])
def test_what_an_approver_signs_with_their_own_key_counts_where_one_is_enough(house, policy, counts):
    own = _own_key(house)
    forged = signed(NUMPY, signer=own, approved_by="anna", seconded_by="otto", scope=("lab", "everyone"))
    row = {**forged.approval.plain(), "signature": forged.signature.plain()}
    files = {"pypi/numpy.yaml": dump_yaml({"project": "numpy", "approvals": [row]})}
    for number, name in enumerate(("anna", "otto")):
        said = statement(id=f"v-{number}", advisory=CVE, requested_by=name, approved_by=name)
        files |= add_vex(files, sign_vex(said, own))
    house.repository.commit({"policy.yaml": policy, **files})
    house.snapshots.refresh()
    assert house.admitted() == house.admitted("lab") == ({NUMPY.sha256} if counts else frozenset())
    snapshot = house.snapshots.current()
    assert len(snapshot.vex) == (2 if counts else 0)
    told = [(one.where, one.why) for one in snapshot.refused]
    assert [where for where, _ in told] == (
        [] if counts else [
            "pypi/numpy.yaml, approval a1", f"vex/{CVE}.yaml, statement v-0", f"vex/{CVE}.yaml, statement v-1",
        ]
    )  # fmt: skip
    assert all("everyone" in why and "asks for two" in why for _, why in told)


def test_an_own_key_counts_in_a_workspace_where_one_is_enough(house):
    entry = signed(NUMPY, signer=_own_key(house), scope=("lab",))
    row = {**entry.approval.plain(), "signature": entry.signature.plain()}
    house.repository.commit({"pypi/numpy.yaml": dump_yaml({"project": "numpy", "approvals": [row]})})
    house.snapshots.refresh()
    assert (house.admitted("lab"), house.admitted()) == ({NUMPY.sha256}, frozenset())
    house.approve(request := house.propose(NUMPY, known={"license_expression": "MIT"}), ANNA)
    assert house.state(request) == "waiting"
    house.approve(request, OTTO)
    assert house.admitted() == {NUMPY.sha256}
