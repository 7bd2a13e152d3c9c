"""Schemathesis on the two APIs, as anybody and as everybody: no 5xx, and nothing that the description does not say."""

import json
import random
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.api import cases
from tests.integration.conftest import SOAK

ROOT = Path(__file__).resolve().parents[3]
CASES = 100_000 if SOAK else 10_000
SHARES = {
    ("proxy", "anonymous"): 0.15,
    ("proxy", "stranger"): 0.05,
    ("proxy", "service"): 0.3,
    ("portal", "anonymous"): 0.05,
    ("portal", "stranger"): 0.05,
    ("portal", "rita"): 0.1,
    ("portal", "bo"): 0.1,
    ("portal", "anna"): 0.1,
    ("portal", "ada"): 0.05,
    ("portal", "service"): 0.1,
}


def _run(service, caller):
    seed = random.randrange(1 << 32) if SOAK else 1
    wanted = int(1.05 * CASES * SHARES[service, caller])  # a route without parameters is asked once
    command = [sys.executable, "-m", cases.__name__, service, caller, str(wanted), str(seed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.timeout(4000 if SOAK else 600)
def test_no_request_is_answered_by_a_fault_or_by_what_is_not_described(say):
    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(SHARES, pool.map(lambda row: _run(*row), SHARES), strict=True))
    assert [failure for one in found.values() for failure in one["failures"]] == []
    statuses = Counter()
    for one in found.values():
        statuses.update(one["statuses"])
    by_status = Counter()
    for label, count in statuses.items():
        by_status[label.rpartition(" ")[2]] += count
    assert not [status for status in by_status if status.startswith("5")]
    assert sum(by_status.values()) >= CASES
    assert {"200", "304", "308", "400", "401", "403", "404", "406", "409"} <= set(by_status)
    say(f"api: {sum(by_status.values())} cases, {dict(sorted(by_status.items()))}")
