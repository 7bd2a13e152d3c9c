"""Never: no unapproved byte leaves, no request goes where its source does not own, whatever happens in which order."""

import logging
import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.stateful.leaks import LEAKS, leaky
from tests.stateful.open_doors import OpenDoors
from tests.stateful.relaxed_doors import RelaxedDoors
from tests.stateful.replica import ReplicaDoors
from tests.stateful.wire import WireDoors

SOAK = os.environ.get("SEKISHO_SOAK") == "1"
ROUNDS = 10 if SOAK else 1
"""One round is 10,000 steps, always the same ones; a soak runs ten, by chance."""

MOST_RUNS = 4 if SOAK else 1
"""Chance makes a run shorter now and then, or leaves a kind of answer out: then a round is two of them, or more."""

MACHINES = [
    pytest.param(OpenDoors, 190, 60, 8_400, id="open"),
    pytest.param(RelaxedDoors, 16, 60, 700, id="relaxed"),
    pytest.param(ReplicaDoors, 30, 45, 1_200, id="replica"),
    pytest.param(WireDoors, 12, 45, 450, id="wire"),
]
MET = {
    OpenDoors: {
        "200 file", "206 file", "304 file", "416 file", "403 file", "200 page", "200 tombstones", "200 projects", "308 page",
        "404 page", "200 metadata", "404 metadata", "200 provenance", "404 provenance", "200 legacy", "403 legacy",
        "403 tombstone", "409 address", "404 elsewhere", "405 method", "200 candidates", "401 candidates", "403 candidates",
        "200 candidate metadata", "502 candidate metadata", "502 problem", "404 problem", "403 file raced",
        "206 file raced", "200 beside", "401 beside",
    },
    RelaxedDoors: {
        "200 relaxed file", "206 relaxed file", "403 relaxed file", "200 relaxed page", "200 relaxed beside",
        "200 relaxed legacy", "502 relaxed file", "200 file", "403 file", "200 page", "200 tombstones",
    },
    ReplicaDoors: {"200 file", "206 file", "403 file", "200 page", "200 tombstones", "503 problem", "200 metadata"},
    WireDoors: {"200 file", "206 file", "403 file", "200 page", "200 tombstones", "405 method"},
}  # fmt: skip
"""Kinds of answers that a round must have judged: one that never met them would show little."""


@pytest.fixture(autouse=True)
def _quiet():
    """A thousand policies come into force, and a thousand are refused: nobody reads that."""
    logger = logging.getLogger("sekisho")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    yield
    logger.setLevel(before)


def limits(examples, steps, **more):
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=not SOAK,
        database=None,
        print_blob=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
        **more,
    )


@pytest.mark.parametrize("number", range(1, ROUNDS + 1))
@pytest.mark.parametrize(("machine", "examples", "length", "steps"), MACHINES)
def test_nothing_unapproved_leaves_and_nobody_else_is_asked(machine, examples, length, steps, number):
    machine.steps = 0
    machine.seen.clear()
    for _ in range(MOST_RUNS):
        run_state_machine_as_test(machine, settings=limits(examples, length))
        if machine.steps >= steps and machine.seen.keys() >= MET[machine]:
            break
    assert machine.steps >= steps
    assert machine.seen.keys() >= MET[machine], MET[machine] - machine.seen.keys()


@pytest.mark.skipif(SOAK, reason="shown in every usual run")
@pytest.mark.parametrize("leak", LEAKS)
def test_the_judge_sees_a_leak(leak):
    """Each of these proxies does one thing wrong; a machine that finds nothing in them would find nothing anywhere."""
    with pytest.raises(AssertionError):
        run_state_machine_as_test(leaky(leak), settings=settings(limits(150, 40), phases=[Phase.generate]))
