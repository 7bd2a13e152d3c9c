"""A real door with a channel and an index behind it, of which some packages are approved."""

import sys
from datetime import UTC, datetime

import pytest

from sekisho.lock import DoorAddress
from sekisho.model import Target
from sekisho.sources import Source
from tests.channels import Channel, FakeChannels, installed, make_package, python_package
from tests.fake_upstream import FakeUpstream, run_asgi
from tests.integration.proxy.house import House
from tests.wheels import make_wheel

TARGET = Target(python=sys.version.split()[0], glibc="2.36")
MINOR = f"python {TARGET.python.rpartition('.')[0]}.*"
SEEN = datetime(2026, 1, 2, tzinfo=UTC)

DATA = make_package("tinydata", "1.1", ending=".tar.bz2")
LIB = make_package(
    "tinylib",
    "2.0",
    noarch="python",
    depends=("python >=3.9", "tinydata >=1"),
    files={"site-packages/tinylib/__init__.py": b"def main():\n    print('hello from tinylib')\n"},
    entry_points=("tinylib-hello = tinylib:main",),
)
NEWER = LIB.but(version="3.0")
ALPHA, ALPHA3 = make_wheel("alpha", "2.0", requires=("beta>=2",)), make_wheel("alpha", "3.0")
BETA = make_wheel("beta", "2.0")
FAR = make_wheel("beta", "2.0", tag="cp39-cp39-win_amd64", files={"beta/__init__.py": b"far = True\n"})


def approved_packages():
    return [one.artifact(source="forge", seen=SEEN) for one in (python_package(), installed("pip"), DATA, LIB)]


def approved_wheels():
    return [wheel.artifact() for wheel in (ALPHA, BETA, FAR)]


@pytest.fixture(scope="module")
def index():
    return FakeUpstream(wheels=[ALPHA, ALPHA3, BETA, FAR])


@pytest.fixture(scope="module")
def channels():
    return FakeChannels(channels={"forge": Channel((python_package(), installed("pip"), DATA, LIB, NEWER))})


@pytest.fixture(scope="module")
def house(tmp_path_factory, index, channels):
    with run_asgi(index) as url, run_asgi(channels) as forge:
        house = House(tmp_path_factory.mktemp("house"), upstream=url)
        house.inside = (Source(id="forge", kind="conda", url=f"{forge}/forge"),)
        house.settle(*(house.approval(one) for one in [*approved_packages(), *approved_wheels()]))
        yield house


@pytest.fixture(scope="module")
def door(house):
    with house.open() as client:
        yield DoorAddress(str(client.base_url).rstrip("/"), "everyone")
