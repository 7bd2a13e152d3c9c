"""A proxy that starts without its source serves what it has, and lists nothing else."""

import pytest

from tests.fake_upstream import run_asgi
from tests.integration.proxy.house import House, run_pip, run_uv, until

PAGE = "/w/everyone/pypi/simple/{}/"


def files(client, project):
    answer = client.get(PAGE.format(project), headers={"accept": "application/vnd.pypi.simple.v1+json"}).json()
    return [row["filename"] for row in answer["files"] if not row["yanked"]]


@pytest.fixture
def cut(tmp_path, upstream, approved):
    """An installation that holds ``alpha`` only, of what is approved, and whose source is gone."""
    with run_asgi(upstream) as url:
        house = House(tmp_path, upstream=url)
        house.settle(house.approval(*approved))
        with house.open() as client:
            assert files(client, "beta")
            assert client.get(f"/w/everyone/pypi/files/{approved[0].path}").status_code == 200
    return house


def test_what_is_here_is_served_and_nothing_else_is_listed(cut, approved, monkeypatch):
    with cut.open() as client:
        assert files(client, "alpha") == [approved[0].filename]
        assert files(client, "beta") == []
        assert client.get("/api/policy").json()["sources_away"] == ["fake"]
        listed = client.get("/w/everyone/pypi/simple/", headers={"accept": "application/vnd.pypi.simple.v1+json"})
        assert [row["name"] for row in listed.json()["projects"]] == ["alpha"]
        assert client.get(f"/w/everyone/pypi/files/{approved[0].path}").status_code == 200
        assert client.get(f"/w/everyone/pypi/files/{approved[0].path}.metadata").status_code == 200
        assert client.get(f"/w/everyone/pypi/files/{approved[1].path}").status_code == 502


def test_clients_install_what_is_here_and_hear_why_the_rest_is_not(cut, tmp_path):
    with cut.open() as client:
        index = f"{client.base_url}/w/everyone/pypi/simple/"
        for run in (run_pip, run_uv):
            done = run(index, tmp_path, "--no-deps", "alpha")
            assert done.returncode == 0, done.stderr
            refused = run(index, tmp_path, "--no-deps", "beta")
            assert refused.returncode != 0
            assert "source" in refused.stderr
            assert "away" in refused.stderr


def test_pages_are_whole_again_when_the_source_is_back(tmp_path, upstream, approved, monkeypatch):
    monkeypatch.setattr("sekisho_proxy.upstream.reach._AGAIN", 0.1)
    with run_asgi(upstream) as url:
        house = House(tmp_path, upstream=url)
        house.settle(house.approval(*approved))
        upstream.faults["/simple"] = "slow"
        with house.open() as client:
            assert files(client, "beta") == []
            upstream.faults.clear()
            until(lambda: files(client, "beta") == [approved[1].filename])
            assert client.get("/api/policy").json()["sources_away"] == []


def test_a_source_that_fails_later_changes_no_page(house, upstream, approved):
    house.settle(house.approval(*approved))
    with house.open() as client:
        assert files(client, "beta")
        upstream.faults["/"] = "500"
        assert client.get(f"/w/everyone/pypi/files/{approved[1].path}").status_code == 502
        assert files(client, "beta") == [approved[1].filename]


def test_a_start_with_everything_here_asks_nobody(house, upstream, approved):
    house.settle(house.approval(approved[0]))
    with house.open() as client:
        assert client.get(f"/w/everyone/pypi/files/{approved[0].path}").status_code == 200
        assert files(client, "alpha")
    upstream.requests.clear()
    with house.open() as client:
        assert files(client, "alpha")
    assert not upstream.requests
