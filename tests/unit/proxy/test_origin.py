import pytest

from sekisho_proxy.exchange import Request
from sekisho_proxy.origin import Origins


def _origin(host, scheme="http", known="http://127.0.0.1:8471"):
    return Origins(known)(Request("GET", "/", {b"host": host} if host is not None else {}, None, scheme=scheme))


@pytest.mark.parametrize(
    ("host", "scheme", "answer"),
    [
        (b"proxy.example", "http", "http://proxy.example"),
        (b"Proxy.Example:8471", "https", "https://Proxy.Example:8471"),
        (b"[::1]:8471", "http", "http://[::1]:8471"),
        (b"10.0.0.7:80", "http", "http://10.0.0.7:80"),
    ],
)
def test_the_origin_is_what_the_client_used(host, scheme, answer):
    assert _origin(host, scheme) == answer


@pytest.mark.parametrize(
    "host",
    [
        None,
        b"",
        b"a b",
        b"a/b",
        b"a?b",
        b"a#b",
        b"a@b",
        b'a"b',
        b"a\r\nx: y",
        b"<script>",
        b"a:b",
        b"a:123456",
        b"-a",
        b"[::1",
        b"\xe9.example",
        b"a" * 300,
    ],
)
def test_a_host_that_is_none_becomes_the_known_address(host):
    assert _origin(host) == "http://127.0.0.1:8471"


def test_where_another_server_ends_tls_its_scheme_and_path_are_known():
    assert _origin(b"index.example", known="https://index.example/sekisho/") == "https://index.example/sekisho"
    assert _origin(b"other.example", known="https://index.example/sekisho/") == "http://other.example"
    assert _origin(b"index.example", "https", known="http://index.example") == "https://index.example"
