"""A fault that passes is tried again, and no other host is asked. ``tests/integration/faults`` has every fault."""

import pytest

from tests.fake_upstream import FakeUpstream, run_asgi
from tests.integration.proxy.house import House


def leftovers(house):
    proxy = house.settings.data / "proxy"
    return [path for store in ("blobs", "quarantine") for path in (proxy / store).rglob("*") if path.is_file()]


@pytest.mark.parametrize("fault", ["500", "truncated"])
def test_a_passing_fault_is_tried_again(house, upstream, approved, fault):
    house.settle(house.approval(approved[0]))
    upstream.faults["/packages"] = fault
    upstream.left = 2
    with house.open() as client:
        assert client.get(f"/w/everyone/pypi/files/{approved[0].path}").status_code == 200
        assert len(upstream.paths("/packages")) == 3


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
