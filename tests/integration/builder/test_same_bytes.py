"""The same locks give the same digests, whatever the machine: another Python, zlib, locale, time zone, umask, cores."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.builder.many_locks import make_cases

REPOSITORY = Path(__file__).parents[3]
MINOR = REPOSITORY / ".venv-minor" / "bin" / "python"
COUNT = 60 if os.environ.get("SEKISHO_SOAK") else 8

OTHER_ZLIB = '''\
"""Python's own zlib under the name of zlib-ng."""

from zlib import *
from zlib import error

MAX_WBITS = 15
'''


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    make_cases(folder, COUNT)
    return folder


@pytest.fixture(scope="module")
def here(cases):
    return _digests(cases, sys.executable, umask="022", cores="all", LC_ALL="C", TZ="UTC")


def _digests(cases, python, *paths, umask, cores, **environment):
    source = [*paths, str(REPOSITORY), *(str(REPOSITORY / room / "src") for room in ("core", "builder"))]
    command = [python, "-m", "tests.integration.builder.many_locks", str(cases), umask, cores]
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR"}}
    environment = {**kept, "PYTHONPATH": ":".join(source), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    done = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_cases_differ_from_each_other(here):
    assert len(set(here.values())) == len(here) == COUNT


def test_another_machine(cases, here, tmp_path):
    """One core, a closed umask, another place in the world, hashes in another order, and no zlib-ng."""
    (tmp_path / "zlib_ng").mkdir()
    (tmp_path / "zlib_ng" / "__init__.py").touch()
    (tmp_path / "zlib_ng" / "zlib_ng.py").write_text(OTHER_ZLIB)
    there = _digests(
        cases,
        sys.executable,
        str(tmp_path),
        umask="077",
        cores="one",
        LC_ALL="C.UTF-8",
        LANG="de_DE.UTF-8",
        TZ="Pacific/Auckland",
        PYTHONHASHSEED="7",
    )
    assert there == here


@pytest.mark.skipif(not MINOR.exists(), reason="there is no second minor of Python; get one, and run make setup")
def test_another_minor_of_python(cases, here):
    ask = "import sys; print(sys.version_info[:2])"
    assert subprocess.check_output([MINOR, "-c", ask], text=True).strip() != str(sys.version_info[:2])
    assert _digests(cases, str(MINOR), umask="000", cores="all", LC_ALL="C.UTF-8", TZ="Asia/Tokyo") == here
