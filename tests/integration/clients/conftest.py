"""A house over TLS with a generated authority, and a desk in front of it; nothing may be asked outside."""

from datetime import UTC, datetime

import pytest

from tests.fake_upstream import FakeUpstream, run_asgi
from tests.integration.clients.desk import CLIENTS, Desk, listen_to_the_log
from tests.integration.clients.outside import outside
from tests.integration.proxy.house import House
from tests.wheels import make_wheel

WHEELS = [
    make_wheel("alpha", "1.0"),
    make_wheel("alpha", "1.2", requires=("beta>=1",), requires_python=">=3.8"),
    make_wheel("alpha", "2.0", requires=("beta>=2",)),
    make_wheel("beta", "1.0"),
    make_wheel("beta", "2.0"),
    make_wheel("beta", "2.0", tag="cp311-cp311-manylinux_2_17_x86_64", files={"beta/__init__.py": b"near = True\n"}),
    make_wheel("beta", "2.0", tag="cp312-cp312-win_amd64", files={"beta/__init__.py": b"far = True\n"}),
    make_wheel("gamma", "1.0"),
]
UPLOADED = {"alpha 2.0": datetime(2026, 7, 1, tzinfo=UTC)}


def sha256s(project, release):
    """Every hash of a release."""
    return {wheel.sha256 for wheel in WHEELS if (wheel.project, wheel.release) == (project, release)}


@pytest.fixture(scope="session", autouse=True)
def _clients():
    if not CLIENTS.is_dir():
        pytest.skip("the clients are not installed: make .venv-peers/.ready")


@pytest.fixture
def upstream():
    return FakeUpstream(wheels=list(WHEELS))


@pytest.fixture
def house(tmp_path, upstream):
    with run_asgi(upstream) as url:
        house = House(tmp_path, upstream=url, tls="generated")
        artifacts = [wheel.artifact() for wheel in WHEELS if wheel.project != "gamma"]
        later = [
            one.model_copy(update={"uploaded": UPLOADED.get(f"{one.project} {one.release}", one.uploaded)})
            for one in artifacts
        ]
        house.settle(*(house.approval(one) for one in later))
        yield house


@pytest.fixture
def desk(house, tmp_path, caplog):
    """A desk at which nothing is configured yet."""
    listen_to_the_log(caplog)
    with house.open() as client, outside() as beyond:
        desk = Desk(tmp_path, str(client.base_url).rstrip("/"), house.settings.data, beyond)
        yield desk
        assert beyond.asked == []
