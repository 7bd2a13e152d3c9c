import threading

import pytest

from sekisho.errors import UpstreamError
from sekisho_builder import worker
from sekisho_builder.worker import what_next, work


def _row(seq, kind, subject="r1", **body):
    return {"seq": seq, "kind": kind, "subject": subject, "body": body}


class FakeEvents:
    """The portal's events; then it stops the worker."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.stop = threading.Event()

    def events(self, *, after, wait):
        self.asked.append(after)
        answer = self.answers.pop(0) if self.answers else []
        if not self.answers:
            self.stop.set()
        if isinstance(answer, Exception):
            raise answer
        return [row for row in answer if row["seq"] > after]


def _work(*answers):
    portal = FakeEvents(*answers)
    begun = []
    work(portal, lambda *what: begun.append(what), portal.stop)
    return begun, portal.asked


ROWS = [
    _row(1, "requested"),
    _row(7, "approved", image="sklearn"),
    _row(9, "retried", stage="deliver"),
    _row(11, "requested", "r2"),
    _row(12, "retried", "r2", stage="propose"),
    _row(14, "search-again", "r2"),
    _row(15, "approved", "r3", image="sklearn", build=True),
    _row(16, "retried", "r3", stage="build"),
]


def test_every_row_begins_its_workflow_under_an_id_of_its_own():
    begun, _ = _work(ROWS)
    assert begun == [
        ("propose", "propose-r1-1", "r1"),
        ("deliver", "deliver-r1-7", "r1"),
        ("deliver", "deliver-r1-9", "r1"),
        ("propose", "propose-r2-11", "r2"),
        ("propose", "propose-r2-12", "r2"),
        ("search", "search-r2-14", "r2"),
        ("build", "build-r3-15", "r3"),
        ("build", "build-r3-16", "r3"),
    ]


def test_packages_without_an_image_end_with_their_approval():
    assert what_next(_row(7, "approved", image=None)) is None
    assert what_next(_row(7, "approved")) is None


def test_the_worker_asks_from_the_beginning_and_then_only_for_what_is_newer():
    begun, asked = _work(ROWS[:2], ROWS, [])
    assert asked == [0, 7, 16]
    assert len(begun) == len(ROWS)


def test_after_a_restart_the_same_rows_have_the_same_ids():
    assert _work(ROWS)[0] == _work(ROWS)[0]


def test_a_portal_that_is_down_for_a_while_loses_nothing():
    assert worker._PAUSE <= 1
    begun, asked = _work(ROWS[:1], UpstreamError("down"), ROWS)
    assert len(begun) == len(ROWS)
    assert asked == [0, 1, 1]


def test_a_worker_that_was_stopped_asks_nothing():
    portal = FakeEvents(ROWS)
    portal.stop.set()
    work(portal, lambda *what: pytest.fail(f"began {what}"), portal.stop)
    assert portal.asked == []
