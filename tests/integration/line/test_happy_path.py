"""Ask, wait, approve, lock, carry over, install: without a container engine."""

import hashlib
import json
import shutil

import httpx2

from sekisho.lock import pins
from sekisho_proxy.negotiate import JSON
from tests.integration.line.outside import until
from tests.integration.line.site import SEKISHO, Process, Site, free_port, kinds
from tests.integration.proxy.house import offered, run_pip, run_uv


def carry_over(site, folder):
    """Export from the site and import into a replica's folder, trust handed over by hand; return its settings."""
    bundle = folder / "bundle"
    assert "policy" in site.ok("export", "--to", str(bundle)).stdout
    closed = Site(folder / "closed", "http://127.0.0.1:9", replica=True)
    shutil.copy(site.data / "trust.json", closed.data / "trust.json")
    said = closed.ok("import", str(bundle)).stdout
    assert "3 blobs new" in said
    assert "nothing to do" in closed.ok("import", str(bundle)).stdout
    return closed


def listed(door, project):
    """Return a project's page, and the only file that it offers."""
    page = httpx2.get(f"{door}/w/everyone/pypi/simple/{project}/", headers={"accept": JSON}).raise_for_status().json()
    [row] = offered(page)
    return page, row


def test_the_line_from_a_request_to_a_replica(site, outside, registry, tiny, tmp_path):
    outside.sizes = outside.metadata = False  # as most mirrors are
    outside.provenance, outside.status = True, {"status": "deprecated", "reason": "old"}
    registry.app.hold()  # so that it stays at the lock, which is all that is needed here
    site.define("tool", ["alpha", "gamma"], tiny)
    said = site.ok("request", "--image", "tool", "--reason", "for the tests", "--wait", who="ana").stdout
    assert ": waiting" in said
    assert "0 allow, 3 review" in said  # the projects are deprecated
    request = site.newest()["id"]

    said = site.ok("approve", request, "--reason", "looked at the licence", who="ben").stdout
    assert "approved by ben: looked at the licence" in said
    status = site.reach(request, "locked")
    assert kinds(status)[:4] == ["requested", "resolved", "inspected", "judged"]
    site.in_force(site.git("rev-parse", "HEAD"))
    assert site.git("log", "-1", "--format=%(trailers:key=Sekisho-Ledger,valueonly)").isdigit()
    assert "gamma is approved" in site.ok("why", "gamma", who="ana").stdout

    said = site.ok("lock", "tool", who="ana").stdout
    assert "3 packages, committed" in said
    lock = site.images / "tool" / "requirements.lock"
    assert set(pins(lock.read_text(), where=str(lock))) == {"alpha", "beta", "gamma"}
    assert site.git("log", "-1", "--format=%s") == "Lock tool: 3 packages"
    assert site.git("status", "--porcelain") == ""
    assert "unchanged" in site.ok("lock", "tool", who="ana").stdout
    assert json.loads(site.ok("lock", "tool", "--json", who="ana").stdout)["changed"] is False

    closed = carry_over(site, tmp_path)
    replica = Process([SEKISHO, "proxy", "serve"], closed.environment(), closed.folder, "up")
    try:
        replica.wait_for(f"{closed.proxy}/readyz")
        for wheel in outside.wheels[:3]:
            page, row = listed(closed.proxy, wheel.project)
            assert row["size"] == len(wheel.data)
            assert row["core-metadata"] == {"sha256": hashlib.sha256(wheel.metadata).hexdigest()}
            assert httpx2.get(row["provenance"]).content == wheel.provenance()
            assert page["project-status"] == outside.status
        index = f"{closed.proxy}/w/everyone/pypi/simple/"
        for install, name in ((run_pip, "pip"), (run_uv, "uv")):
            done = install(index, tmp_path, "alpha", "gamma==3.0")
            assert done.returncode == 0, done.stderr
            assert {"alpha", "beta", "gamma"} <= {path.name for path in (tmp_path / f"{name}-target").iterdir()}
            done = install(index, tmp_path, "delta")
            assert done.returncode == 1
            assert "not approved" in done.stderr.replace("-", " ").replace(".", " ")
    finally:
        replica.end()
    assert closed.leftovers() == []
    registry.app.release()
    until(lambda: site.status(request)["state"] == "failed", what="the gates, which have no engine here")
    site.settled()


def test_a_command_without_a_portal_says_how_to_start_one(tmp_path):
    closed = Site(tmp_path, "http://127.0.0.1:9", portal_url=f"http://127.0.0.1:{free_port()}")
    closed.tokens["ana"] = "skp_x"
    said = closed.refused("request", "alpha", "--python", "3.11.2", who="ana")
    assert "the portal does not answer" in said
    assert "do now: start it with `sekisho up`, or set SEKISHO_PORTAL_URL" in said
