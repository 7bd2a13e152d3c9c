"""poetry and pdm explain little, but a tombstone is never in their way."""

import re

import pytest

from tests.fake_upstream import FakeUpstream, run_asgi
from tests.integration.proxy.house import House
from tests.wheels import make_wheel

PROJECT = """\
[project]
name = "work"
version = "0"
requires-python = ">=3.11"
dependencies = ["app", "tool", "far"]

[tool.poetry]
package-mode = false

[tool.pdm]
distribution = false
"""
REFUSED = ("lib 3.0", "evil 1.0")


@pytest.fixture
def upstream():
    """The newest ``app`` and ``tool`` pin what is refused; ``far`` is approved for another target only."""
    wheels = [make_wheel("lib", release) for release in ("2.0", "3.0")]
    wheels += [make_wheel("app", "1.0", requires=("lib==3.0",)), make_wheel("app", "0.9", requires=("lib>=1",))]
    wheels += [make_wheel("tool", "2.0", requires=("evil==1.0",)), make_wheel("tool", "1.0"), make_wheel("evil", "1.0")]
    return FakeUpstream(wheels=[*wheels, make_wheel("far", "1.0", tag="cp312-cp312-win_amd64")])


@pytest.fixture
def house(tmp_path, upstream):
    with run_asgi(upstream) as url:
        house = House(tmp_path, upstream=url, tls="generated")
        approved = [wheel for wheel in upstream.wheels if f"{wheel.project} {wheel.release}" not in REFUSED]
        house.settle(*(house.approval(wheel.artifact()) for wheel in approved))
        yield house


@pytest.mark.parametrize("client", ["poetry", "pdm"])
def test_a_set_that_can_be_locked_without_tombstones_is_locked(desk, client):
    (desk.project / "pyproject.toml").write_text(PROJECT)
    desk.configure(client)
    desk.venv()
    desk.client(client, "lock")
    lock = (desk.project / f"{client}.lock").read_text()
    found = dict(re.findall(r'^name = "(.+)"\nversion = "(.+)"$', lock, re.MULTILINE))
    assert found == {"app": "0.9", "lib": "2.0", "tool": "1.0", "far": "1.0"}
