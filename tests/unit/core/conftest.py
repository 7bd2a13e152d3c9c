"""One fake portal for the whole room: starting and stopping a server for each test takes longer than the tests."""

import pytest

from tests.fake_portal import FakePortal
from tests.fake_upstream import run_asgi


@pytest.fixture(scope="package")
def _served():
    portal = FakePortal()
    with run_asgi(portal) as url:
        yield portal, url


@pytest.fixture
def portal(_served):
    portal, _ = _served
    portal.forget()
    return portal


@pytest.fixture
def portal_url(_served):
    return _served[1]
