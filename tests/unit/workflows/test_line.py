"""The two workflows on the real engine: killed with SIGKILL in the middle of a step, they go on at that step."""

import contextlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(180)
ROOT = Path(__file__).resolve().parents[3]
PROPOSE = ["resolve", "inspect", "suggest"]
DELIVER = ["lock", "assemble", "gate", "push", "clear"]


class Worker:
    def __init__(self, process, folder):
        self.process, self._folder = process, folder

    def heard(self, line):
        """Wait until the process says ``line``."""
        for said in self.process.stdout:
            if said == f"{line}\n":
                return
        raise AssertionError(f"it ended without saying {line!r}")

    def kill(self):
        self.process.kill()
        assert self.process.wait(60) == -signal.SIGKILL

    def stop(self):
        """End the process in order."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.wait(60) == 0


class House:
    def __init__(self, folder):
        self.folder = folder

    @contextlib.contextmanager
    def worker(self, workflow="propose", workflow_id="propose-r1-1"):
        command = [sys.executable, "-m", "tests.unit.workflows.line", str(self.folder), workflow, workflow_id]
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            try:
                yield Worker(process, self.folder)
            finally:
                process.kill()

    @property
    def evidence(self):
        path = self.folder / "evidence"
        return path.read_text().splitlines() if path.exists() else []

    def tell(self, what, text=""):
        (self.folder / what).write_text(text)

    def untell(self, what):
        (self.folder / what).unlink()


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def _all(*stages):
    return [f"{word} {stage} r1" for stage in stages for word in ("begin", "end")]


@pytest.mark.parametrize(("workflow", "stages"), [("propose", PROPOSE), ("search", ["suggest"]), ("deliver", DELIVER)])
def test_a_line_that_nobody_disturbs_runs_each_stage_once(house, workflow, stages):
    with house.worker(workflow) as worker:
        worker.heard("ended")
    assert house.evidence == _all(*stages)


@pytest.mark.parametrize(
    ("workflow", "stages", "cut"),
    [("propose", PROPOSE, "inspect"), ("deliver", DELIVER, "gate")],
)
def test_a_killed_line_goes_on_at_the_stage_that_was_cut_short(house, workflow, stages, cut):
    house.tell(f"hold-{cut}")
    with house.worker(workflow) as worker:
        worker.heard(f"holding {cut}")
        worker.kill()
    done = stages[: stages.index(cut)]
    assert house.evidence == [*_all(*done), f"begin {cut} r1"]
    house.untell(f"hold-{cut}")
    with house.worker(workflow) as worker:
        worker.heard("ended")
    assert house.evidence == [*_all(*done), f"begin {cut} r1", *_all(*stages[stages.index(cut) :])]


def test_a_line_that_has_ended_is_run_again_for_another_ledger_row_only(house):
    for _ in range(2):
        with house.worker() as worker:
            worker.heard("ended")
    assert house.evidence == _all(*PROPOSE)
    house.tell("hold-inspect")
    with house.worker(workflow_id="propose-r1-9") as worker:
        worker.heard("holding inspect")
    assert house.evidence == [*_all(*PROPOSE), *_all("resolve"), "begin inspect r1"]


@pytest.mark.parametrize(
    ("how", "said"),
    [("refused", "refused: it cannot be"), ("unexpected", "error: unexpected: ZeroDivisionError: surprise")],
)
def test_a_stage_that_fails_is_reported_and_ends_the_line(house, how, said):
    house.tell("fail-resolve", how)
    with house.worker() as worker:
        worker.heard("ended")
    assert house.evidence == ["begin resolve r1", f"report r1 failed resolve: {said}"]


def test_a_failure_that_was_reported_is_not_reported_again_after_a_restart(house):
    house.tell("fail-resolve")
    for _ in range(2):
        with house.worker() as worker:
            worker.heard("ended")
    assert house.evidence == ["begin resolve r1", "report r1 failed resolve: refused: it cannot be"]


def test_a_stage_waits_for_a_portal_that_is_silent(house):
    house.tell("silent-resolve")
    with house.worker() as worker:
        worker.heard("silent resolve")
        house.untell("silent-resolve")
        worker.heard("ended")
    assert [line for line in house.evidence if line.startswith("report")] == []


def test_a_failure_is_reported_once_the_portal_answers_again(house):
    house.tell("fail-resolve")
    house.tell("silent-report")
    with house.worker() as worker:
        worker.heard("silent report")
        house.untell("silent-report")
        worker.heard("ended")
    assert house.evidence == ["begin resolve r1", "report r1 failed resolve: refused: it cannot be"]


@pytest.mark.parametrize("silent", ["resolve", "report"])
def test_a_worker_that_is_stopped_while_the_portal_is_silent_goes_on_at_the_next_start(house, silent):
    house.tell(f"silent-{silent}")
    if silent == "report":
        house.tell("fail-resolve")
    with house.worker() as worker:
        worker.heard(f"silent {silent}")
        worker.stop()
    house.untell(f"silent-{silent}")
    with house.worker() as worker:
        worker.heard("ended")
    last = "end suggest r1" if silent == "resolve" else "report r1 failed resolve: refused: it cannot be"
    assert house.evidence[-1] == last
