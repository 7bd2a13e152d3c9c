"""A full disk: the request says so, nothing half-written stays, and with more space the same request goes on."""

import contextlib
import random
import signal

import httpx2
import pytest

from tests.integration.line.disk import MEGABYTE, SmallDisk
from tests.integration.line.outside import until
from tests.integration.line.site import Site, kinds
from tests.wheels import make_wheel

BIG = 3 * MEGABYTE
FULL = "the disk is full"


@pytest.fixture
def big(outside):
    """A package of three megabytes that no compressor makes smaller."""
    noise = random.Random(7).randbytes(BIG)
    outside.wheels.append(make_wheel("big", files={"big/__init__.py": b"", "big/noise.bin": noise}))
    return outside.wheels[-1]


@pytest.fixture
def small(tmp_path, upstream):
    """Make a running site whose folder, or one below it, is a small disk; give both."""
    with contextlib.ExitStack() as stack:

        def make(part: str = "") -> tuple[Site, SmallDisk]:
            site = Site(tmp_path / "site", upstream.url)
            disk = SmallDisk(site.data / part, 32)
            stack.callback(disk.unmount)
            stack.callback(lambda: site.down(signal.SIGKILL))
            site.up()
            return site, disk

        yield make


def fails(site, *asked):
    """Ask and wait for the failure that a full disk is; return the request's status."""
    said = site.refused("request", *asked, "--wait", who="ana")
    status = site.newest()
    assert FULL in said
    assert f"where: request {status['id']}, {status['failed_stage']}: {site.data}" in said
    assert "do now: free some space" in said
    assert f"then go on with `sekisho status {status['id']} --retry --wait`" in said
    assert status["problem"]["code"] == "storage-full"
    site.settled()
    return status


def test_the_quarantine_on_a_full_disk(small, big):
    site, disk = small()
    disk.fill(leave=BIG - MEGABYTE)
    status = fails(site, "big", "--python", "3.11.2")
    assert status["failed_stage"] == "inspect"
    assert list((site.data / "proxy" / "quarantine").rglob(big.sha256)) == []
    disk.enlarge()
    assert ": approved" in site.ok("status", status["id"], "--retry", "--wait", who="ana").stdout
    site.settled()


def test_the_blobs_on_a_full_disk(small, big):
    site, disk = small()
    site.ok("request", "big", "--python", "3.11.2", "--wait", who="ana")
    site.in_force(site.git("rev-parse", "HEAD"))
    (site.data / "proxy" / "quarantine" / "sha256" / big.sha256[:2] / big.sha256).unlink()
    disk.fill(leave=BIG - MEGABYTE)
    url = f"{site.proxy}/w/everyone/pypi/files/{big.path}"
    answer = httpx2.get(url, timeout=30, trust_env=False)
    assert (answer.status_code, answer.json()["title"]) == (507, FULL)
    assert str(site.data / "proxy" / "blobs") in answer.json()["where"]
    site.settled()
    disk.enlarge()
    answer = httpx2.get(url, timeout=30, trust_env=False)
    assert (answer.status_code, answer.content) == (200, big.data)


@pytest.mark.parametrize(("copies", "place"), [(1, "builder/wheels"), (2, "builder/layers")])
def test_wheels_and_layers_on_a_full_disk(small, big, tiny, copies, place):
    site, disk = small()
    site.define("tool", ["big"], tiny)
    disk.fill(leave=copies * BIG + 2 * MEGABYTE)
    status = fails(site, "--image", "tool")
    assert status["failed_stage"] == "assemble"
    assert str(site.data / place) in status["problem"]["where"]
    assert not list((site.data / "builder").rglob("index.json"))
    disk.enlarge()
    said = site.refused("status", status["id"], "--retry", "--wait", who="ana")
    assert "no Docker engine answers" in said  # the next thing that is missing: the image is whole
    after = site.status(status["id"])
    assert "assembled" in kinds(after)
    assert kinds(after).count("resolved") == 1
    site.settled()


def test_the_ledger_on_a_full_disk(small):
    site, disk = small()
    site.ok("request", "gamma", "--python", "3.11.2", "--wait", who="ana")
    request = site.newest()["id"]
    disk.fill(leave=0)
    said = [site.refused("request", "delta", "--python", "3.11.2", who="ana")]
    said.append(site.refused("approve", request, "--reason", "fine", who="ben"))
    said.append(site.refused("token", "issue", "dora", "--role", "requester"))
    for words in said:
        assert FULL in words
        assert f"where: {site.data}/sekisho.sqlite" in words
        assert "do now: free some space" in words
    assert site.status(request)["state"] == "waiting"
    assert len(site._api("requests")) == 1
    disk.enlarge()
    site.settled()
    site.ok("approve", request, "--reason", "fine", who="ben")
    site.reach(request, "approved")
    assert ": approved" in site.ok("request", "delta", "--python", "3.11.2", "--wait", who="ana").stdout
    site.settled()


def test_the_ledger_survives_a_kill_on_a_full_disk(small):
    site, disk = small()
    site.ok("request", "gamma", "--python", "3.11.2", "--wait", who="ana")
    request = site.newest()["id"]
    disk.fill(leave=0)
    site.refused("approve", request, "--reason", "fine", who="ben")
    site.down(signal.SIGKILL)
    disk.enlarge()
    site.up()
    assert site.status(request)["state"] == "waiting"
    site.settled()
    site.ok("approve", request, "--reason", "fine", who="ben")
    site.reach(request, "approved")
    site.settled()


def test_the_workflows_on_a_full_disk(small):
    """The request is in the ledger, and its work begins when there is space: nobody has to ask again."""
    site, disk = small("builder")
    disk.fill(leave=0)
    request = site.ask("alpha")["id"]
    until(lambda: "cannot begin and is tried again" in site.log(), what="the first try")
    assert site.status(request)["state"] == "resolving"
    disk.enlarge()
    site.reach(request, "approved")
    site.settled()


def test_the_workflows_on_a_disk_that_fills_while_they_work(small, outside):
    site, disk = small("builder")
    outside.hold("/simple/alpha/")
    request = site.ask("alpha")["id"]
    assert outside.held.wait(30)
    disk.fill(leave=0)
    outside.release()
    said = site.refused("status", request, "--wait", who="ana")
    assert said.startswith(f"sekisho: {FULL}\n  where: request {request}, resolve: the builder's workflows.sqlite\n")
    assert "do now: free some space; then go on with" in said
    disk.enlarge()
    assert ": approved" in site.ok("status", request, "--retry", "--wait", who="ana").stdout
    site.settled()
