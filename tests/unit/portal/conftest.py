import pytest

from tests.unit.portal.house import House, Web


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path)
    yield house
    house.ledger._engine.dispose()


@pytest.fixture
def web(house):
    return Web(house)
