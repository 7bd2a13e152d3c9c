"""A scanner beside the inspection: what it notices is a fact, and nothing that becomes of it holds a file up."""

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest

from sekisho.model import Facts, Scan
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.scanning import Scanning
from tests.integration.proxy.house import until
from tests.wheels import make_wheel

GUARDDOG = os.environ.get("SEKISHO_TEST_GUARDDOG", "")
WHEEL = make_wheel("alpha")
LATE = "it is still being scanned; ask again later"
SAYS = """
import json, os, socket, sys, zipfile
def said(**found): print(json.dumps({"results": found, "errors": {}}))
"""
NOTICES = "zipfile.ZipFile(sys.argv[3]); said(**{'threat-b': [1], 'capability-a': [1, 2], 'threat-none': {}, 'Odd name': [1]})"
REACHES = """
try:
    socket.create_connection(("127.0.0.1", int(open(os.environ["HOME"] + "/../port").read())), timeout=2)
except OSError:
    said(**{"cut-off": [1]})
else:
    said(connected=[1])
"""
FORBIDDEN = "said(**{name.lower().replace('_', '-'): [1] for name in os.environ})"


@pytest.fixture
def scan(tmp_path):
    """Have a program of a test look at the wheel; give the facts of two inspections and how often it ran."""
    file = tmp_path / "blob"
    runs = tmp_path / "runs"

    def look(body, *, wait=60.0, seconds=30, program=None, more=(), wheel=WHEEL):
        file.write_bytes(wheel.data)
        path = program or tmp_path / "scanner"
        if program is None:
            path.write_text(f"#!{sys.executable} -I\nopen({str(runs)!r}, 'a').write('x')\n{SAYS}\n{body}\n")
            path.chmod(0o700)

        async def scenario():
            scanning = Scanning(path, DiskCache(tmp_path / "scans"), wait=wait, seconds=seconds)
            facts = Facts(sha256=wheel.sha256, size=1, **dict(more))

            async def where():
                return file

            try:
                first = second = (await scanning.add(facts, wheel.artifact(), where)).scans[0]
                for _ in range(200):
                    second = (await scanning.add(facts, wheel.artifact(), where)).scans[0]
                    if second.problem != LATE:
                        break
                return first, second
            finally:
                await scanning.close()

        first, second = asyncio.run(scenario())
        return first, second, len(runs.read_text()) if runs.exists() else 0

    return look


def test_what_it_notices_is_a_fact_and_it_looks_once(scan):
    first, second, runs = scan(NOTICES)
    assert (first.scanner, first.findings, first.problem) == ("guarddog", ("capability-a", "threat-b"), "")
    assert (second, runs) == (first, 1)


def test_it_has_no_network_and_no_environment(scan, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        body = REACHES.replace('open(os.environ["HOME"] + "/../port").read()', str(listener.getsockname()[1]))
        assert scan(body)[0].findings == ("cut-off",)
    (tmp_path / "scans").rename(tmp_path / "old")
    names = scan(FORBIDDEN)[0].findings
    assert set(names) <= {"path", "home", "tmpdir", "lang", "lc-ctype"}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("sys.exit(3)", "ended with status 3"),
        ("print('no JSON')", "said nothing that can be read"),
        ("print('[' * 100000)", "said nothing that can be read"),
        ("print(json.dumps({'results': {}, 'errors': {'rules': 'broken'}}))", "it failed: rules"),
        ("os.kill(os.getpid(), 9)", "ended with status -9"),
        ("bytearray(8 << 30)", "ended with status 1"),
    ],
)
def test_one_that_fails_is_unknown_and_looks_again_the_next_time(scan, body, problem):
    first, second, runs = scan(body)
    assert problem in first.problem
    assert (first.findings, second.problem, runs) == ((), first.problem, 2)


def test_one_that_dawdles_is_stopped_with_its_children_and_not_asked_again(scan, tmp_path):
    mark = tmp_path / "child"
    body = f"import subprocess, time\nopen({str(mark)!r}, 'w').write(str(subprocess.Popen(['/bin/sleep', '600']).pid)); time.sleep(600)"
    first, second, runs = scan(body, seconds=2)
    assert (first.problem, second, runs) == ("it took more than 2 s", first, 1)
    until(lambda: _has_ended(int(mark.read_text())))


def _has_ended(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_an_inspection_does_not_wait_for_long_and_the_result_is_there_the_next_time(scan):
    first, second, runs = scan(f"import time; time.sleep(1); {NOTICES}", wait=0.1)
    assert first.problem == LATE
    assert (second.findings, runs) == (("capability-a", "threat-b"), 1)


def test_without_a_scanner_there_or_with_too_much_to_unpack_it_is_unknown(scan, tmp_path):
    assert "there is no scanner" in scan("", program=tmp_path / "none")[0].problem
    assert "unpacks to" in scan(NOTICES, more={"unpacked": 2 << 30}.items())[0].problem


@pytest.mark.skipif(not GUARDDOG, reason="SEKISHO_TEST_GUARDDOG names no GuardDog")
def test_the_real_one(scan):
    program = Path(GUARDDOG)
    evil = make_wheel("alpha", files={"alpha/__init__.py": b"import base64\nexec(base64.b64decode('cHJpbnQoMSk='))\n"})
    assert scan("", program=program)[0] == Scan(scanner="guarddog")
    assert "threat-runtime-obfuscation-base64exec" in scan("", program=program, wheel=evil)[0].findings
