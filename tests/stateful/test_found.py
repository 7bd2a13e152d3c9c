"""What chance has found once is tried in every run."""

import logging

import pytest

from tests.stateful import machine
from tests.stateful.open_doors import OpenDoors
from tests.stateful.pool import INSIDE, OUTSIDE
from tests.stateful.relaxed_doors import RelaxedDoors

BOTH = ("everyone", "team-a")


@pytest.fixture
def doors(monkeypatch, caplog, request):
    monkeypatch.setattr(machine, "note", lambda _: None)
    caplog.set_level(logging.CRITICAL, "sekisho")
    doors = getattr(request, "param", OpenDoors)()
    yield doors
    doors.teardown()


def without_policy_news(doors):
    doors.portal_goes()
    doors.restart()


def test_a_path_of_two_sources_may_lead_to_the_one_that_is_away(doors):
    doors.begin(scopes={"shared": BOTH, "twin": BOTH})
    doors.approve(hours=None, keys=["alpha-1.0"], scope=BOTH)
    doors.revoke(number=0)
    doors.approve_again()
    doors.spoil(fault="down", source=INSIDE)
    doors.give_names(owners="nobody")
    without_policy_news(doors)
    doors.give_names(owners="more-inside")


def test_a_file_that_comes_from_a_source_that_was_away_is_listed_at_once(doors):
    doors.begin(scopes={"shared": ("everyone",), "twin": ("everyone",)})
    doors.spoil(fault="down", source=OUTSIDE)
    without_policy_news(doors)
    doors.heal(source=OUTSIDE)
    doors.deny(entries=[])


def test_a_list_has_one_address(doors):
    doors.begin(scopes={"twin": ("everyone",)})
    doors.ask(age=None, door="everyone", headers=(), method="GET", route=("projects", ""), spelled=("trailing-slash",))


@pytest.mark.parametrize("mode", ["off", "audit"])
@pytest.mark.parametrize("doors", [RelaxedDoors], indirect=True)
def test_what_is_revoked_on_its_way_is_had_where_nothing_has_to_be_approved(doors, mode):
    doors.begin(scopes={})
    doors.set_mode(mode=mode, workspace="everyone")
    doors.approve(hours=None, keys=["alpha-1.0", "alpha-1.1"], scope=("everyone",))
    doors.race(number=0, revoked=True, suffix="")
