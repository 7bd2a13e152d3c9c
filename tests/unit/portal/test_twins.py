"""The same bytes in two channels: each is judged as what it is, and what denies one of them denies both, and says so."""

import pytest

from sekisho.policy import Door
from tests.records import facts, package
from tests.unit.portal.house import ANNA, RITA

SOURCES = """
sources:
  - {id: pypi, preset: pypi}
  - {id: forge, kind: conda, url: "https://channels.invalid/forge"}
  - {id: bio, kind: conda, url: "https://channels.invalid/bio"}
"""
RULES = """
version: 1
rules:
  - {id: link-scripts, check: link_script}
"""
MAY = '  - {id: brings, check: channel, then: deny, may: {CHANNEL: ["*"]}}\n'
FILES = {name: package("tool", "1.0", source=name) for name in ("forge", "bio")}


@pytest.fixture
def house(house):
    house.repository.commit({"policy.yaml": RULES, "sources.yaml": SOURCES})
    house.snapshots.refresh()
    return house


def approve(house, *names):
    """Have the file approved from each channel; return the requests."""
    requests = {}
    for name in names:
        request = house.ask(RITA, (), conda=["tool"], channels=[name])
        house.resolve(request, FILES[name])
        house.inspect(request, facts(FILES[name]))
        assert house.state(request) == "approved"
        requests[name] = request
    return requests


def rule(house, text):
    house.repository.commit({"policy.yaml": RULES + text})
    house.desk.look_again()


def why(house, channel):
    return Door(house.snapshots.current(), "everyone").why_not("conda", "tool", house.clock(), source=channel)


@pytest.mark.parametrize("order", [("forge", "bio"), ("bio", "forge")])
@pytest.mark.parametrize("good", ["forge", "bio"])
def test_what_denies_one_of_them_denies_both_and_names_it(house, order, good):
    approve(house, *order)
    assert house.admitted() == {FILES["bio"].sha256}
    rule(house, MAY.replace("CHANNEL", good))
    assert house.admitted() == frozenset()
    bad = ({"forge", "bio"} - {good}).pop()
    for channel in ("forge", "bio"):
        assert why(house, channel) == (
            "brings",
            f"channel {bad} may bring nothing (said of {bad}/tool; it denies the same bytes as {good}/tool, too)",
        )
    assert [told["purl"] for told in house.desk.affected()] == [FILES[bad].purl]
    rule(house, "")
    assert house.admitted() == {FILES["bio"].sha256}
    assert house.desk.affected() == []


def test_of_bytes_that_are_in_one_channel_alone_nothing_more_is_said(house):
    approve(house, "bio")
    rule(house, MAY.replace("CHANNEL", "forge"))
    assert why(house, "bio") == ("brings", "channel bio may bring nothing")


def test_an_entry_that_names_one_channel_denies_the_bytes_of_both_until_that_one_is_revoked(house):
    requests = approve(house, "forge", "bio")
    rule(house, '  - {id: bans, check: denied, kind: conda, projects: ["bio::tool"]}\n')
    assert house.admitted() == frozenset()
    assert why(house, "bio") == ("bans", "the policy denies bio::tool")
    assert why(house, "forge")[1].endswith("(said of bio/tool; it denies the same bytes as forge/tool, too)")
    house.desk.revoke(ANNA, house.desk.approval(requests["bio"]), reason="not from there")
    assert house.admitted() == {FILES["forge"].sha256}
