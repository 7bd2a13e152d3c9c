"""Goals, ratios, JSON and the table of the benchmark."""

import io
import json

import pytest
from rich.console import Console

from bench.rows import TIMES, Row, dump, figure, share, table

RATE = Row("rate", 90.0, "requests/s", 70.0, "higher", {"nginx": 100.0, "devpi": 2.0})
MISSED = Row("memory", 151.0, "MiB", 150.0, "lower", {"devpi": 604.0})
LOST = Row("direct", None, "s", 0.4, "lower", note="no network")


@pytest.mark.parametrize(
    ("value", "goal", "better", "met"),
    [
        (70.0, 70.0, "higher", True),
        (69.9, 70.0, "higher", False),
        (1.0, 1.0, "lower", True),
        (1.1, 1.0, "lower", False),
        (0.0, 0.0, "lower", True),
        (5.0, None, "lower", True),
        (None, None, "lower", False),
        (None, 1.0, "higher", False),
    ],
)
def test_a_goal_is_a_bound_and_what_was_not_measured_meets_none(value, goal, better, met):
    assert Row("x", value, "s", goal, better).met is met


def test_a_ratio_says_how_many_times_better_we_are_whichever_way_is_better():
    assert RATE.ratio("nginx") == pytest.approx(0.9)
    assert RATE.ratio("devpi") == pytest.approx(45)
    assert MISSED.ratio("devpi") == pytest.approx(4)
    assert Row("x", None, "s", 1, "lower", {"nginx": 1.0}).ratio("nginx") is None
    assert Row("x", 0.0, "s", 1, "lower", {"nginx": 1.0}).ratio("nginx") is None
    assert Row("x", 1.0, "s", 1, "higher", {"nginx": 0.0}).ratio("nginx") is None


def test_a_share_is_ours_by_theirs():
    row = share("rate of nginx", 80.0, 100.0, 0.7, "higher")
    assert (row.value, row.unit, row.met) == (pytest.approx(0.8), TIMES, True)
    assert share("rate of nginx", 80.0, 0.0, 0.7, "higher").value is None


def test_the_report_has_every_key_of_every_row():
    first, second, third = json.loads(dump([RATE, MISSED, LOST]))
    assert first == {
        "name": "rate",
        "value": 90.0,
        "unit": "requests/s",
        "goal": 70.0,
        "better": "higher",
        "met": True,
        "peers": {"nginx": 100.0, "devpi": 2.0},
        "note": "",
    }
    assert (second["met"], third["met"], third["value"], third["note"]) == (False, False, None, "no network")


def test_the_table_shows_figure_goal_verdict_peers_and_why_something_is_missing():
    console = Console(file=io.StringIO(), width=150)
    console.print(table([RATE, MISSED, LOST], "title"))
    lines = console.file.getvalue().splitlines()
    rate = next(line for line in lines if "rate" in line)
    assert all(word in rate for word in ("90 requests/s", "≥ 70 requests/s", "met", "nginx 100 (0.9", "devpi 2 (45"))
    assert "missed" in next(line for line in lines if "memory" in line)
    assert all(word in next(line for line in lines if "direct" in line) for word in ("not measured", "no network"))


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (4104.4, "4,104"), (12.345, "12.3"), (0.1955, "0.196"), (100, "100")]
)
def test_a_figure_has_three_digits_that_count(value, text):
    assert figure(value) == text
