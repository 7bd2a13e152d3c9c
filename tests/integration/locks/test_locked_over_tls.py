"""Tools that lock believe the authority of the door, and a token that they are given is in no lock."""

import pytest

from sekisho.errors import UpstreamError
from sekisho.lock import DoorAddress, ToLock
from sekisho.sources import Source
from sekisho_builder.locking import conda_lock, pip_tools, uv_compile
from tests.fake_upstream import run_asgi
from tests.integration.locks.conftest import MINOR, TARGET, approved_packages, approved_wheels
from tests.integration.proxy.house import House

SECRET = "s3cret-token-abc"
WHEELS = ToLock(target=TARGET, requirements=("alpha",))
MIXED = ToLock(target=TARGET, conda=(MINOR, "tinylib", "pip"), requirements=("alpha",), channels=("forge",))


@pytest.fixture
def house(tmp_path, index, channels):
    with run_asgi(index) as url, run_asgi(channels) as forge:
        house = House(tmp_path, upstream=url, tls="generated")
        house.inside = (Source(id="forge", kind="conda", url=f"{forge}/forge"),)
        house.settle(*(house.approval(one) for one in [*approved_packages(), *approved_wheels()]))
        yield house


def test_tools_lock_over_tls_and_a_token_is_in_no_lock(house):
    with house.open() as client:
        door, ca = DoorAddress(str(client.base_url).rstrip("/"), "everyone"), house.settings.trusted_ca
        answer = conda_lock(MIXED, door, token=SECRET, ca=ca)
        assert {one.project for one in answer.packages} == {"python", "pip", "tinylib", "tinydata", "alpha", "beta"}
        assert SECRET not in answer.text
        assert "SEKISHO_TOKEN" in answer.text
        for engine in (uv_compile, pip_tools):
            assert {one.project for one in engine(WHEELS, door, token=SECRET, ca=ca).packages} == {"alpha", "beta"}
        with pytest.raises(UpstreamError, match="certificate") as caught:
            uv_compile(WHEELS, door, token=SECRET, ca=None)
        assert SECRET not in str(caught.value)
