from concurrent.futures import ThreadPoolExecutor

import pytest

from sekisho.database import open_database
from sekisho.errors import CorruptError
from sekisho.ledger import Ledger
from sekisho.merkle import parse_checkpoint, root_hash
from tests.fakes import FakeClock
from tests.processes import run_at_once
from tests.records import NOW, SIGNER

APPEND = """
import sys
from sekisho.database import open_database
from sekisho.ledger import Ledger
# at once
ledger = Ledger(open_database(sys.argv[1]))
for number in range(25):
    ledger.append("requested", f"r{number}", actor=sys.argv[2], body={"number": number})
"""


@pytest.fixture
def engine(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path}/data/ledger.sqlite")
    yield engine
    engine.dispose()


@pytest.fixture
def ledger(engine):
    ledger = Ledger(engine, clock=FakeClock())
    for number, kind in enumerate(("requested", "resolved", "inspected", "judged", "approved"), 1):
        ledger.append(kind, f"r{number % 2}", actor="rita", body={"number": number, "text": "関所"})
    return ledger


def test_rows_are_read_back_as_they_were_appended(ledger):
    row = ledger.append("denied", "r9", actor="anna", body={"reason": "no", "nested": [1, {"a": None}]})
    assert ledger.entries(after=5) == [row]
    assert (row.seq, row.at, row.actor) == (6, NOW, "anna")


def test_rows_outlive_the_process(ledger, engine):
    assert Ledger(engine).entries() == ledger.entries()
    assert Ledger(engine).size() == 5


def test_rows_are_chosen_by_subject_kind_and_place(ledger):
    def numbers(**which):
        return [row.seq for row in ledger.entries(**which)]

    assert numbers(subject="r1") == [1, 3, 5]
    assert numbers(kinds=("resolved", "judged")) == [2, 4]
    assert numbers(without=("resolved", "judged")) == [1, 3, 5]
    assert numbers(after=3, subject="r1") == [5]
    assert numbers(subject="unknown") == []


def test_an_untouched_ledger_holds(ledger):
    size, root = ledger.verify()
    assert (size, root) == (5, root_hash(row.leaf() for row in ledger.entries()))


def test_an_empty_ledger_holds(engine):
    assert Ledger(engine).verify() == (0, root_hash([]))


def _execute(engine, sql):
    with engine.begin() as connection:
        connection.exec_driver_sql(sql)


@pytest.mark.parametrize(
    "change",
    [
        "kind = 'denied'",
        "subject = 'r7'",
        "actor = 'mallory'",
        "at = '2020-01-01T00:00:00+00:00'",
        "at = 'yesterday'",
        """body = replace(body, '"number":3', '"number":4')""",
        "body = substr(body, 2)",
        "body = '[]'",
        "leaf = zeroblob(32)",
    ],
)
def test_a_row_that_was_altered_is_named(ledger, engine, change):
    _execute(engine, f"update ledger set {change} where seq = 3")
    with pytest.raises(CorruptError, match="row 3 was altered"):
        ledger.verify()


def test_a_row_that_was_dropped_is_named(ledger, engine):
    _execute(engine, "delete from ledger where seq = 2")
    with pytest.raises(CorruptError, match="row 2 is missing"):
        ledger.verify()


def test_rows_that_changed_places_are_noticed(ledger, engine):
    for old, new in ((2, 99), (3, 2), (99, 3)):
        _execute(engine, f"update ledger set seq = {new} where seq = {old}")
    with pytest.raises(CorruptError, match="row 2 was altered"):
        ledger.verify()


def test_a_ledger_cut_off_at_its_end_no_longer_has_the_root_of_its_checkpoint(ledger, engine):
    _, size, root = parse_checkpoint(ledger.checkpoint("sekisho", SIGNER))
    assert (size, root) == ledger.verify()
    _execute(engine, "delete from ledger where seq = 5")
    assert ledger.verify() != (size, root)


def test_threads_that_append_at_once_leave_no_gap(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path}/ledger.sqlite")
    ledger = Ledger(engine)
    with ThreadPoolExecutor(6) as pool:
        rows = list(pool.map(lambda number: ledger.append("requested", f"r{number}", actor="rita"), range(60)))
    assert sorted(row.seq for row in rows) == list(range(1, 61))
    assert ledger.verify()[0] == 60
    engine.dispose()


def test_processes_that_append_at_once_leave_no_gap(tmp_path):
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    run_at_once(APPEND, [(url, f"process-{number}") for number in range(3)])
    engine = open_database(url)
    assert Ledger(engine).verify()[0] == 75
    assert {row.actor for row in Ledger(engine).entries()} == {"process-0", "process-1", "process-2"}
    engine.dispose()


def test_a_row_that_cannot_be_written_leaves_no_trace(ledger):
    with pytest.raises(TypeError):
        ledger.append("requested", "r1", actor="rita", body={"set": {1}})
    assert ledger.size() == 5
    assert ledger.append("requested", "r1", actor="rita").seq == 6
