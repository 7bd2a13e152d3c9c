"""Modes: a workspace that does not enforce is served as before, through us, verified, and with a record of it."""

import hashlib
from urllib.parse import urlsplit

import pytest

from sekisho.sources import Source
from tests.advisories import index, osv
from tests.fake_upstream import FakeUpstream, run_asgi
from tests.integration.proxy.house import House, offered, run_pip, run_uv, until
from tests.wheels import make_wheel

JSON = "application/vnd.pypi.simple.v1+json"
POLICY = """\
version: 1
ask: http://127.0.0.1:9
rules:
  - {id: no-evil, check: denied, projects: [evil, "gamma<1"]}
  - {id: mal, check: malicious}
workspaces:
"""
MODES = f"{POLICY}  watched: {{mode: audit}}\n  free: {{mode: 'off'}}\n"


def page(client, workspace, project, at=""):
    return client.get(f"/w/{workspace}/{at}pypi/simple/{project}/", headers={"accept": JSON})


def files(client, workspace, project, at=""):
    """Return {file name: path} of what a page offers."""
    answer = page(client, workspace, project, at)
    assert answer.status_code == 200
    return {row["filename"]: urlsplit(str(answer.url.join(row["url"]))).path for row in offered(answer.json())}


def counted(client, house):
    rows = client.get("/api/demand", auth=house.basic()).json()["rows"]
    return {(r["workspace"], r["project"], r["release"], r["rule"], r["served"]): r["count"] for r in rows}


def test_audit_serves_what_nobody_approved_and_records_it_and_off_only_serves(house, upstream, approved):
    house.settle(house.approval(approved[1], scope=("watched",)), policy=MODES)
    with house.open() as client:
        for workspace, mode in (("watched", "audit"), ("free", "off")):
            answer = page(client, workspace, "alpha")
            assert answer.headers["sekisho-mode"] == mode
            [row] = answer.json()["files"]
            assert row["hashes"]["sha256"] == upstream.wheels[0].sha256
            assert row["core-metadata"] == {"sha256": hashlib.sha256(upstream.wheels[0].metadata).hexdigest()}
            file = files(client, workspace, "alpha")[row["filename"]]
            assert client.get(f"{file}.metadata").content == upstream.wheels[0].metadata
            assert client.get(file).content == upstream.wheels[0].data
            assert client.get(file, headers={"range": "bytes=0-3"}).content == upstream.wheels[0].data[:4]
            assert client.get(f"/w/{workspace}/pypi/alpha/json").json()["info"]["version"] == "1.2"
        assert files(client, "watched", "beta").keys() == {"beta-2.0-py3-none-any.whl"}
        assert "sekisho-mode" not in page(client, "everyone", "alpha").headers
        assert client.get(file.replace("free", "everyone")).status_code == 403
        assert counted(client, house) == {
            ("watched", "alpha", "", "not-approved", True): 3,
            ("watched", "alpha", "1.2", "not-approved", True): 2,
            ("everyone", "alpha", "", "not-approved", False): 1,
            ("everyone", "alpha", "1.2", "not-approved", False): 1,
        }
        assert client.get("/api/policy").json()["modes"] == {"watched": "audit", "free": "off"}


@pytest.mark.parametrize("run", [run_pip, run_uv])
def test_real_clients_install_as_before(house, tmp_path, run):
    house.settle(policy=MODES)
    with house.open() as client:
        done = run(f"{client.base_url}/w/watched/pypi/simple/", tmp_path, "alpha")
        assert done.returncode == 0, done.stderr
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        refused = run(f"{client.base_url}/w/everyone/pypi/simple/", elsewhere, "alpha")
        assert refused.returncode != 0
        got = {row[1:3] for row in counted(client, house) if row[0] == "watched"}
        assert got == {("alpha", ""), ("alpha", "1.2"), ("beta", ""), ("beta", "2.0")}


def test_hard_denials_and_reports_of_malice_hold_in_every_mode(house, upstream):
    upstream.wheels += [make_wheel("gamma", "0.9"), make_wheel("trap"), make_wheel("decoy"), make_wheel("decoy", "2.0")]
    wheels = {(one.project, one.release): one for one in upstream.wheels}
    named = {"indicators": {"package_integrity": [{"sha256": wheels["decoy", "1.0"].sha256}]}}
    reports = index(
        osv("MAL-2026-1", "trap", summary="steals"),
        osv("MAL-2026-2", "decoy", versions=["0.1"], affected={"database_specific": named}),
        osv("GHSA-aaaa-bbbb-cccc", "alpha"),
    ).reports()
    house.settle(policy=MODES, reports=reports.dump().decode())
    with house.open() as client:
        for workspace in ("watched", "free"):
            for wheel in (wheels["evil", "1.0"], wheels["trap", "1.0"], wheels["gamma", "0.9"], wheels["decoy", "1.0"]):
                assert wheel.filename not in files(client, workspace, wheel.project)
                for ending in ("", ".metadata", ".provenance"):
                    answer = client.get(f"/w/{workspace}/pypi/files/{wheel.path}{ending}")
                    assert answer.status_code == 403, (wheel.filename, ending)
            assert files(client, workspace, "gamma").keys() == {"gamma-1.0-py3-none-any.whl"}
            assert files(client, workspace, "decoy").keys() == {"decoy-2.0-py3-none-any.whl"}
            assert files(client, workspace, "alpha")
            [note] = {row["yanked"] for row in page(client, workspace, "trap").json()["files"]}
            assert "MAL-2026-1" in note
        assert not upstream.paths("/packages/")
        assert {row[1:] for row in counted(client, house) if row[1] == "trap"} == {
            ("trap", "", "mal", False),
            ("trap", "1.0", "mal", False),
        }


