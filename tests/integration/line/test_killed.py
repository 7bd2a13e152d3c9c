"""Ctrl-C and SIGKILL at every state: after the next start the same request goes on by itself, and nothing twice."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from tests.integration.line.outside import until
from tests.integration.line.site import DEAD_ENGINE, SEKISHO, kinds

PACKAGES = ["alpha", "gamma"]


@pytest.fixture(autouse=True)
def _interruptible():
    """Let Ctrl-C reach what is started here, even when the tests themselves run in the background and ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def stop(site, number):
    """End the services as Ctrl-C does, or as the kernel does when memory runs out."""
    status = site.down(number, alone=number is signal.SIGKILL)
    assert status == (-signal.SIGKILL if number is signal.SIGKILL else 0), site.log()
    assert "Traceback" not in site.log()


@contextlib.contextmanager
def deaf_engine(site):
    """Be the site's engine, and say nothing; give what waits until somebody has called."""
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as calls:
        listener.settimeout(60)
        site.engine = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        yield lambda: calls.enter_context(listener.accept()[0])


class GitHook:
    """Holds the portal's commit before or after the branch moves (githooks(5), reference-transaction)."""

    def __init__(self, site, phase):
        self._hold, self._held = site.folder / "hold", site.folder / "held"
        hook = site.repository / ".git" / "hooks" / "reference-transaction"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(
            f'#!/bin/sh\n[ "$1" = {phase} ] && [ -e {self._hold} ] || exit 0\n'
            f"touch {self._held}\nwhile [ -e {self._hold} ]; do sleep 0.05; done\n"
        )
        hook.chmod(0o755)
        self._hold.touch()

    def wait(self):
        until(self._held.exists, what="the commit held")

    def release(self):
        self._hold.unlink(missing_ok=True)


