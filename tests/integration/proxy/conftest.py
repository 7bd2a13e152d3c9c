import pytest

from tests.fake_upstream import FakeUpstream, run_asgi
from tests.integration.proxy.house import House
from tests.wheels import make_wheel


@pytest.fixture
def upstream():
    """A fake upstream with ``alpha`` (needs ``beta``), ``beta``, ``gamma`` and ``evil``."""
    alpha = make_wheel("alpha", "1.2", requires=("beta>=1",), requires_python=">=3.8")
    return FakeUpstream(wheels=[alpha, make_wheel("beta", "2.0"), make_wheel("gamma"), make_wheel("evil")])


@pytest.fixture
def house(tmp_path, upstream):
    """An installation whose only source is the fake upstream."""
    with run_asgi(upstream) as url:
        yield House(tmp_path, upstream=url)


@pytest.fixture
def approved(upstream):
    """The artifacts of ``alpha`` and ``beta``."""
    return [wheel.artifact() for wheel in upstream.wheels[:2]]
