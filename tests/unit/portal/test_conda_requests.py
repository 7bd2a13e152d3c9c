"""Packages of a channel go the way that wheels go: asked, judged, approved, shown, taken back."""

import pytest

from sekisho.errors import BadInputError, ConflictError, NotFoundError, RefusedError
from sekisho.model import Closure, Edge
from sekisho.policy import Door
from tests.allowlists_tree import POLICY
from tests.records import artifact, facts, package, sha
from tests.unit.portal.house import ANNA, GPL, OTTO, RITA

SOURCES = """
sources:
  - {id: pypi, preset: pypi}
  - {id: forge, kind: conda, url: "https://channels.invalid/forge"}
  - {id: lab, kind: conda, url: "https://lab.invalid/conda/lab", owns: [lab-*]}
"""
PYTHON = package("python", "3.11.7", "h1_0_cpython")
TOOL = package("tool", "1.2", "py311_0", depends=["python >=3.11,<3.12.0a0", "libtool 1.*", "__glibc >=2.17"])
LIB = package("libtool", "1.0", "h5_0")
WHEEL = artifact("tool", "9.0")
"""The same name on the index: another project."""


@pytest.fixture(autouse=True)
def _channels(house):
    house.repository.commit({"sources.yaml": SOURCES})
    house.snapshots.refresh()


def mixed(
    house, *files, who=RITA, known=GPL, edges=(("conda:tool", "conda:python"), ("conda:tool", "conda:libtool")), **more
):
    """Ask for a tool of a channel and one of the index; resolve, inspect."""
    body = {"conda": ["tool=1.2"], "channels": ["forge"], **more}
    request = house.ask(who, more.pop("requirements", ("tool",)), **body)
    found = house.closure(request, *(files or (WHEEL, TOOL, PYTHON, LIB)))
    found = Closure(**{**dict(found), "edges": tuple(Edge(project=above, needs=below) for above, below in edges)})
    house.report(request, "resolved", closure=found.plain())
    house.inspect(request, *(facts(one, **known) for one in found.artifacts))
    return request


def shown(house, project="tool", source="forge"):
    return Door(house.snapshots.current(), "everyone").artifacts("conda", project, house.clock(), source=source)


def test_a_mixed_request_is_approved_in_one_decision_and_in_files_by_channel(house):
    request = mixed(house)
    assert house.state(request) == "waiting"
    assert shown(house) == ()
    house.approve(request)
    assert [row.filename for row in shown(house)] == [TOOL.filename]
    assert shown(house, source="lab") == ()
    paths = {signed.approval.artifacts[0].purl for signed in house.snapshots.current().approvals}
    assert TOOL.purl == "pkg:conda/tool@1.2?build=py311_0&channel=forge&subdir=linux-64&type=conda"
    assert paths == {one.purl for one in (WHEEL, TOOL, PYTHON, LIB)}
    assert f"sha256: {TOOL.sha256}" in house.repository.show("conda/forge/tool.yaml")
    assert TOOL.sha256 not in house.repository.show("pypi/tool.yaml")
    approved = Door(house.snapshots.current(), "everyone").artifacts("conda", "tool", house.clock())
    assert approved[0].index == TOOL.index


