"""What is approved is judged again: what is denied now is out of every door, what is affected is shown."""

import pytest

from sekisho.allowlist import dump_yaml, load_yaml
from sekisho.errors import BadInputError, RefusedError
from sekisho.keys import load_trust
from sekisho.policy import Door, open_snapshot
from sekisho.policy.knowledge import NO_ADVISORIES
from sekisho.policy.weaknesses import known_against
from tests.advisories import CRITICAL, MEDIUM, osv, packed
from tests.records import artifact
from tests.unit.portal.house import ADA, ANNA, BOTH, GPL, NUMPY, PASSED, RITA, SERVICE, SIX

RULES = """
version: 1
rules:
  - {id: malicious, check: malicious, then: deny}
  - {id: critical, check: advisory, severity: 9.0, then: deny, unless: vex}
  - {id: weakness, check: advisory, severity: 4.0, then: review, unless: vex}
  - {id: licence, check: license, then: review, allow: [MIT]}
"""
NEWS = {"events": [{"introduced": "2.0"}, {"fixed": "2.1.1"}], "modified": "2026-10-31T12:00:00Z"}
QUIET = [osv(f"GHSA-zzzz-zzzz-000{n}", "unused") for n in range(3)]
CVE = "CVE-2026-1000"


@pytest.fixture
def house(house):
    house.repository.commit({"policy.yaml": RULES})
    house.snapshots.refresh()
    take(house)
    return house


def take(house, *records):
    return house.desk.take_feed(ADA, "osv", packed(*QUIET, *records).getvalue(), "all.zip")


def approved(house, *files, **more):
    request = house.propose(*(files or (NUMPY, SIX)), **more)
    assert house.state(request) == "approved"
    return request


def rows(house):
    return house.ledger.entries(kinds=("rejudged",))


def test_what_is_denied_now_is_out_of_every_door_by_the_sealed_snapshot_alone(house):
    approved(house)
    take(house, osv("MAL-2026-1", **NEWS))
    assert house.admitted() == {SIX.sha256}
    sealed = open_snapshot(house.snapshots.sealed(), load_trust(house.settings.trust_file))
    door = Door(sealed, "everyone")
    assert door.admits(NUMPY.sha256, house.clock()) is None
    assert door.why_not("pypi", "numpy", house.clock())[0] == "malicious"
    assert sealed.denied[0].hard


def test_what_is_known_against_approved_releases_goes_out_with_the_snapshot(house):
    approved(house)
    assert house.snapshots.current().weaknesses == ()
    take(house, osv(CVE, vector=MEDIUM, summary="It leaks", **NEWS), osv("GHSA-aaaa-aaaa-0001", "pandas"))
    (weak,) = open_snapshot(house.snapshots.sealed(), load_trust(house.settings.trust_file)).weaknesses
    assert (weak.project, weak.release, weak.names, weak.fixed) == ("numpy", "2.1.0", (CVE,), ("2.1.1",))
    assert (weak.summary, weak.certain) == ("It leaks", True)


def test_without_advisories_nobody_looked():
    assert known_against([NUMPY], NO_ADVISORIES) is None


def test_a_newly_affected_approval_is_recorded_once_and_shown_with_everything_that_has_it(house):
    request = approved(house)
    take(house, osv(CVE, vector=MEDIUM, **NEWS))
    (row,) = rows(house)
    (told,) = row.body["affected"]
    assert (told["name"], told["workspace"], told["outcome"]) == ("numpy 2.1.0", "everyone", "review")
    assert (told["requests"], told["upgrade"], told["advisories"]) == ([request], "2.1.1", [CVE])
    assert house.admitted() == {NUMPY.sha256, SIX.sha256}, "an approval beats a review"
    assert house.desk.affected() == [told]
    house.desk.look_again()
    house.open()
    house.desk.look_again()
    assert len(rows(house)) == 1


