"""The process that solves: it may die, hang or be killed, and leaves nothing behind when the builder does."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from sekisho.errors import ConflictError, UnresolvableError, UpstreamError
from sekisho_builder.conda import SolverProcess
from sekisho_builder.conda.process import LostError
from sekisho_builder.solver import Wish
from tests.channels import Channel
from tests.unit.builder.conda.mount import TOKEN, desk, package

MAIN = Channel((package("a", "1.0"), package("a", "2.0")))
NEWEST = "noarch/a-2.0-0.conda"


def gone(pid):
    """Wait until a process is no more; fail after a while."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def own():
    found = SolverProcess(timeout=60)
    yield found
    found.end()


def program(text):
    """A process of a test's own in place of the one that solves."""
    return (sys.executable, "-c", textwrap.dedent(text))


def test_one_that_died_is_started_again_and_reads_again_what_it_lost(own):
    with desk(own, main=MAIN) as at, at.solver("a") as solver:
        assert solver.choose(Wish(("a",)))[0].path == NEWEST
        first = own.pid
        os.kill(first, signal.SIGKILL)
        assert gone(first)
        assert solver.choose(Wish(("a",)))[0].path == NEWEST
        assert own.pid != first


def test_one_that_dies_each_time_is_an_error_and_not_a_circle():
    own = SolverProcess(program("import os; os.read(0, 4); os.abort()"))
    with desk(own, main=MAIN) as at, pytest.raises(LostError, match="the solver of conda packages stopped"):
        at.chosen("a")
    own.end()


def test_an_exit_status_says_nothing():
    answer = "import os, struct; os.read(0, 4); body = b'{\"fine\": 1}'; os.write(1, struct.pack('>I', 11) + body)"
    own = SolverProcess(program(f"{answer}; os.abort()"))
    assert own.ask({"op": "anything"}) == {"fine": 1}
    own.end()


@pytest.mark.parametrize("body", ["b'\\xff\\xff\\xff\\xff'", "struct.pack('>I', 3) + b'[1]'", "struct.pack('>I', 9)"])
def test_what_is_no_answer_is_an_error(body):
    own = SolverProcess(program(f"import os, struct; os.read(0, 4); os.write(1, {body})"), timeout=30)
    with pytest.raises(LostError):
        own.ask({"op": "anything"})
    assert own.pid is None
    own.end()


def test_one_that_takes_too_long_is_ended():
    own = SolverProcess(program("import time; time.sleep(600)"), timeout=0.2)
    with pytest.raises(UpstreamError, match=r"solving took more than 0\.2 seconds"):
        own.ask({"op": "anything"})
    assert own.pid is None
    own.end()


def test_whoever_waits_hears_that_the_builder_is_being_stopped():
    own, heard = SolverProcess(program("import time; time.sleep(600)"), timeout=60), []

    def ask():
        try:
            own.ask({"op": "anything"})
        except ConflictError as error:
            heard.append(error.what)

    waiting = threading.Thread(target=ask)
    waiting.start()
    while own.pid is None:
        time.sleep(0.01)
    pid = own.pid
    own.end()
    waiting.join(20)
    assert heard == ["the builder is being stopped"]
    assert gone(pid)
    with pytest.raises(ConflictError):
        own.ask({"op": "anything"})


def test_neither_arguments_nor_environment_hold_the_token(own):
    with desk(own, main=MAIN) as at, at.solver("a") as solver:
        solver.choose(Wish(("a",)))
        told = b"".join(Path(f"/proc/{own.pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
        assert b"sekisho_builder.conda.worker" in told
        assert TOKEN.encode() not in told
        assert not [name for name in os.environ if name.startswith("CONDA") and name.encode() in told]


def test_a_builder_that_is_killed_leaves_none(tmp_path):
    script = tmp_path / "builder.py"
    script.write_text(
        textwrap.dedent(
            """
            import time
            from sekisho_builder.conda import SolverProcess
            own = SolverProcess()
            own.ask({"op": "close", "id": "x"})
            print(own.pid, flush=True)
            time.sleep(600)
            """
        )
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as builder:
        assert builder.stdout is not None
        pid = int(builder.stdout.readline())
        room = Path(f"/proc/{pid}/cwd").readlink()
        assert room.is_dir()
        builder.kill()
        builder.wait()
        assert gone(pid)
        assert not room.exists()


def test_one_that_holds_too_much_is_replaced_between_requests(own, monkeypatch):
    monkeypatch.setattr("sekisho_builder.conda.process._MOST_MEMORY", 1)
    with desk(own, main=MAIN) as at:
        with at.solver("a") as solver:
            solver.choose(Wish(("a",)))
            assert own.pid is not None
        assert own.pid is None
        assert at.chosen("a") == {"a": NEWEST}


def test_what_could_not_be_solved_is_let_go_of_too(own):
    with desk(own, main=MAIN) as at:
        for spec in ("a >=7", "a"):
            with contextlib.suppress(UnresolvableError):
                at.chosen(spec)
        assert own.ask({"op": "close", "id": "none"})["open"] == 0


def test_its_memory_is_bounded_and_it_leaves_no_core(own):
    own.ask({"op": "close", "id": "none"})
    limits = dict(line.rsplit(maxsplit=3)[:2] for line in Path(f"/proc/{own.pid}/limits").read_text().splitlines()[1:])
    bounded = {name.strip(): value for name, value in limits.items()}
    assert bounded["Max data size"] == str(4 << 30)
    assert bounded["Max core file size"] == "0"


def test_a_solve_that_takes_too_long_is_said_to(own):
    with desk(own, main=MAIN) as at, at.solver("a") as solver:
        solver.choose(Wish(("a",)))
        message = {"op": "solve", "id": solver._id, "specs": ["a"], "seconds": 0.000001}
        with pytest.raises(UpstreamError, match="solving took more than"):
            own.ask(message)