def test_a_status_tells_who_needs_what_by_nodes(house):
    status = house.desk.standing(mixed(house)).plain("")
    assert status["closure"]["kinds"] == {"pypi": 1, "conda": 3}
    rows = {row["node"]: row for row in status["exceptions"]}
    assert rows["conda:libtool"]["needed_by"] == ["conda:tool", "conda:libtool"]
    assert rows["tool"]["needed_by"] == ["tool"]
    assert (rows["conda:tool"]["build"], rows["conda:tool"]["subdir"], rows["conda:tool"]["source"]) == (
        "py311_0", "linux-64", "forge",
    )  # fmt: skip
    assert "conda:libtool 1.0" in status["needs"]["review"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"artifacts": [WHEEL, PYTHON]}, "lacks conda:tool"),
        ({"artifacts": [TOOL, PYTHON]}, "lacks tool"),
        ({"artifacts": [WHEEL, TOOL, package("tool", "1.3")]}, "more than one file of a project"),
        ({"artifacts": [WHEEL, package("tool", "1.3")]}, "is not what tool=1.2 says"),
        ({"artifacts": [WHEEL, package("tool", "1.2", source="lab")]}, "of channel lab, which was not asked for"),
        ({"conda": ["tool"]}, "another target, cut-off or requirements"),
    ],
)
def test_a_closure_that_does_not_answer_the_specs_is_refused(house, change, said):
    request = house.ask(requirements=("tool",), conda=["tool=1.2"], channels=["forge"])
    found = {**house.closure(request, WHEEL, TOOL).plain()}
    found |= {key: [getattr(one, "plain", lambda one=one: one)() for one in value] for key, value in change.items()}
    with pytest.raises(BadInputError, match=said):
        house.report(request, "resolved", closure=found)
    assert house.state(request) == "resolving"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"channels": ["elsewhere"]}, "no source declares the channel 'elsewhere'"),
        ({"channels": ["pypi"]}, "no source declares the channel 'pypi'"),
        ({"conda": ["elsewhere::tool"]}, "no source declares the channel 'elsewhere'"),
        ({"conda": ["https://x.invalid/tool"]}, "no match spec"),
        ({"conda": ["tool[url=x]"]}, "names url"),
        ({"conda": [], "requirements": []}, "asks for anything"),
    ],
)
def test_what_no_channel_here_can_answer_is_refused_when_it_is_asked(house, more, said):
    with pytest.raises(BadInputError, match=said):
        house.desk.ask(RITA, {"conda": ["tool"], "target": {"python": "3.11.2", "glibc": "2.36"}} | more)


def test_what_is_asked_twice_counts_once(house):
    request = house.ask(requirements=(), conda=["tool", "tool", "tool >=1"], channels=["forge", "lab", "forge"])
    asked = house.desk.standing(request).request
    assert (asked.conda, asked.channels) == (("tool", "tool >=1"), ("forge", "lab"))


def test_a_package_is_taken_back_by_its_node_and_the_wheel_of_that_name_stays(house):
    request = mixed(house)
    house.approve(request)
    with pytest.raises(NotFoundError):
        house.desk.revoke(ANNA, "conda:tool==1.3", reason="gone bad")
    house.desk.revoke(ANNA, "conda:tool==1.2", reason="gone bad")
    assert shown(house) == ()
    assert WHEEL.sha256 in house.admitted()
    assert TOOL.sha256 not in house.admitted()


def test_what_a_package_depends_on_is_gone_and_so_it_is_shown_no_more(house):
    house.approve(mixed(house))
    house.desk.revoke(ANNA, "conda:libtool", reason="gone bad")
    assert shown(house) == ()
    assert TOOL.sha256 in house.admitted()
    (lapse,) = house.snapshots.current().lapses
    assert (lapse.project, lapse.sha256) == ("tool", TOOL.sha256)
    assert lapse.reason.evidence.startswith("it needs conda:libtool, and nothing")
    assert [row.project for row in shown(house, "python")] == ["python"]


def test_another_build_that_fits_takes_the_place_of_what_is_gone(house):
    house.approve(mixed(house))
    other = package("libtool", "1.1", "h5_1")
    house.approve(mixed(house, WHEEL, package("tool", "1.2", "py311_1"), other, edges=()))
    house.desk.revoke(ANNA, "conda:libtool==1.0", reason="gone bad")
    assert [row.filename for row in shown(house)] == [TOOL.filename, "tool-1.2-py311_1.conda"]
    house.desk.revoke(ANNA, "conda:libtool", reason="gone bad")
    assert TOOL.filename not in [row.filename for row in shown(house)]


def test_two_approve_a_package_of_a_channel_for_several_workspaces(house):
    house.repository.commit({"policy.yaml": POLICY + "workspaces:\n  lab: {approvers: 2}\n"})
    house.snapshots.refresh()
    request = mixed(house, workspace="lab")
    house.approve(request, ANNA, scope=["lab", "everyone"])
    assert house.state(request) == "waiting"
    house.approve(request, OTTO)
    assert house.state(request) == "approved"
    assert [row.filename for row in shown(house)] == [TOOL.filename]


