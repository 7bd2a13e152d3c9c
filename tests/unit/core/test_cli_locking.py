"""``sekisho lock`` of a request and of a file, and ``sekisho locks``."""

import json

import pytest
import yaml

from sekisho.lock import make_lock, to_requirements
from tests.command_line import run
from tests.records import NOW, approval, closure
from tests.unit.core.test_lock_formats import NUMPY, PYTHON, SIX, ZLIB

DOOR = "https://packages.example"


def locked(*artifacts, conda=()):
    made = closure(*artifacts, direct=("numpy",), conda=conda)
    return make_lock("r1", made, [approval(*artifacts)], workspace="everyone", now=NOW)


WHEELS = locked(NUMPY, SIX)
MIXED = locked(NUMPY, SIX, PYTHON, ZLIB, conda=("python",))


@pytest.fixture
def asked(portal, portal_url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def ask(*arguments, lock=WHEELS, **environment):
        portal.answers["/api/requests/r1/lock"] = lock.plain()
        return run(*arguments, SEKISHO_PORTAL_URL=portal_url, SEKISHO_PROXY_URL=DOOR, **environment)

    return ask


def test_a_requests_wheels_become_hashed_requirements(asked, tmp_path):
    done = asked("lock", "--request", "r1", "--json")
    assert json.loads(done.out) == {"path": "requirements.lock", "packages": 2, "changed": True, "committed": False}
    assert (tmp_path / "requirements.lock").read_text() == to_requirements(WHEELS)
    assert asked("lock", "--request", "r1").out == "requirements.lock: 2 packages, unchanged\n"


def test_a_mixed_request_becomes_a_unified_lock_with_addresses_of_the_door(asked, tmp_path):
    done = asked("lock", "--request", "r1", "--frozen", "2026-11-24", lock=MIXED)
    assert done.out == "conda-lock.yml: 4 packages, written\n"
    rows = yaml.safe_load((tmp_path / "conda-lock.yml").read_text())["package"]
    assert len(rows) == 4
    assert all(row["url"].startswith(f"{DOOR}/w/everyone/@2026-11-24/") for row in rows)


def test_several_formats_go_into_a_folder_and_what_one_leaves_out_is_said(asked, tmp_path):
    (tmp_path / "locks").mkdir()
    wanted = ("--format", "explicit", "--format", "requirements", "--format", "pixi")
    done = asked("lock", "--request", "r1", *wanted, "--output", "locks", lock=MIXED)
    assert {path.name for path in (tmp_path / "locks").iterdir()} == {
        "conda-explicit.txt",
        "requirements.lock",
        "pixi.lock",
    }
    assert "conda-explicit.txt leaves out 2 of 4 packages, which are pypi" in done.err
    assert "requirements.lock leaves out 2 of 4 packages, which are conda" in done.err
    assert "pixi.lock leaves" not in done.err


def test_a_file_is_printed_or_gets_the_name_that_was_given(asked, tmp_path):
    done = asked("lock", "--request", "r1", "--format", "pylock", "--output", "-")
    assert done.out.startswith('lock-version = "1.0"\n')
    asked("lock", "--request", "r1", "--format", "pylock", "-o", "mine.toml")
    assert (tmp_path / "mine.toml").read_text() == done.out


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (("lock",), 2, "name an IMAGE, or --request, or -r FILE"),
        (("lock", "web", "--request", "r1"), 2, "name an IMAGE, or --request"),
        (("lock", "web", "-o", "x"), 2, "beside its definition"),
        (("lock", "--request", "r1", "--format", "explicit"), 1, "can hold nothing of lock r1"),
        (("lock", "--request", "r1", "--format", "pylock", "--format", "pixi", "-o", "x"), 1, "name a folder"),
        (("lock", "--request", "r1", "--engine", "uv"), 1, "nothing to resolve"),
        (("lock", "--spec", "numpy", "--engine", "uv"), 1, "uv locks packages of an index alone"),
        (("lock", "--spec", "numpy @ http://x", "--engine", "conda-lock"), 1, "is no match spec"),
        (("locks", " "), 1, "nothing is asked about"),
    ],
)
def test_what_does_not_hold_together_is_said_and_nothing_is_written(asked, portal, tmp_path, arguments, status, why):
    portal.answers["/api/channels"] = {"channels": ["forge"], "names": {}}
    portal.answers["/api/sources"] = [{"id": "forge", "kind": "conda", "url": ""}]
    done = asked(*arguments)
    assert done.status == status
    assert why in done.err.replace("\n", " ")
    assert not list(tmp_path.iterdir())


FOUND = {
    "total": 3,
    "known": True,
    "files": [{"kind": "pypi", "project": "six", "release": "1", "filename": "x", "sha256": "0", "maybe": True}],
    "locks": [
        {
            "request": "r1",
            "name": "web",
            "workspace": "lab",
            "digest": "0",
            "image": "reg/web@sha256:1",
            "holds": ["six 1"],
        },
        {"request": "r2", "name": "r2", "workspace": "lab", "digest": "0", "image": None, "holds": ["six 1", "six 1"]},
    ],
}


def test_locks_that_hold_something_are_listed(asked, portal):
    portal.answers["/api/locks"] = FOUND
    done = asked("locks", "six", "--workspace", "lab", "--limit", "2")
    assert done.out.splitlines() == [
        "web (lab, request r1): six 1, image reg/web@sha256:1",
        "r2 (lab, request r2): six 1",
        "whether it concerns these cannot be told: six 1",
        "and 1 more; see --limit",
    ]
    assert portal.asked[-1][1] == "/api/locks?what=six&workspace=lab&limit=2"
    assert json.loads(asked("locks", "six", "--json").out) == FOUND


def test_an_advisory_that_nobody_knows_is_told_from_one_that_concerns_nothing(asked, portal):
    portal.answers["/api/locks"] = {"total": 0, "known": False, "files": [], "locks": []}
    assert asked("locks", "CVE-1999-1").out == "no lock holds CVE-1999-1; no advisory of that name was imported\n"
    portal.answers["/api/locks"] = {"total": 0, "known": True, "files": [], "locks": []}
    assert asked("locks", "six").out == "no lock holds six\n"
