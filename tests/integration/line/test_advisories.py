"""Advisories against real services: what an import denies is out of the proxy's door, and a statement brings it back."""

from datetime import UTC, datetime

import httpx2
import pytest
import yaml

from tests.advisories import CRITICAL, osv, packed
from tests.integration.line.outside import Outside, serving, until
from tests.integration.line.site import Site
from tests.wheels import make_wheel

QUIET = "GHSA-zzzz-zzzz-zzzz"


@pytest.fixture(scope="module")
def outside():
    return Outside([make_wheel("alpha"), make_wheel("omega")])


@pytest.fixture(scope="module")
def line(tmp_path_factory, outside):
    with serving(outside) as served:
        site = Site(tmp_path_factory.mktemp("line"), served.url)
        path = site.allowlists / "policy.yaml"
        policy = yaml.safe_load(path.read_text())
        policy["feeds"] = {"osv": {"days": 7}}
        path.write_text(yaml.safe_dump(policy, sort_keys=False))
        site.commit("Lean on advisories")
        try:
            site.up()
            yield site
        finally:
            site.down()


def imported(line, folder, *records):
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    file = folder / "all.zip"
    file.write_bytes(
        packed(osv(QUIET, "unused", modified=now), *(one | {"modified": now} for one in records)).getvalue()
    )
    return line.ok("advisories", "import", str(file), who="ada").stdout


def offered(line, wheel):
    page = httpx2.get(
        f"{line.proxy}/w/everyone/pypi/simple/{wheel.project}/",
        headers={"accept": "application/vnd.pypi.simple.v1+json"},
    ).json()
    return [row for row in page["files"] if not row["yanked"]]


def test_what_is_known_reaches_the_door_and_so_does_the_way_out(line, outside, tmp_path):
    alpha, omega = outside.wheels
    line.ok("request", "alpha", "omega", "--python", "3.11.2", "--wait", who="ana")
    request = line.newest()
    assert request["state"] == "waiting"
    assert {reason["rule"] for row in request["exceptions"] for reason in row["reasons"]} >= {"stale-osv"}

    assert "0 approved files are affected" in imported(line, tmp_path)
    assert line.status(request["id"])["state"] == "approved", "by the policy, once there was something to judge by"
    until(lambda: offered(line, alpha) and offered(line, omega), what="both to be offered")

    grave = osv("CVE-2026-1000", "alpha", events=[{"introduced": "0"}, {"fixed": "2.0"}], vector=CRITICAL)
    assert "1 approved files are affected" in imported(line, tmp_path, grave)
    until(lambda: not offered(line, alpha), what="what is denied to be gone")
    assert offered(line, omega)
    assert "alpha 1.0 in everyone: deny" in line.ok("affected", who="ana").stdout
    assert "critical" in line.ok("why", "alpha", who="ana").stdout

    words = ["CVE-2026-1000", "alpha==1.0", "--justification", "vulnerable_code_not_present"]
    line.ok("vex", "not-affected", *words, who="ben")
    until(lambda: offered(line, alpha), what="what is excused to be back")

    line.ok("revoke", "omega", "--reason", "not needed", who="ben")
    until(lambda: not offered(line, omega), what="what is revoked to be gone")
    assert "ben revoked it" in line.ok("why", "omega", who="ana").stdout