@contextlib.contextmanager
def approving(site, request):
    """Run ``sekisho approve`` beside the test; it must end before the block does."""
    command = [SEKISHO, "approve", request, "--reason", "fine"]
    with subprocess.Popen(
        command, env=site.environment("ben"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        yield child
        child.communicate(timeout=60)


def trailers(site):
    """Return the ledger numbers that the commits of the tree carry."""
    return site.git("log", "--format=%(trailers:key=Sekisho-Ledger,valueonly,separator=%x2C)").split()


def approved_once(site, request):
    """One intent, one commit, one row that says so, one entry per project."""
    status = site.status(request)
    assert kinds(status).count("approval-intended") == 1
    assert kinds(status).count("approved") == 1
    assert len(trailers(site)) == 1
    for project in ("alpha", "beta", "gamma"):
        assert (site.allowlists / "pypi" / f"{project}.yaml").read_text().count("signature:") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
def test_a_request_survives_the_end_of_the_services_at_every_state(make_site, outside, registry, tiny, number):
    site = make_site()
    site.define("tool", PACKAGES, tiny)

    outside.hold("/simple/beta/")
    request = site.ask("tool")["id"]
    assert outside.held.wait(30)
    assert site.status(request)["state"] == "resolving"
    stop(site, number)
    outside.release()
    outside.hold("gamma-3.0-py3-none-any.whl")
    site.up()
    assert outside.held.wait(60)
    assert site.status(request)["state"] == "inspecting"
    stop(site, number)
    outside.release()
    site.up()
    site.reach(request, "waiting")
    stop(site, number)
    site.up()
    status = site.status(request)
    assert status["state"] == "waiting"
    assert kinds(status) == ["requested", "resolved", "inspected", "judged"]
    site.settled()

    hook = GitHook(site, "prepared")
    with approving(site, request) as command:
        hook.wait()
        assert site.status(request)["state"] == "approving"
        stop(site, number)
        hook.release()
    assert command.returncode == 1
    registry.app.hold()
    site.up()
    site.reach(request, "locked")
    assert registry.app.held.wait(30)
    approved_once(site, request)
    stop(site, number)
    _a_day_later(site)
    registry.app.release()
    with deaf_engine(site) as called:
        site.up()
        called()
        assert site.status(request)["state"] == "assembled"
        stop(site, number)
    site.engine = DEAD_ENGINE
    site.up()
    status = until(lambda: (found := site.status(request))["state"] == "failed" and found, what="the gates")
    assert "no Docker engine answers" in status["problem"]["title"]
    once = ["requested", "resolved", "inspected", "judged", "approval-intended", "approved", "locked", "assembled"]
    assert kinds(status) == [*once, "failed"]
    approved_once(site, request)
    site.settled()


def _a_day_later(site):
    """Make what a killed process left under the base images look old: a younger one may belong to another process."""
    for half in site.settings["base_cache"].glob(".half-*"):
        os.utime(half, (time.time() - 2 * 86400,) * 2)


def test_an_approval_that_was_committed_and_not_recorded_is_not_committed_again(site):
    site.ok("request", *PACKAGES, "--python", "3.11.2", "--wait", who="ana")
    request = site.newest()["id"]
    hook = GitHook(site, "committed")
    with approving(site, request):
        hook.wait()
        commit = site.git("rev-parse", "HEAD")
        site.down(signal.SIGKILL, alone=True)
        hook.release()
    site.up()
    status = site.reach(request, "approved")
    assert status["approval"]["revision"] == commit == site.git("rev-parse", "HEAD")
    approved_once(site, request)
    assert "gamma is approved" in site.ok("why", "gamma", who="ana").stdout
    site.settled()


def test_a_commit_that_was_cut_off_with_its_lock_names_the_lock(site):
    """Power fails in the middle of git: its lock stays, and only a person may say that no git is at work."""
    site.ok("request", *PACKAGES, "--python", "3.11.2", "--wait", who="ana")
    request = site.newest()["id"]
    hook = GitHook(site, "prepared")
    with approving(site, request):
        hook.wait()
        site.down(signal.SIGKILL)
        hook.release()
    site.up()
    assert "HEAD.lock': File exists" in site.log()
    assert "remove the file manually to continue" in site.log()
    assert site.status(request)["state"] == "approving"
    said = site.refused("approve", request, "--reason", "again", who="ben")
    assert "HEAD.lock': File exists" in said
    for lock in (site.repository / ".git").rglob("*.lock"):
        lock.unlink()
    said = site.ok("approve", request, "--reason", "again", who="ben").stdout
    assert "approved by ben: fine" in said  # as it was first given
    approved_once(site, request)
    site.settled()


@pytest.mark.docker
def test_an_assembled_image_is_gated_and_delivered_after_the_next_start(make_site, engine, bases, real_registry):
    real_registry.start()
    site = make_site(up=False, registry=real_registry.name, base_cache=bases)
    site.define("tool", ["alpha"], {"debian": "debian-12-python"})
    with deaf_engine(site) as called:
        site.up()
        request = site.ask("tool")["id"]
        called()
        made = site.status(request)["assembly"]["manifest"]
        stop(site, signal.SIGKILL)
    site.engine = os.environ.get("DOCKER_HOST")
    site.up()
    status = site.reach(request, "delivered")
    assert kinds(status).count("assembled") == 1
    assert status["image"]["manifest"] == made
    site.settled()


def test_ctrl_c_in_a_waiting_command_says_that_nothing_is_half_done(site, outside):
    outside.hold("/simple/alpha/")
    command = [SEKISHO, "request", "alpha", "--python", "3.11.2", "--wait"]
    environment = site.environment("ana")
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as child:
        assert outside.held.wait(30)
        threading.Event().wait(0.5)  # let it begin to wait
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=30)
    assert child.returncode == 130
    assert "sekisho: stopped; nothing is half-done" in said
    outside.release()
    site.reach(site.newest()["id"], "approved")
