"""wrk, and what it says."""

import re
import shutil
import subprocess
from typing import NamedTuple

from bench.peers import JSON
from bench.place import MeasureError
from bench.processes import Server

CONNECTIONS = 8
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class Load(NamedTuple):
    """Requests per second, milliseconds of CPU of the server for each, and latencies in milliseconds."""

    rate: float
    cpu: float
    middle: float
    slowest: float
    """What 99 of 100 requests stay under."""


def press(server: Server, url: str, seconds: int) -> Load:
    """Ask for one page over eight connections for a while; every answer must be 200."""
    tool = shutil.which("wrk")
    if not tool:
        raise MeasureError("wrk is not installed; run `sh deploy/setup.sh bench`")
    command = [tool, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "--timeout", "30s"]
    command += ["-H", f"Accept: {JSON}", "-H", "Accept-Encoding: gzip", url]
    before = server.cpu()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 60)
    used = server.cpu() - before
    if done.returncode:
        raise MeasureError(f"wrk failed at {url}: {done.stderr.strip()[-300:]}")
    return read(done.stdout, used)


def read(said: str, cpu: float) -> Load:
    """Read what wrk prints; raise ``MeasureError`` if any request failed, or none was answered."""
    failed = re.search(r"^ *(Socket errors: .*|Non-2xx.*)$", said, re.MULTILINE)
    total = re.search(r"^ *(\d+) requests in", said, re.MULTILINE)
    rate = re.search(r"^Requests/sec: *([\d.]+)", said, re.MULTILINE)
    if failed or not total or not rate or not int(total[1]):
        raise MeasureError(f"wrk was not answered as it should be: {failed[1] if failed else said.strip()[-300:]}")
    return Load(float(rate[1]), cpu * 1000 / int(total[1]), _percentile(said, "50"), _percentile(said, "99"))


def _percentile(said: str, which: str) -> float:
    found = re.search(rf"^ *{which}% +([\d.]+)(us|ms|s|m) *$", said, re.MULTILINE)
    if not found:
        raise MeasureError(f"wrk told no {which} % latency: {said.strip()[-400:]}")
    return float(found[1]) * _UNITS[found[2]]