def test_locks_and_images_that_hold_it_are_named(house):
    from sekisho.lock import lock_digest, make_lock

    request = approved(house, requirements=["numpy", "six"])
    approvals = [signed.approval for signed in house.snapshots.current().approvals]
    closure = house.desk.standing(request).closure()
    lock = make_lock("web", closure, approvals, workspace="everyone", now=house.clock())
    house.report(request, "locked", lock=lock.plain())
    image = {"registry": "reg.invalid", "repository": "web", "manifest": "ab" * 32}
    house.report(request, "gated", gates=PASSED)
    house.report(request, "delivered", image=image)
    take(house, osv(CVE, vector=CRITICAL, **NEWS))
    (told,) = house.desk.affected()
    assert told["locks"] == [lock_digest(lock)]
    assert told["images"] == [f"reg.invalid/web@sha256:{'ab' * 32}"]
    assert told["outcome"] == "deny"
    image["manifest"] = "cd" * 32
    house.report(request, "rebased", before="ab" * 32, assembly={}, gates=PASSED, image=image)
    assert house.desk.affected()[0]["images"] == [f"reg.invalid/web@sha256:{'cd' * 32}"]


def test_what_a_person_knew_when_approving_is_not_news(house):
    house.approve(house.propose(NUMPY, known=GPL))
    take(house, osv(CVE, "six", vector=MEDIUM))
    house.approve(house.propose(SIX))
    house.desk.look_again()
    assert house.desk.affected() == []
    take(house, osv(CVE, "six", vector=MEDIUM), osv("CVE-2026-2000", "six", vector=MEDIUM))
    assert [told["name"] for told in house.desk.affected()] == ["six 1.17.0"]


def test_a_change_of_the_policy_judges_again(house):
    approved(house, NUMPY)
    house.repository.commit({"policy.yaml": RULES + "  - {id: no-mit, check: license, allow: [0BSD], then: deny}\n"})
    house.desk.look_again()
    assert house.admitted() == frozenset()
    assert rows(house)[-1].body["affected"][0]["reasons"][0]["rule"] == "no-mit"
    house.repository.commit({"policy.yaml": RULES})
    house.desk.look_again()
    assert house.admitted() == {NUMPY.sha256}
    assert rows(house)[-1].body["cleared"] == [["everyone", NUMPY.sha256, "numpy"]]


def test_a_statement_is_the_way_out_signed_and_committed(house):
    approved(house, NUMPY)
    take(house, osv(CVE, vector=CRITICAL, **NEWS))
    assert house.admitted() == frozenset()
    words = {"advisory": CVE, "project": "numpy", "releases": ["2.1.0"], "scope": ["everyone"]}
    said = house.desk.state(ANNA, {**words, "justification": "vulnerable_code_not_present"})
    assert house.admitted() == {NUMPY.sha256}
    assert house.desk.affected() == []
    assert said["id"] in house.repository.show(f"vex/{CVE}.yaml")
    assert house.ledger.entries(kinds=("vex-stated",))[0].actor == "anna"
    house.open()
    assert house.admitted() == {NUMPY.sha256}


def test_a_statement_that_ends_or_is_forged_excuses_nothing(house):
    approved(house, NUMPY)
    take(house, osv(CVE, vector=CRITICAL, **NEWS))
    words = {"advisory": CVE, "project": "numpy", "releases": ["2.1.0"], "justification": "component_not_present"}
    end = house.clock.now.replace(hour=23).isoformat()
    house.desk.state(ANNA, {**words, "expires": end})
    assert house.admitted() == {NUMPY.sha256}
    house.clock.advance(hours=12)
    house.snapshots.refresh()
    assert house.admitted() == frozenset()
    path = f"vex/{CVE}.yaml"
    value = load_yaml(house.repository.show(path), where=path)
    value["statements"][0]["expires"] = "2099-01-01T00:00:00Z"
    house.repository.commit({path: dump_yaml(value)})
    house.desk.look_again()
    assert house.admitted() == frozenset()
    assert [entry.where for entry in house.snapshots.current().refused] == [f"{path}, statement 1"]


@pytest.mark.parametrize(
    "more",
    [{"releases": []}, {"advisory": "../x"}, {"justification": "because"}, {"id": "v9"}, {"impact": "a\x1b[2J"},
     {"expires": "2020-01-01T00:00:00Z"}, {"project": "Not Normal"}],
)  # fmt: skip
def test_what_is_no_statement_is_refused(house, more):
    words = {"advisory": CVE, "project": "numpy", "releases": ["2.1.0"], "justification": "component_not_present"}
    before = house.repository.head()
    with pytest.raises(BadInputError):
        house.desk.state(ANNA, words | more)
    assert house.repository.head() == before


