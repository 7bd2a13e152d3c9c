"""The demo itself, against PyPI: killed again and again, then run to its end, then run once more."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

pytestmark = [pytest.mark.online, pytest.mark.docker]

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["start", "resolve", "judge", "approve", "lock", "assemble", "gate", "push", "run", "replica"]
LONGEST = 900


@pytest.fixture(scope="module")
def home():
    """A folder like the one that `make demo` has, empty at first."""
    folder = ROOT / "build" / "demo-e2e"
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def begin(home):
    """Start the demo in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "deploy" / "demo"), "--home", str(home)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def run(home):
    demo = begin(home)
    output, _ = demo.communicate(timeout=LONGEST)
    return demo.returncode, output, json.loads((home / "report.json").read_text())


def requests(home):
    """{request: state} as the portal tells it; nothing while it does not answer."""
    try:
        session = json.loads((home / "session.json").read_text())
        headers = {"Authorization": f"Bearer {session['tokens']['ana']}"}
        rows = httpx2.get(f"{session['portal']}/api/requests", headers=headers, timeout=5).json()
        return {row["id"]: row["state"] for row in rows}
    except (OSError, ValueError, TypeError, KeyError, httpx2.HTTPError):
        return {}


def kill_when(home, states, seen):
    """Run the demo until the request that it makes is in one of ``states``, then kill it and all it started."""
    (home / "session.json").unlink(missing_ok=True)
    demo = begin(home)
    end = time.monotonic() + LONGEST
    while time.monotonic() < end and demo.poll() is None:
        new = {name: state for name, state in requests(home).items() if name not in seen}
        if set(new.values()) & set(states):
            break
        time.sleep(0.02)
    assert demo.poll() is None, f"the demo ended before {states}: {demo.communicate()[0][-2000:]}"
    seen.update(new)
    os.killpg(demo.pid, signal.SIGKILL)
    demo.communicate(timeout=60)


@pytest.fixture(scope="module")
def seen():
    """The requests that earlier runs made."""
    return set()


@pytest.mark.parametrize(
    "states",
    [("resolving", "inspecting"), ("waiting",), ("approved", "locked"), ("assembled",)],
    ids=["resolving", "waiting", "assembling", "gating"],
)
def test_killed_in_the_middle(home, states, seen):
    """Whatever the demo was doing, killing it leaves nothing that the next run trips over."""
    kill_when(home, states, seen)
    ledger = subprocess.run(
        [Path(sys.executable).with_name("sekisho"), "audit", "verify"],
        env={**os.environ, "SEKISHO_DATA": str(home / "open")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ledger.returncode == 0, ledger.stderr


def test_the_next_run_goes_on_and_shows_all_ten_steps(home):
    status, output, report = run(home)
    assert status == 0, output
    assert [step["name"] for step in report["steps"]] == NAMES
    assert {step["status"] for step in report["steps"]} == {"done"}
    steps = {step["name"]: step for step in report["steps"]}
    assert steps["resolve"]["details"]["packages"] > 90
    assert len(steps["judge"]["details"]["verdicts"]) == steps["resolve"]["details"]["packages"]
    assert "cannot also approve" in steps["approve"]["details"]["refusal"]
    approvals = "".join(path.read_text() for path in (home / "tree" / "allowlists" / "pypi").glob("*.yaml"))
    assert "approved_by: ben" in approvals
    assert "approved_by: ana" not in approvals
    assert {gate["gate"] for gate in steps["gate"]["details"]["gates"]} >= {
        "installed-set",
        "pip-check",
        "imports",
        "not-root",
        "verify",
        "profiles",
        "no-outbound",
    }
    assert f"@sha256:{steps['assemble']['details']['manifest']}" in steps["push"]["details"]["reference"]
    ran = steps["run"]["details"]
    assert ran["metrics"]["accuracy"] > 0.9
    assert len(set(ran["training_prediction"])) > 1
    assert ran["training_prediction"] == ran["server_prediction"]
    met = steps["replica"]["details"]
    assert met["peers"]["routes"] == []
    assert met["peers"]["interfaces"] == ["lo"]
    assert met["peers"]["open_proxy"].startswith("no")
    for client in ("pip", "uv"):
        assert re.search(r"not[.-]approved", met["refusals"][client])
        assert re.search(r"127\.0\.0\.1(:|\.port\.)\d+", met["refusals"][client])


def test_a_second_run_reuses_by_digest_and_runs_the_closed_zone_again(home):
    first = json.loads((home / "report.json").read_text())
    status, output, report = run(home)
    assert status == 0, output
    old, new = ({step["name"]: step for step in found["steps"]} for found in (first, report))
    assert {name for name in NAMES if new[name]["reused"]} >= {"judge", "approve", "lock", "assemble", "gate", "push"}
    assert new["push"]["details"]["reference"] == old["push"]["details"]["reference"]
    assert not new["run"]["reused"]
    assert new["replica"]["details"]["imported"]["new"] == 0


def test_nothing_is_left_running(home):
    assert not (home / "processes.json").exists()
    found = subprocess.run(["pgrep", "-af", str(home)], capture_output=True, text=True, check=False)
    others = [line for line in found.stdout.splitlines() if "pytest" not in line]
    assert others == []
