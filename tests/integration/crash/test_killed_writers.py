"""Writers under ``kill -9``: at no moment is anything visible that is not whole."""

import subprocess
import sys
from pathlib import Path

from tests.integration.conftest import SOAK
from tests.integration.crash import writers

ROOT = Path(__file__).resolve().parents[3]


def test_killed_writers_leave_no_corrupt_entry(tmp_path, say):
    kills = 1000 if SOAK else 200
    command = [sys.executable, "-m", writers.__name__, str(tmp_path / "store"), str(kills)]
    (tmp_path / "store").mkdir()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{kills} writers killed"), done.stdout
    kept, swept = (int(word.split()[0]) for word in done.stdout.split(", ")[1:3])
    assert kept  # they were at work,
    assert swept  # and some of them in the middle of it
    say(f"crashes: {done.stdout.strip()}")
