"""What every benchmark does alike: a row for what failed, a report, a status, and no more."""

import json
import signal

import pytest

from bench.harness import conduct, emptied, taken
from bench.place import MeasureError, Place
from bench.rows import Row

GOOD = Row("rate", 2.0, "pages/s", 1, "higher")


@pytest.fixture(autouse=True)
def _as_it_was():
    """A test leaves the process as it found it."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def fail(why):
    raise MeasureError(why)


def test_what_cannot_be_taken_is_a_row_that_says_why():
    assert taken("rate", lambda: [GOOD]) == [GOOD]
    (row,) = taken("rate", fail, "nothing answers")
    assert (row.name, row.value, row.note) == ("rate", None, "nothing answers")


def test_a_fault_of_the_benchmark_itself_is_not_taken_for_a_figure():
    with pytest.raises(ZeroDivisionError):
        taken("rate", lambda: [Row("rate", 1 / 0, "", None, "lower")])


@pytest.mark.parametrize(("rows", "status"), [([GOOD], 0), ([GOOD, *taken("size", fail, "no")], 1)])
def test_the_report_has_every_row_and_the_status_tells_whether_all_could_be_taken(tmp_path, capsys, rows, status):
    report = tmp_path / "build" / "some.json"
    assert conduct("Some", report, lambda say: say("measuring") or rows) == status
    assert [row["name"] for row in json.loads(report.read_text())] == [row.name for row in rows]
    assert "measuring" in capsys.readouterr().err


def test_a_run_that_fails_or_is_stopped_leaves_no_report(tmp_path, capsys):
    report = tmp_path / "some.json"
    assert conduct("Some", report, lambda _: fail("no server came up")) == 1
    assert "no server came up" in capsys.readouterr().err

    def stopped(_):
        raise KeyboardInterrupt

    assert conduct("Some", report, stopped) == 130
    assert not report.exists()


def test_the_work_folder_stays_after_a_failure_alone(tmp_path):
    place = Place(home=tmp_path)
    with pytest.raises(MeasureError), emptied(place):
        fail((place.work / "log").write_text("words"))
    assert (place.work / "log").exists()
    with emptied(place):
        assert list(place.work.iterdir()) == []
    assert not place.work.exists()