def test_broken_glass_lets_in_the_package_and_not_the_wheel(house):
    request = mixed(house)
    house.desk.break_glass(ANNA, request, project="conda:tool", hours=2, reason="the line stands still")
    assert house.admitted() == {TOOL.sha256}
    with pytest.raises(NotFoundError):
        house.desk.break_glass(ANNA, request, project="conda:nothing", hours=2, reason="the line stands still")


def test_who_owns_a_name_holds_across_channels(house):
    foreign = package("lab-core", "1.0")
    request = house.ask(requirements=(), conda=["lab-core"], channels=["forge"])
    house.report(request, "resolved", closure=house.closure(request, foreign).plain())
    house.inspect(request, facts(foreign, **GPL))
    house.approve(request)
    assert shown(house, "lab-core") == ()
    assert foreign.sha256 not in house.admitted()


def test_what_the_newest_releases_are_is_told_by_node(house):
    request = house.ask(requirements=("tool",), conda=["tool=1.2"])
    closure = house.closure(request, WHEEL, TOOL, PYTHON, LIB)
    told = {"tool": {"release": "9.1", "uploaded": "2026-10-01T00:00:00Z"}}
    told["conda:tool"] = {"release": "1.3", "uploaded": "2026-10-02T00:00:00Z"}
    house.report(request, "resolved", closure=closure.plain(), newest=told)
    newest = house.desk.standing(request).newest()
    assert {node: row.release for node, row in newest.items()} == {"tool": "9.1", "conda:tool": "1.3"}
    with pytest.raises(BadInputError, match="not a valid conda project name"):
        house.report(request, "resolved", closure=closure.plain(), newest={"conda:../x": told["tool"]})


def test_a_replaced_file_of_the_same_path_needs_its_own_approval(house):
    house.approve(mixed(house))
    replaced = package("tool", "1.2", "py311_0", sha256=sha("other bytes"))
    request = mixed(house, WHEEL, replaced, PYTHON, LIB)
    assert house.state(request) == "waiting"
    assert house.desk.standing(request).last["judged"].body["difference"] == {"known": 3, "new": 1, "upgraded": 0}


def test_a_requester_is_not_the_approver_of_a_package_either(house):
    with pytest.raises((RefusedError, ConflictError)):
        house.approve(mixed(house), RITA)


def test_what_constrains_a_package_keeps_a_wrong_one_from_standing_in(house):
    strict = package("tool", "1.2", "py311_2", depends=["libtool >=1.0"], constrains=["extra <2"])
    house.approve(mixed(house, WHEEL, strict, LIB, edges=()))
    newer = package("libtool", "1.5", "h5_1", depends=["extra 3.*"])
    house.approve(mixed(house, WHEEL, package("tool", "1.2", "other_0"), newer, package("extra", "3.0"), edges=()))
    house.desk.revoke(ANNA, "conda:libtool==1.0", reason="gone bad")
    assert strict.filename not in [row.filename for row in shown(house)]
    plain = package("libtool", "1.4", "h5_1")
    house.approve(mixed(house, WHEEL, package("tool", "1.2", "third_0"), plain, edges=()))
    house.desk.revoke(ANNA, "conda:libtool==1.5", reason="gone bad")
    assert strict.filename in [row.filename for row in shown(house)]


@pytest.mark.parametrize(
    ("more", "fits"),
    [
        ({"depends": ["__glibc >=2.17,<3.0.a0", "__unix"]}, True),
        ({"depends": ["__glibc >=2.39"]}, False),
        ({"depends": ["__cuda"]}, False),
        ({"depends": ["__archspec 1 x86_64"]}, True),
        ({"depends": ["__archspec 1 x86_64_v3"]}, False),
        ({"depends": ["__linux >=4.18"]}, True),
        ({"depends": ["__linux >=9"]}, False),
        ({"subdir": "noarch"}, True),
        ({"subdir": "linux-aarch64"}, False),
        ({"subdir": "osx-64"}, False),
    ],
)
def test_only_what_runs_on_the_target_stands_in(house, more, fits):
    house.approve(mixed(house))
    house.approve(mixed(house, WHEEL, package("tool", "1.2", "py311_1"), package("libtool", "1.1", **more), edges=()))
    house.desk.revoke(ANNA, "conda:libtool==1.0", reason="gone bad")
    assert (TOOL.filename in [row.filename for row in shown(house)]) is fits


