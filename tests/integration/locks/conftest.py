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
PYTHON = "cp" + TARGET.python.rpartition(".")[0].replace(".", "")
KIT = make_wheel(
    "kit",
    "1.0",
    requires=(
        "gear>=1 ; extra == 'fast'",
        "unwanted ; extra == 'slow'",
        "wintool ; sys_platform == 'win32'",
        "oldlib ; python_version < '3.8'",
        "pypy-only ; implementation_name == 'pypy'",
        "chain>=2,<3 ; platform_machine == 'x86_64' and python_full_version >= '3.9'",
    ),
    extra="License-Expression: MIT\nProvides-Extra: fast\nProvides-Extra: slow\n",
)
GEARS = [
    make_wheel("gear", "1.2", tag=tag, files={"gear/__init__.py": tag.encode()})
    for tag in (
        f"{PYTHON}-{PYTHON}-manylinux_2_34_x86_64",
        f"{PYTHON}-{PYTHON}-manylinux_2_17_x86_64.manylinux2014_x86_64",
        f"{PYTHON}-abi3-macosx_11_0_arm64",
        f"{PYTHON}-{PYTHON}-win_amd64",
        "py3-none-any",
    )
]
CHAINS = [make_wheel("chain", release) for release in ("2.4", "2.5", "2.6rc1", "3.0")]
FRESH = make_wheel("fresh", "1.0", tag=f"{PYTHON}-{PYTHON}-manylinux_2_34_x86_64")
ABOVE = make_wheel("above", "1.0", requires=("tinylib>=1",))
FAR = make_wheel("beta", "2.0", tag="cp39-cp39-win_amd64", files={"beta/__init__.py": b"far = True\n"})


def approved_packages():
    return [one.artifact(source="forge", seen=SEEN) for one in (python_package(), installed("pip"), DATA, LIB)]


def approved_wheels():
    return [wheel.artifact() for wheel in (ALPHA, BETA, FAR)]


def more_wheels():
    """A set with markers, extras and several wheels a release, and wheels that conda-lock alone does not lock."""
    return [wheel.artifact() for wheel in (KIT, *GEARS, *CHAINS, FRESH, ABOVE)]


@pytest.fixture(scope="module")
def index():
    return FakeUpstream(wheels=[ALPHA, ALPHA3, BETA, FAR, KIT, *GEARS, *CHAINS, FRESH, ABOVE])


@pytest.fixture(scope="module")
def channels():
    return FakeChannels(channels={"forge": Channel((python_package(), installed("pip"), DATA, LIB, NEWER))})


@pytest.fixture(scope="module")
def house(tmp_path_factory, index, channels):
    with run_asgi(index) as url, run_asgi(channels) as forge:
        house = House(tmp_path_factory.mktemp("house"), upstream=url)
        house.inside = (Source(id="forge", kind="conda", url=f"{forge}/forge"),)
        files = [*approved_packages(), *approved_wheels(), *more_wheels()]
        house.settle(*(house.approval(one) for one in files))
        yield house


@pytest.fixture(scope="module")
def door(house):
    with house.open() as client:
        yield DoorAddress(str(client.base_url).rstrip("/"), "everyone")
