"""The proxy under ``kill -9``: started and killed a hundred times, each time on what the one before left."""

import contextlib
import os
import statistics
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fake_upstream import run_asgi
from tests.integration.conftest import SOAK
from tests.integration.crash.restarts import CountingPortal, Drill, SlowUpstream, make_wheels

AT_ONCE = 2


@pytest.mark.timeout(7200 if SOAK else 900)
def test_a_proxy_that_is_killed_loses_and_spoils_nothing(tmp_path, say):
    kills = 1000 if SOAK else 100
    wheels = make_wheels(1)
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(run_asgi(SlowUpstream(wheels=wheels)))
        drills = []
        for seed in range(AT_ONCE):
            portal = CountingPortal()
            url = stack.enter_context(run_asgi(portal))
            drills.append(Drill(tmp_path / str(seed), seed, wheels, upstream, (url, portal)))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for done in [pool.submit(drill.run, kills // AT_ONCE) for drill in drills]:
                done.result()
    figures = [drill.figures for drill in drills]
    ready = sorted(second for one in figures for second in one.ready)
    busy = [second for one in figures for second in one.busy]
    assert sum(one.kills for one in figures) == kills
    assert sum(one.early for one in figures) > kills // 10
    assert sum(one.cut for one in figures)
    say(
        f"crashes: {kills} restarts under kill -9, {sum(one.early for one in figures)} of them while starting; "
        f"{sum(one.answers for one in figures)} answers, {sum(one.cut for one in figures)} cut; "
        f"ready in {statistics.median(ready):.2f} s (median), {ready[-1]:.2f} s (worst), with a load of "
        f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; {statistics.median(busy):.2f} s of processor time"
    )
