"""Real services: what policy would allow is resolved, and what to have instead is said where it would not."""

import json

import pytest
import yaml

from tests.integration.line.outside import Outside, serving
from tests.integration.line.site import Site
from tests.wheels import make_wheel

WHEELS = [
    make_wheel("app", "1.0", requires=("lib",)),
    make_wheel("app", "2.0", requires=("lib>=2",)),
    *(make_wheel("lib", release) for release in ("1.0", "2.0", "3.0")),
    *(make_wheel(name, release) for name in ("young", "bad") for release in ("1.0", "2.0")),
]


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    with serving(Outside(WHEELS)) as served:
        site = Site(tmp_path_factory.mktemp("line"), served.url)
        path = site.allowlists / "policy.yaml"
        policy = yaml.safe_load(path.read_text())
        policy["rules"] += [
            {"id": "gone", "check": "denied", "projects": ["lib==3.0"]},
            *(
                {
                    "id": f"{then}-{name}",
                    "check": "release_age",
                    "days": 3000,
                    "then": then,
                    "when": f"project == '{name}' && release == '2.0'",
                }
                for name, then in (("young", "review"), ("bad", "deny"))
            ),
        ]
        path.write_text(yaml.safe_dump(policy, sort_keys=False))
        site.commit("Deny one release, and look at another")
        try:
            site.up()
            yield site
        finally:
            site.down()


def wanted(line, *names):
    done = line.ok("request", *names, "--python", "3.11.2", "--wait", "--json", who="ana")
    return json.loads(done.stdout)


def test_what_is_approved_is_chosen_again_though_there_is_something_newer(line):
    assert wanted(line, "app", "lib<3")["state"] == "approved"
    again = wanted(line, "app==2.0")
    assert (again["state"], again["difference"]) == ("approved", {"known": 2, "new": 0, "upgraded": 0})


def test_a_denied_release_is_no_candidate_and_the_refusal_names_another(line):
    said = line.refused("request", "lib==3.0", "--python", "3.11.2", "--wait", who="ana")
    assert "rule gone denies releases of lib" in said
    assert "ask for lib==2.0, which it allows" in said


def test_a_lock_that_pins_what_is_denied_is_told_which_pin_to_move(line, tmp_path):
    (tmp_path / "pins.txt").write_text("bad==2.0\n")
    (tmp_path / "all.in").write_text("-c pins.txt\nbad\n")
    said = line.refused("request", "-r", str(tmp_path / "all.in"), "--python", "3.11.2", "--wait", who="ana")
    assert "ask for the same with other pins" in said
    request = line.newest()
    assert request["alternative"]["changes"] == [{"project": "bad", "before": "2.0", "after": "1.0"}]
    assert "instead: ask for the same with other pins in what binds it" in request["ways"]


def test_what_policy_would_review_is_not_chosen_where_something_else_does(line):
    status = wanted(line, "young")
    assert (status["state"], status["counts"]) == ("approved", {"allow": 1, "review": 0, "deny": 0})


def test_a_request_that_needs_a_person_says_what_to_have_without_one(line):
    status = wanted(line, "young==2.0")
    assert (status["state"], status["needs"]) == ("waiting", {"review": ["young 2.0"], "deny": []})
    assert status["alternative"]["requirements"] == ["young==1.0"]
    said = line.ok("status", status["id"], who="ana").stdout
    assert "it passes once somebody approves: young 2.0" in said
    assert "instead: ask for 'young==1.0' in place of 'young==2.0'" in said


def test_a_request_that_is_refused_says_what_to_have_instead(line):
    said = line.refused("request", "bad==2.0", "young==2.0", "--python", "3.11.2", "--wait", who="ana")
    assert "the policy denies pkg:pypi/bad@2.0" in said
    assert "do now: ask for 'bad==1.0' in place of 'bad==2.0', 'young==1.0' in place of 'young==2.0'" in said
    request = line.newest()
    assert request["needs"] == {"review": ["young 2.0"], "deny": ["bad 2.0"]}
    assert request["alternative"]["requirements"] == ["bad==1.0", "young==1.0"]
    assert (request["alternative"]["review"], request["alternative"]["deny"]) == ([], [])
