import pytest

from tests.fake_upstream import FakeUpstream, run_asgi
from tests.integration.proxy.house import House
from tests.integration.sources.devpi import CLIENTS, SERVER, USER, Devpi
from tests.wheels import make_wheel


@pytest.fixture(scope="session")
def devpi(tmp_path_factory):
    """A devpi-server with two stages, ``dev`` and ``prod``, and one release that went through both."""
    if not (SERVER.is_dir() and CLIENTS.is_dir()):
        pytest.skip("devpi-server and its clients are not installed: make .venv-peers/.ready")
    server = Devpi(tmp_path_factory.mktemp("devpi"))
    try:
        for stage in ("dev", "prod"):
            server.index(stage, "bases=", f"volatile={stage == 'dev'}", f"acl_upload={USER}")
        server.upload("dev", *server.build("acme-web", "1.0", "alpha>=1"))
        server.upload("dev", *server.build("acme-web", "2.0", "alpha>=1"))
        assert "200 store_releasefile acme/prod/+f/" in server.push("acme-web==1.0", source="dev", target="prod")
        yield server
    finally:
        server.close()


@pytest.fixture
def public():
    """What is outside: ``alpha`` and its ``beta``, and somebody who took the in-house names, with higher versions."""
    return FakeUpstream(
        wheels=[
            make_wheel("alpha", "1.2", requires=("beta>=1",)),
            make_wheel("beta", "2.0"),
            make_wheel("acme-web", "99.0"),
            make_wheel("acme-never-published", "1.0"),
            make_wheel("corp-tools", "1.0"),
        ]
    )


@pytest.fixture
def house(tmp_path, public):
    """A proxy whose last source is the public one; patient, because devpi may be slow on a busy machine."""
    with run_asgi(public) as url:
        house = House(tmp_path, upstream=url)
        house.settings = house.settings.model_copy(update={"upstream_timeout": 20.0})
        yield house
