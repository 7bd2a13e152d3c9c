"""`sekisho up --only portal` as a real process, and the real command line against it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sekisho.client import PortalClient
from sekisho.keys import load_trust
from sekisho.model import Closure, Request
from sekisho.service_token import read
from tests.allowlists_tree import Repository
from tests.records import artifact, facts

pytestmark = pytest.mark.timeout(180)
SEKISHO = str(Path(sys.executable).with_name("sekisho"))
NUMPY, SIX = artifact(), artifact("six", "1.17.0")
GPL = {"license_expression": "GPL-3.0-only"}


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Site:
    def __init__(self, folder):
        self.folder = folder
        self.repository = Repository(folder / "repo")
        self.port = _free_port()
        self.process = None
        self.tokens = {}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def environment(self, who=None):
        ours = {
            "SEKISHO_DATA": str(self.folder / "data"),
            "SEKISHO_ALLOWLISTS": str(self.repository.tree),
            "SEKISHO_PORTAL_PORT": str(self.port),
        }
        token = {"SEKISHO_TOKEN": self.tokens[who]} if who else {}
        return {**os.environ, **ours, **token}

    def up(self):
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [SEKISHO, "up", "--only", "portal"], env=self.environment(), stdout=log, stderr=log, cwd=self.folder
            )
        with PortalClient(self.url, None) as portal:
            for _ in range(600):
                assert self.process.poll() is None, self.log()
                if portal.answers():
                    return
                time.sleep(0.05)
        raise AssertionError(self.log())

    def down(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(60)

    def log(self):
        return (self.folder / "log").read_text()

    def run(self, who, *arguments):
        return subprocess.run(
            [SEKISHO, *arguments], env=self.environment(who), capture_output=True, text=True, check=False, timeout=60
        )

    def ok(self, who, *arguments):
        done = self.run(who, *arguments, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def issue(self, who, *roles):
        self.tokens[who] = self.ok(None, "token", "issue", who, *(word for role in roles for word in ("--role", role)))[
            "token"
        ]

    def propose(self, request, *artifacts, **known):
        """Report as the builder does, over HTTP."""
        with PortalClient(self.url, read(self.folder / "data" / "service.token")) as portal:
            asked = Request.parse(portal.records(request)["request"], where="x")
            closure = Closure(
                request=asked.digest(),
                target=asked.target,
                direct=asked.requirements,
                resolver="uv 0",
                artifacts=artifacts,
            )
            portal.report(request, "resolved", {"closure": closure.plain()})
            portal.report(request, "inspected", {"facts": [facts(one, **known).plain() for one in artifacts]})
            if portal.records(request)["avoidable"]:
                portal.report(request, "suggested", {"closure": closure.digest(), "alternative": None})


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    site.up()
    site.issue("rita", "requester")
    site.issue("bo", "requester", "approver")
    site.issue("anna", "approver")
    yield site
    if site.process.poll() is None:
        site.process.kill()
        site.process.wait(60)


def _ask(site, who="rita"):
    return site.ok(who, "request", "numpy", "six", "--python", "3.11.2", "--reason", "because")["id"]


def test_a_request_is_asked_for_watched_explained_and_approved(site):
    request = _ask(site)
    assert site.ok("rita", "status", request)["state"] == "resolving"
    site.propose(request, NUMPY, SIX, **GPL)

    waiting = site.run("rita", "status", request, "--wait")
    assert waiting.returncode == 0
    assert "verdicts: 0 allow, 2 review, 0 deny" in waiting.stdout
    assert "not approved" in site.run("rita", "why", "numpy").stdout

    approved = site.ok("anna", "approve", request, "--reason", "fits")
    assert approved["state"] == "approved"
    assert approved["approval"]["revision"] == site.repository.head()
    assert "anna approved" in site.run("rita", "why", "numpy==2.1.0").stdout
    assert (site.repository.tree / "pypi" / "numpy.yaml").exists()
    assert site.ok(None, "audit", "verify")["rows"] >= 6


def test_a_requester_who_is_also_an_approver_is_refused_their_own(site):
    request = _ask(site, "bo")
    site.propose(request, NUMPY, SIX, **GPL)
    done = site.run("bo", "approve", request, "--reason", "mine")
    assert done.returncode == 1
    assert "bo asked for this and cannot also approve it" in done.stderr
    assert "another approver" in done.stderr
    assert site.ok("bo", "status", request)["state"] == "waiting"
    assert site.ok("anna", "approve", request, "--reason", "fits")["state"] == "approved"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_portal_ends_in_order_even_while_somebody_waits(site, number):
    request = _ask(site)
    with subprocess.Popen(
        [SEKISHO, "status", request, "--wait"], env=site.environment("rita"), stderr=subprocess.PIPE, text=True
    ) as waiting:
        time.sleep(1)
        assert waiting.poll() is None
        assert site.down(number) == 0
        assert "the portal" in waiting.communicate(timeout=60)[1]
        assert waiting.returncode == 1
    assert "Traceback" not in site.log()


def test_a_killed_portal_has_lost_nothing(site):
    waiting, approved = _ask(site), _ask(site)
    for request in (waiting, approved):
        site.propose(request, NUMPY, SIX, **GPL)
    site.ok("anna", "approve", approved, "--reason", "fits")
    before = [site.ok("rita", "status", request) for request in (waiting, approved)]
    policy = _policy(site)

    assert site.down(signal.SIGKILL) == -signal.SIGKILL
    site.up()

    assert [site.ok("rita", "status", request) for request in (waiting, approved)] == before
    assert _policy(site) == policy
    assert site.ok("anna", "approve", waiting, "--reason", "fits")["state"] == "approved"
    assert site.ok(None, "audit", "verify")["rows"] >= 12


def _policy(site):
    with PortalClient(site.url, site.tokens["rita"]) as portal:
        return portal.policy()


def test_an_approval_that_was_cut_short_by_a_kill_is_finished_at_the_next_start(site):
    request = _ask(site)
    site.propose(request, NUMPY, SIX, **GPL)
    hold, held = site.folder / "hold", site.folder / "held"
    hook = site.repository.folder / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        f'#!/bin/sh\n[ "$1" = committed ] && [ -e {hold} ] || exit 0\ntouch {held}\nwhile [ -e {hold} ]; do sleep 0.05; done\n'
    )
    hook.chmod(0o755)
    hold.touch()
    with subprocess.Popen(
        [SEKISHO, "approve", request, "--reason", "fits"], env=site.environment("anna"), stderr=subprocess.DEVNULL
    ) as approving:
        for _ in range(600):
            if held.exists():
                break
            time.sleep(0.05)
        assert held.exists()
        site.down(signal.SIGKILL)
        hold.unlink()
        assert approving.wait(60) == 1
    site.up()
    status = site.ok("rita", "status", request)
    assert status["state"] == "approved"
    assert [row["kind"] for row in status["events"]].count("approved") == 1
    assert status["approval"]["revision"] == site.repository.head()
    assert site.repository.count() == 2


def test_a_policy_that_a_person_commits_is_in_force_without_a_restart(site):
    first = _policy(site)
    site.repository.commit({"policy.yaml": site.repository.show("policy.yaml").replace("[evil]", "[evil, numpy]")})
    for _ in range(200):
        if _policy(site)["sequence"] > first["sequence"]:
            break
        time.sleep(0.05)
    assert _policy(site)["revision"] == site.repository.head()
    request = _ask(site)
    site.propose(request, NUMPY, SIX, **GPL)
    refused = site.run("rita", "status", request, "--wait")
    assert refused.returncode == 1
    assert "the policy denies pkg:pypi/numpy@2.1.0" in refused.stderr


def test_a_second_portal_on_the_same_port_says_so_and_ends(site):
    done = site.run(None, "up", "--only", "portal")
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{site.port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_portal_without_a_tree_says_what_to_do_and_ends(tmp_path):
    done = subprocess.run(
        [SEKISHO, "up", "--only", "portal"],
        env={**os.environ, "SEKISHO_DATA": str(tmp_path / "data"), "SEKISHO_ALLOWLISTS": str(tmp_path / "none")},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "SEKISHO_ALLOWLISTS" in done.stderr
    assert "Traceback" not in done.stderr


def _eventually(ask, wanted):
    for _ in range(200):
        if ask() == wanted:
            return
        time.sleep(0.05)
    assert ask() == wanted


def test_keys_change_and_a_backup_is_made_while_it_runs_and_all_of_it_comes_back(site):
    request = _ask(site)
    site.propose(request, NUMPY, SIX, **GPL)
    approval = site.ok("anna", "approve", request, "--reason", "fits")["approval"]["id"]
    sequence = _policy(site)["sequence"]
    (old,) = load_trust(site.folder / "data" / "trust.json").keys
    site.ok(None, "keys", "rotate", "portal")
    _eventually(lambda: _policy(site)["sequence"], sequence + 1)
    assert site.ok(None, "keys", "revoke", old[:16], "--reason", "lost")["stands"] == 3
    _eventually(lambda: _policy(site)["sequence"], sequence + 2)
    site.ok(None, "backup", "--to", str(site.folder / "backup"), "--with-secrets")

    assert site.down(signal.SIGKILL) == -signal.SIGKILL
    shutil.rmtree(site.folder / "data")
    shutil.rmtree(site.repository.folder)
    assert site.ok(None, "restore", str(site.folder / "backup"))["rows"] >= 8
    site.up()

    assert site.ok(None, "audit", "verify")["unproven"] == []
    assert len(site.ok("rita", "statement", approval)) == 2
    assert _policy(site)["sequence"] > sequence + 1000
