"""Channels that try to lead clients past the door: the suite of the integration tests, as a figure."""

import json
import subprocess
import sys

from bench.place import ROOT, MeasureError, Place, Say
from bench.rows import Row

_SUITE = "tests.integration.proxy.hostile_channels"
_LONGEST = 600


def measure(place: Place, say: Say, quick: bool) -> list[Row]:  # noqa: FBT001, ARG001 (as the others are; it is one size)
    """Try every attack on every client and representation."""
    say("hostile channels")
    done = subprocess.run(
        [sys.executable, "-m", _SUITE], cwd=ROOT, capture_output=True, text=True, timeout=_LONGEST, check=False
    )
    if done.returncode:
        raise MeasureError(f"the suite of hostile channels ended with {done.returncode}: {done.stderr[-300:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    note = (
        f"{len(found['clients'])} clients, {len(found['representations'])} representations, {found['cases']} cases;"
        f" unfiltered {len(found['control'])} attacks lead py-rattler away"
    )
    return [
        Row("leaks of hostile channels", len(found["leaks"]), "", 0, "lower", note=note),
        Row("attack channels", found["attacks"], "", 12, "higher"),
    ]
