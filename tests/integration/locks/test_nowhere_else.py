"""No tool that locks at a door sends a packet to anywhere else: it runs where every other packet is seen."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sekisho.ports import NAME_SERVER
from sekisho_builder.gates.probes import watch
from tests.integration.locks.conftest import ALPHA, BETA

ROOT = Path(__file__).parents[3]
RESOLV = f"nameserver {NAME_SERVER}\noptions timeout:1 attempts:1\n"
ENTER = 'PATH="$PATH:/usr/sbin:/sbin"; ip link set lo up && mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'


def recorded(folder, how, program="nowhere_else"):
    """Lock, or run another program, in a network of its own; return (what the engines said, what was tried, as host and name)."""
    if os.geteuid() != 0 or not Path("/dev/net/tun").exists():
        pytest.skip("needs root and /dev/net/tun")
    (folder / "resolv.conf").write_text(RESOLV)
    command = [sys.executable, "-m", f"tests.integration.locks.{program}", how]
    task = {"command": command, "uid": 0, "gid": 0, "home": str(folder), "folder": str(ROOT), "scratch": []}
    task |= {"seconds": 300, "keep": 100_000, "names": NAME_SERVER}
    entered = ["unshare", "-nm", "sh", "-c", ENTER, "sh", str(folder / "resolv.conf")]
    done = subprocess.run(
        [*entered, sys.executable, watch.__file__, json.dumps(task)],
        env={**os.environ, watch.WORD: "word"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    _, found, answer = done.stdout.rpartition("sekisho-answer:word")
    if not found and "peration not permitted" in done.stderr:
        pytest.skip("no network of its own may be made here")
    assert found, done.stdout + done.stderr
    told = json.loads(answer)
    _, _, said = told["output"].rpartition("said:")
    assert told["in_time"], told["output"]
    return json.loads(said.splitlines()[0]), {(row[2], row[4]) for row in told["attempts"]}


def test_nothing_is_asked_outside(tmp_path):
    said, tried = recorded(tmp_path, "at-a-door")
    assert said == {"conda-lock": 6, "uv": 2, "pip-tools": 2}
    assert tried == set()


def test_a_tool_that_is_led_astray_is_seen(tmp_path):
    """The public index is asked as soon as conda-lock may, which is how the check is known to work."""
    _, tried = recorded(tmp_path, "led-astray")
    assert any(host == NAME_SERVER and name for host, name in tried)


def test_each_format_installs_through_the_door_and_from_nowhere_else(tmp_path):
    said, tried = recorded(tmp_path, "", "installed_from")
    versions, hello = f"{ALPHA.release} {BETA.release}", "hello from tinylib"
    assert said == {
        "uv, pylock.toml": versions,
        "pip, pylock.toml": versions,
        "py-rattler, pixi.lock": hello,
        "pip, wheels of pixi.lock": versions,
        "sekisho-conda, explicit": hello,
    }
    assert tried == set()