def test_a_wheel_lapses_with_the_package_that_it_needs_of_a_channel(house):
    request = house.ask(requirements=("app",), conda=["tool=1.2"], channels=["forge"])
    app = artifact("app", "1.0")
    found = house.closure(request, app, TOOL, PYTHON, LIB).model_copy(
        update={"edges": (Edge(project="app", needs="conda:tool"),)}
    )
    house.report(request, "resolved", closure=found.plain())
    known = [facts(one, **GPL) for one in found.artifacts[1:]]
    house.inspect(request, facts(app, requires=("Tool>=1",), **GPL), *known)
    house.approve(request)
    door = Door(house.snapshots.current(), "everyone")
    assert door.projects("pypi", house.clock()) == ("app",)
    house.desk.revoke(ANNA, "conda:tool", reason="gone bad")
    assert Door(house.snapshots.current(), "everyone").projects("pypi", house.clock()) == ()


def why(web, name, **params):
    answer = web.call("GET", f"/api/why/{name}", "rita", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_why_tells_of_a_package_and_of_the_wheel_of_its_name_by_themselves(house, web):
    request = mixed(house)
    house.approve(request)
    house.desk.revoke(ANNA, "tool", reason="gone bad")
    found = why(web, "conda:tool", release="1.2", channel="forge")
    assert (found["available"], found["kind"], found["channel"]) == (True, "conda", "forge")
    assert [row["filename"] for row in found["files"]] == [TOOL.filename]
    assert (
        "  runs on: tool==1.2, build py311_0 on linux-64, Python >=3.11,<3.12.0a0, from source forge" in found["lines"]
    )
    assert "sekisho request --conda tool==1.2 --channel forge --python VERSION" in found["lines"][-1]
    assert why(web, "tool")["rule"] == "revoked"
    assert not why(web, "conda:tool", channel="lab")["available"]
    assert not why(web, "conda:tool", python="3.12")["available"]


def test_why_names_the_nearest_version_by_the_order_of_channels(house, web):
    house.approve(mixed(house))
    found = why(web, "conda:tool", release="1.10rc1", channel="https://channels.invalid/forge")
    assert (found["available"], found["rule"], found["alternative"]) == (False, "not-approved", "conda:tool==1.2")
    assert any("conda install 'tool==1.2'" in line for line in found["lines"])
    assert found["ask"]["command"] == "sekisho request --conda tool==1.10rc1 --channel forge --python 3.11.2"
    assert found["requests"] == []


def test_why_knows_who_took_a_package_back_and_in_which_commit(house, web):
    house.approve(mixed(house))
    house.desk.revoke(ANNA, "conda:tool", reason="gone bad")
    found = why(web, "conda:tool", release="1.2")
    assert found["rule"] == "revoked"
    assert "anna revoked it on 2026-11-01: gone bad" in found["evidence"]
    assert found["commit"]["author"]


def test_why_says_what_a_package_waits_for(house, web):
    house.approve(mixed(house))
    house.desk.revoke(ANNA, "conda:libtool", reason="gone bad")
    found = why(web, "conda:tool", release="1.2")
    assert "it needs conda:libtool, and nothing of that which fits may be had" in found["evidence"]


def test_why_tells_of_an_entry_in_a_channels_file_that_admits_nothing(house, web):
    house.approve(mixed(house))
    for file in ("conda/forge/tool.yaml", "conda/forge/libtool.yaml"):
        text = house.repository.show(file)
        house.repository.commit({file: text.replace("reason: fine", "reason: fine by me")})
    house.snapshots.refresh()
    found = why(web, "conda:tool", release="1.2")
    (line,) = [line for line in found["lines"] if "admits nothing" in line]
    assert line.startswith("  an entry of the allowlists admits nothing: conda/forge/tool.yaml, line ")
    assert not any("admits nothing" in line for line in why(web, "conda:tool", channel="lab")["lines"])
    assert not any("admits nothing" in line for line in why(web, "tool")["lines"])


def test_why_refuses_a_channel_that_no_source_is(web):
    answer = web.call("GET", "/api/why/conda:tool", "rita", params={"channel": "elsewhere"})
    assert answer.status_code == 400
    assert "no source declares the channel 'elsewhere'" in answer.json()["title"]
    assert web.call("GET", "/api/why/conda:..", "rita").status_code == 400


def test_the_pages_take_specs_and_show_what_a_channel_gives(house, web):
    rita, anna = web.visit("rita"), web.visit("anna")
    form = rita.get("/requests/new?project=conda:tool==1.2").text
    assert "Packages of channels" in form
    assert ">tool==1.2</textarea>" in form
    done = rita.post(
        "/requests/new", requirements="tool", conda="tool=1.2  # why\n\n", channels="forge", python="3.11.2", glibc="2.36",
        workspace="everyone",
    )  # fmt: skip
    request = done.headers["location"].rpartition("/")[2]
    asked = house.desk.standing(request).request
    assert (asked.requirements, asked.conda, asked.channels) == (("tool",), ("tool=1.2",), ("forge",))
    house.report(request, "resolved", closure=house.closure(request, WHEEL, TOOL, PYTHON, LIB).plain())
    house.inspect(request, *(facts(one, **GPL) for one in (WHEEL, TOOL, PYTHON, LIB)))
    page = anna.get(f"/requests/{request}").text
    assert "build py311_0, channel forge, linux-64" in page
    assert "tool=1.2 <small>(from forge)</small>" in page
    assert "4 packages (3 of channels), 4.0 kB" in page
    assert "<small>of channels:</small> tool=1.2" in anna.get("/").text
    assert '<option value="conda:tool">conda:tool 1.2</option>' in page


def test_a_form_without_a_channel_to_ask_shows_no_field_for_one(house, web):
    house.repository.commit({"sources.yaml": "sources: [{id: pypi, preset: pypi}]\n"})
    house.snapshots.refresh()
    assert "Packages of channels" not in web.visit("rita").get("/requests/new").text


def test_which_channels_there_are_can_be_asked(web):
    found = web.call("GET", "/api/sources", "rita").json()
    assert [(row["id"], row["kind"]) for row in found] == [("pypi", "pypi"), ("forge", "conda"), ("lab", "conda")]
    assert found[2]["owns"] == ["lab-*"]


def test_the_fewest_approvals_are_of_a_moment_and_looked_for_again_when_it_is_judged_again(house):
    """Also where nothing that is found stands against one release more than another, as a licence."""
    odd = package("numpy", "2.1.0")
    request = house.propose(odd, known=GPL, requirements=[], conda=["numpy"])
    assert house.state(request) == "waiting"
    status = house.desk.standing(request).plain("")
    assert status["searching"] is True
    closure = house.desk.standing(request).closure().digest()
    house.report(request, "suggested", closure=closure, alternative=None, fewest=True)
    status = house.desk.standing(request).plain("")
    assert (status["searching"], status["ways"][1]) == (
        False,
        f"no other answer to it needs approvals of fewer conda packages, as of {house.clock():%Y-%m-%d %H:%M} UTC",
    )
    house.desk.look_again()
    assert "search-again" not in house.kinds(request), "nothing changed"
    rule = "  - {id: no-gpl, check: license, allow: [0BSD], then: review}\n"
    house.repository.commit({"policy.yaml": POLICY + rule})
    house.desk.look_again()
    assert house.kinds(request)[-2:] == ["judged", "search-again"]
    status = house.desk.standing(request).plain("")
    assert status["searching"] is True
    assert not [line for line in status["ways"] if "fewer" in line]
