"""The socket that a service listens on."""

import socket

import pytest

from sekisho.errors import ConflictError
from sekisho.listening import listen


@pytest.mark.parametrize("service", ["portal", "proxy"])
def test_a_port_that_is_taken_is_named_with_its_setting(service):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConflictError, match=f"127.0.0.1:{port}") as caught:
            listen("127.0.0.1", port, service=service)
    assert caught.value.where == f"SEKISHO_{service.upper()}_PORT"


def test_an_address_that_is_none_is_named_with_its_setting():
    with pytest.raises(ConflictError, match="is no address") as caught:
        listen("not an address", 0, service="portal")
    assert caught.value.where == "SEKISHO_PORTAL_HOST"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_it_listens_on_both_families(host):
    with listen(host, 0, service="proxy") as listener:
        socket.create_connection(listener.getsockname()[:2]).close()
