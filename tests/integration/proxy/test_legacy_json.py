"""The legacy JSON API: approved files only, and pip-tools takes its hashes from there."""

import gzip
import re
import subprocess
from pathlib import Path

import pytest

from sekisho.policy.weaknesses import Weakness
from tests.integration.proxy.house import ASK, bare_environment, until
from tests.wheels import make_wheel

PIP_COMPILE = Path(__file__).parents[3] / ".venv-clients" / "bin" / "pip-compile"
DOOR = "/w/everyone/pypi"


@pytest.fixture
def house(house, upstream):
    upstream.wheels.append(make_wheel("alpha", "1.3", requires_python=">=3.9"))
    return house


@pytest.fixture
def settled(house, approved, upstream):
    house.settle(*[house.approval(artifact) for artifact in [*approved, upstream.wheels[-1].artifact()]])


def _count(client, route):
    found = re.findall(
        rf'sekisho_requests_total{{method="GET",route="{route}",status="200"}} (\d+)', client.get("/metrics").text
    )
    return int(found[0]) if found else 0


@pytest.mark.usefixtures("settled")
def test_a_project_has_every_approved_release_and_speaks_of_the_newest(house, approved, upstream):
    with house.open() as client:
        answer = client.get(f"{DOOR}/Alpha/json")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        page = answer.json()
        assert list(page["releases"]) == ["1.2", "1.3"]
        assert page["urls"] == page["releases"]["1.3"]
        assert page["vulnerabilities"] is None
        assert (page["info"]["name"], page["info"]["version"], page["info"]["summary"]) == ("alpha", "1.3", None)
        alpha, [row] = approved[0], page["releases"]["1.2"]
        assert row["digests"] == {"sha256": alpha.sha256}
        assert row["url"] == f"{str(client.base_url).rstrip('/')}{DOOR}/files/{alpha.path}"
        assert client.get(row["url"]).content == upstream.wheels[0].data
        assert (row["size"], row["packagetype"], row["python_version"]) == (alpha.size, "bdist_wheel", "py3")
        assert row["upload_time_iso_8601"] == "2026-01-01T00:00:00.000000Z"
        assert (row["requires_python"], row["yanked"], row["yanked_reason"]) == (">=3.8", False, None)


@pytest.mark.usefixtures("settled")
def test_a_release_tells_of_itself_once_its_wheel_is_here(house, approved):
    with house.open() as client:
        url = f"{DOOR}/alpha/1.2.0/json"
        cold = client.get(url).json()
        assert "releases" not in cold
        assert (cold["info"]["requires_python"], cold["info"]["requires_dist"]) == (">=3.8", None)
        assert client.get(f"{DOOR}/files/{approved[0].path}").status_code == 200
        assert client.get(url).json()["info"]["requires_dist"] == ["beta>=1"]


def test_a_release_has_what_the_portal_knows_against_it(house, approved, upstream):
    both = [house.approval(artifact) for artifact in (approved[0], upstream.wheels[-1].artifact())]
    weak = {"project": "alpha", "release": "1.2", "fixed": ("1.3", "abc"), "summary": "It leaks"}
    house.weaknesses = (
        Weakness(names=("CVE-2026-1", "GHSA-1"), **weak),
        Weakness(names=("CVE-2026-2",), **weak | {"certain": False}),
    )
    house.settle(*both)
    with house.open() as client:
        assert client.get(f"{DOOR}/alpha/json").json()["vulnerabilities"] == []
        sure, unsure = client.get(f"{DOOR}/alpha/1.2.0/json").json()["vulnerabilities"]
        assert (sure["id"], sure["aliases"], sure["fixed_in"]) == ("CVE-2026-1", ["GHSA-1"], ["1.3"])
        assert (sure["summary"], unsure["summary"]) == ("It leaks", "It may concern this release: It leaks")


@pytest.mark.usefixtures("settled")
def test_it_is_packed_and_asked_for_again_as_other_pages_are(house):
    with house.open() as client:
        with client.stream("GET", f"{DOOR}/alpha/json", headers={"accept-encoding": "gzip"}) as packed:
            raw = b"".join(packed.iter_raw())
        assert packed.headers["vary"] == "Accept-Encoding"
        plain = client.get(f"{DOOR}/alpha/json", headers={"accept-encoding": "identity", "accept": "text/html"})
        assert gzip.decompress(raw) == plain.content
        assert packed.headers["etag"] != plain.headers["etag"]
        again = client.get(
            f"{DOOR}/alpha/json", headers={"accept-encoding": "gzip", "if-none-match": packed.headers["etag"]}
        )
        assert (again.status_code, again.content) == (304, b"")
        assert int(
            client.head(f"{DOOR}/alpha/json", headers={"accept-encoding": "identity"}).headers["content-length"]
        ) == len(plain.content)


@pytest.mark.usefixtures("settled")
def test_a_foreign_host_changes_its_own_answer_only(house):
    with house.open() as client:
        own = client.get(f"{DOOR}/alpha/json").content
        [row] = client.get(f"{DOOR}/alpha/1.3/json", headers={"host": "index.example:1"}).json()["urls"]
        assert row["url"].startswith(f"http://index.example:1{DOOR}/files/")
        for number in range(9):
            client.get(f"{DOOR}/alpha/json", headers={"host": f"h{number}.example"})
        assert client.get(f"{DOOR}/alpha/json").content == own


@pytest.mark.usefixtures("settled")
def test_what_is_refused_is_a_problem_with_rule_and_link(house):
    with house.open() as client:
        for path in ("gamma/json", "gamma/1.0/json", "evil/json", "alpha/9.9/json", "no-such/json", "pypi/gamma/json"):
            answer = client.get(f"{DOOR}/{path}")
            assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json"), path
            assert "rule " in answer.json()["title"]
            assert f"{ASK}/requests/new?project=" in answer.json()["todo"]
            assert "releases" not in answer.json()
        assert client.get("/w/nobody/pypi/alpha/json").status_code == 403
        assert client.get(f"{DOOR}/-bad-/json").status_code == 404
        assert client.get(f"{DOOR}/{'a' * 201}/json").status_code == 404


def test_what_is_revoked_leaves_the_page(house, approved, upstream):
    house.settle(house.approval(approved[0]), house.approval(upstream.wheels[-1].artifact()))
    with house.open() as client:
        assert list(client.get(f"{DOOR}/alpha/json").json()["releases"]) == ["1.2", "1.3"]
    house.settings = house.settings.model_copy(update={"replica": True})
    with house.open() as client:
        assert client.get(f"{DOOR}/alpha/json").status_code == 503
        house.settle(house.approval(approved[1]))
        until(lambda: client.get(f"{DOOR}/alpha/json").status_code == 403)


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("index", ["/w/everyone/pypi/simple/", "/w/everyone/pypi/simple"])
def test_pip_compile_takes_its_hashes_from_it_and_downloads_no_file(house, upstream, tmp_path, index):
    (tmp_path / "requirements.in").write_text("Alpha\n")
    with house.open() as client:
        command = [PIP_COMPILE, "--quiet", "--generate-hashes", "--no-config", "--no-header", "--no-annotate"]
        command += ["--no-emit-index-url", "--cache-dir", tmp_path / "cache", "--output-file", "-", "requirements.in"]
        command += ["--index-url", str(client.base_url).rstrip("/") + index, "--pip-args", "--no-cache-dir"]
        done = subprocess.run(
            command,
            env=bare_environment(tmp_path),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        hashes = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", done.stdout))
        assert hashes == {upstream.wheels[-1].sha256}
        assert _count(client, "json") >= 1
        assert _count(client, "file") == 0