def test_no_mode_gives_a_complete_wrong_body(house, upstream):
    alpha = upstream.wheels[0]
    house.settle(policy=MODES)
    upstream.faults = {f"/{alpha.path}": "wrong"}
    with house.open() as client:
        file = files(client, "free", "alpha")[alpha.filename]
        for path in (file, f"{file}.metadata", file):
            assert client.get(path).status_code == 502
        upstream.faults = {}
        assert client.get(file).content == alpha.data


def test_names_owned_inside_are_asked_inside_only(tmp_path):
    outside = FakeUpstream(wheels=[make_wheel("acme-web", "99.0"), make_wheel("alpha", "1.0")])
    inside = FakeUpstream(wheels=[make_wheel("acme-web", "1.0"), make_wheel("alpha", "9.0")])
    with run_asgi(outside) as out, run_asgi(inside) as home:
        house = House(tmp_path, upstream=out)
        house.inside = (Source(id="home", url=f"{home}/simple/", owns=("acme-*",)),)
        house.settle(policy=MODES)
        with house.open() as client:
            assert files(client, "watched", "acme-web").keys() == {"acme_web-1.0-py3-none-any.whl"}
            assert files(client, "watched", "alpha").keys() == {"alpha-1.0-py3-none-any.whl"}
            assert client.get(f"/w/watched/pypi/files/{outside.wheels[0].path}").status_code == 403
            assert page(client, "free", "acme-other").status_code == 200
            assert not [path for _, path, _ in outside.requests if "acme" in path]


def test_a_mode_comes_from_the_signed_snapshot_and_holds_at_once(tmp_path, upstream):
    with run_asgi(upstream) as url:
        house = House(tmp_path, upstream=url)
        with run_asgi(house.portal) as portal:
            house.settings = house.settings.model_copy(update={"portal_url": portal})
            house.publish(policy=MODES)
            with house.open() as client:
                until(lambda: client.get("/readyz").status_code == 200)
                file = files(client, "watched", "alpha").popitem()[1]
                assert client.get(file).status_code == 200
                house.publish(policy=f"{POLICY}  watched: {{mode: enforce}}\n  free: {{mode: audit}}\n")
                until(lambda: client.get("/api/policy").json()["sequence"] == 2)
                assert not files(client, "watched", "alpha")
                for ending in ("", ".metadata"):
                    answer = client.get(f"{file}{ending}", headers={"sekisho-mode": "off", "x-sekisho-mode": "off"})
                    assert answer.status_code == 403
                assert page(client, "free", "alpha").headers["sekisho-mode"] == "audit"


def test_frozen_doors_and_replicas_always_enforce(house, tmp_path, upstream, approved):
    house.settle(house.approval(approved[1], scope=("watched",)), policy=MODES)
    with house.open() as client:
        assert files(client, "watched", "alpha")
        moment = client.get("/api/policy").json()["made"].replace("+00:00", "Z")
        assert not files(client, "watched", "alpha", f"@{moment}/")
        assert files(client, "watched", "beta", f"@{moment}/")
        assert client.get(f"/w/watched/@{moment}/pypi/files/{upstream.wheels[0].path}").status_code == 403
    house.settings = house.settings.model_copy(update={"replica": True})
    with house.open() as client:
        assert client.get("/api/policy").json()["modes"] == {}
        assert not files(client, "watched", "alpha")
        assert client.get(f"/w/watched/pypi/files/{upstream.wheels[0].path}").status_code == 403


def test_what_was_approved_and_is_not_what_the_source_lists_stays_what_it_was(house, upstream):
    """A source that replaces a file under the same name does not change what was approved."""
    old, new = make_wheel("delta", files={"delta/a.py": b"1"}), make_wheel("delta", files={"delta/a.py": b"2"})
    upstream.wheels += [new]
    house.settle(house.approval(old.artifact(), scope=("watched",)), policy=MODES)
    with house.open() as client:
        [row] = page(client, "watched", "delta").json()["files"]
        assert row["hashes"]["sha256"] == old.sha256
        assert page(client, "free", "delta").json()["files"][0]["hashes"]["sha256"] == new.sha256


def test_a_source_that_is_away_is_said_and_never_a_smaller_page(house, upstream, approved):
    house.settle(house.approval(approved[0], scope=("watched",)), policy=MODES)
    with house.open() as client:
        upstream.faults = {"/simple/": "500"}
        assert page(client, "watched", "alpha").status_code == 502
        assert page(client, "everyone", "alpha").status_code == 200
