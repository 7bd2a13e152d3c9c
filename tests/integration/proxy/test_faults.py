"""An upstream that fails in every way: the client hears of it, and nothing half-written stays."""

import pytest

from tests.fake_upstream import FakeUpstream, run_asgi
from tests.integration.proxy.house import House


def leftovers(house):
    proxy = house.settings.data / "proxy"
    return [path for store in ("blobs", "quarantine") for path in (proxy / store).rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("500", "upstream"),
        ("slow", "upstream"),
        ("truncated", "upstream"),
        ("wrong", "corrupt"),
        ("redirect", "upstream"),
        ("circle", "upstream"),
        ("endless", "corrupt"),
        ("404", "not-found"),
    ],
)
def test_file_faults(house, upstream, approved, fault, code):
    house.settings = house.settings.model_copy(update={"upstream_timeout": 0.5})
    house.settle(house.approval(approved[0]))
    upstream.faults["/packages"] = fault
    with house.open() as client:
        answer = client.get(f"/w/everyone/pypi/files/{approved[0].path}")
        assert answer.json()["code"] == code, answer.text
        assert "source 'fake'" in answer.json()["title"]
        assert approved[0].path in answer.json()["where"]
        assert not leftovers(house)
        upstream.faults.clear()
        assert client.get(f"/w/everyone/pypi/files/{approved[0].path}").content == upstream.wheels[0].data


@pytest.mark.parametrize("fault", ["500", "truncated"])
def test_a_passing_fault_is_tried_again(house, upstream, approved, fault):
    house.settle(house.approval(approved[0]))
    upstream.faults["/packages"] = fault
    upstream.left = 2
    with house.open() as client:
        assert client.get(f"/w/everyone/pypi/files/{approved[0].path}").status_code == 200
        assert len(upstream.paths("/packages")) == 3


@pytest.mark.parametrize("fault", ["500", "slow", "truncated", "redirect", "endless"])
def test_page_faults(house, upstream, fault):
    house.settings = house.settings.model_copy(update={"upstream_timeout": 0.5})
    house.settle()
    upstream.faults["/simple"] = fault
    with house.open() as client:
        answer = client.get("/candidates/simple/alpha/", auth=house.basic())
        assert answer.status_code == 502
        assert "source 'fake'" in answer.json()["title"]


def test_metadata_that_is_not_what_the_index_states(house, upstream):
    upstream.faults[f"/{upstream.wheels[0].path}.metadata"] = "wrong"
    house.settle()
    with house.open() as client:
        answer = client.get(f"/candidates/files/fake/{upstream.wheels[0].path}.metadata", auth=house.basic())
        assert answer.json()["code"] == "corrupt"


def test_another_host_is_never_asked(tmp_path, upstream, approved):
    other = FakeUpstream(wheels=upstream.wheels)
    with run_asgi(other) as elsewhere, run_asgi(upstream) as url:
        house = House(tmp_path, upstream=url)
        upstream.elsewhere = f"{elsewhere}/"
        upstream.faults["/"] = "redirect"
        house.settle(house.approval(approved[0]))
        with house.open() as client:
            assert client.get(f"/w/everyone/pypi/files/{approved[0].path}").status_code == 502
            assert client.get("/candidates/simple/alpha/", auth=house.basic()).status_code == 502
            assert not other.requests
            host = elsewhere.partition("://")[2]
            house.source = house.source.model_copy(update={"file_hosts": (host,)})
        house.settle(house.approval(approved[0]))
        with house.open() as client:
            assert client.get(f"/w/everyone/pypi/files/{approved[0].path}").status_code == 200
            assert other.requests