@pytest.mark.parametrize("who", [RITA, ADA, SERVICE], ids=lambda who: who.name)
def test_only_an_approver_states_and_every_attempt_is_on_record(house, who):
    with pytest.raises(RefusedError, match="not an approver"):
        house.desk.state(who, {"advisory": CVE})
    assert house.ledger.entries()[-1].kind == "attempt-refused"


def test_a_denial_counts_where_it_was_not_excused(house):
    approved(house, NUMPY)
    approved(house, NUMPY, workspace="team-a", who=BOTH)
    take(house, osv(CVE, vector=CRITICAL, **NEWS))
    words = {"advisory": CVE, "project": "numpy", "releases": ["2.1.0"], "justification": "component_not_present"}
    house.desk.state(ANNA, {**words, "scope": ["team-a"]})
    assert house.admitted("team-a") == {NUMPY.sha256}
    assert house.admitted() == frozenset()
    assert [told["workspace"] for told in house.desk.affected()] == ["everyone"]


def test_who_breaks_the_tree_keeps_no_denial_from_counting(house):
    approved(house)
    house.repository.commit({"policy.yaml": "nonsense: ["})
    take(house, osv("MAL-2026-1", **NEWS))
    assert house.admitted() == {SIX.sha256}
    assert house.snapshots.problem["where"].startswith("policy.yaml")


def test_nobody_excuses_what_they_asked_for(house):
    """A requester who is an approver, too, has no way around the second pair of eyes."""
    words = {"advisory": CVE, "project": "numpy", "releases": ["2.1.0"], "justification": "component_not_present"}
    take(house, osv(CVE, vector=MEDIUM, **NEWS))
    request = house.propose(NUMPY, who=BOTH)
    assert house.state(request) == "waiting"
    house.desk.state(BOTH, words)
    assert house.state(request) == "waiting"
    assert house.state(house.propose(NUMPY, who=BOTH)) == "waiting", "nor with the statement first"
    assert house.admitted() == frozenset()
    house.desk.state(ANNA, words)
    assert house.state(request) == "approved"
    assert house.admitted() == {NUMPY.sha256}


def test_nobody_excuses_what_was_approved_for_them_alone(house):
    words = {"advisory": CVE, "project": "numpy", "releases": ["2.1.0"], "justification": "component_not_present"}
    approved(house, NUMPY, who=BOTH)
    take(house, osv(CVE, vector=CRITICAL, **NEWS))
    house.desk.state(BOTH, words)
    assert house.admitted() == frozenset()
    house.desk.state(ANNA, words)
    assert house.admitted() == {NUMPY.sha256}


def test_what_was_never_imported_says_nothing_against_what_is_approved(tmp_path):
    from tests.unit.portal.house import House

    house = House(tmp_path)
    house.approve(house.waiting(NUMPY))
    house.repository.commit({"policy.yaml": RULES})
    house.desk.look_again()
    assert house.admitted() == {NUMPY.sha256}
    assert house.desk.affected() == []
    house.ledger._engine.dispose()


def test_an_approval_from_elsewhere_is_judged_by_its_index_entry(house):
    from tests.records import signed

    foreign = artifact("torch", "2.0.0")
    entry = signed(foreign, signer=house.desk.means.signer, id="a900", request="r-elsewhere")
    row = {**entry.approval.plain(), "signature": entry.signature.plain()}
    house.repository.commit({"pypi/torch.yaml": dump_yaml({"project": "torch", "approvals": [row]})})
    house.desk.look_again()
    assert house.admitted() == {foreign.sha256}
    take(house, osv(CVE, "torch", vector=CRITICAL))
    assert house.admitted() == frozenset()
    assert [told["name"] for told in house.desk.affected()] == ["torch 2.0.0"]


@pytest.mark.parametrize("bad", ["numpy", "six"])
def test_bytes_that_are_approved_under_two_names_are_judged_under_both(house, bad):
    twin = artifact("six", "1.17.0", sha256=NUMPY.sha256)
    approved(house, NUMPY)
    approved(house, twin)
    take(house, osv("MAL-2026-1", bad))
    assert house.admitted() == frozenset()
