"""Programs end with whoever runs them, after their own cleanup, however it ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sekisho.errors import ConflictError
from sekisho_builder.base import debian
from sekisho_builder.base.debian import build_root
from sekisho_builder.base.recipe import Versions, read_recipe
from sekisho_builder.programs import Programs

IMAGES = Path(__file__).parents[3] / "images"
TIDY = "trap 'sleep 0.3; echo tidy > {0}/tidy; exit 1' TERM; echo $$ > {0}/pid; while :; do sleep 0.05; done"


def _until(ready, seconds=20):
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.02)


def _ended(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _tidy(folder):
    return ["sh", "-c", TIDY.format(folder)]


def test_time_that_is_up_ends_a_program_after_its_own_cleanup(tmp_path):
    with pytest.raises(subprocess.TimeoutExpired):
        Programs().run(_tidy(tmp_path), environment={"PATH": os.environ["PATH"]}, timeout=0.5)
    assert (tmp_path / "tidy").exists()


def test_mmdebstrap_cleans_up_before_an_interrupt_goes_on(tmp_path):
    """Ctrl-C in the command itself: the interrupt arrives while it waits."""
    code = (
        "import signal, sys; from sekisho_builder.programs import Programs\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # who is started in the background ignores it
        f"Programs().run({_tidy(tmp_path)!r}, environment={{'PATH': {os.environ['PATH']!r}}}, timeout=60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as process:
        _until((tmp_path / "pid").exists)
        process.send_signal(signal.SIGINT)
        process.wait(20)
        assert (tmp_path / "tidy").exists()


def test_a_program_does_not_outlive_a_killed_builder(tmp_path):
    code = (
        "from sekisho_builder.programs import Programs\n"
        f"Programs().run({_tidy(tmp_path)!r}, environment={{'PATH': {os.environ['PATH']!r}}}, timeout=60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        _until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
        process.kill()
    pid = int((tmp_path / "pid").read_text())
    _until(lambda: _ended(pid))
    assert (tmp_path / "tidy").exists()


def test_every_program_ends_when_the_builder_is_stopped_and_none_is_started(tmp_path):
    programs = Programs()
    ended = []

    def run():
        ended.append(programs.run(_tidy(tmp_path), environment={"PATH": os.environ["PATH"]}, timeout=60).status)

    thread = threading.Thread(target=run)
    thread.start()
    _until((tmp_path / "pid").exists)
    programs.end()
    thread.join(10)
    assert ended == [1]
    with pytest.raises(ConflictError, match="being stopped"):
        programs.run(["true"], environment={}, timeout=1)


@pytest.mark.skipif(os.geteuid() != 0, reason="a base is built by root")
def test_a_base_is_built_by_what_runs_programs(tmp_path):
    def refuse(command, **more):
        assert command[0] == "mmdebstrap"
        assert more["mixed"]
        raise subprocess.TimeoutExpired(command, 1)

    recipe = read_recipe(IMAGES / "debian-12-python")
    with pytest.raises(subprocess.TimeoutExpired):
        build_root(recipe, Versions({}), None, tmp_path / "x", find=lambda _: "mmdebstrap", run=refuse)
    assert debian.__doc__
