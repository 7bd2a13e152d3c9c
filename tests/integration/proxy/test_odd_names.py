"""Odd names on every route, as raw bytes to the real server: 400 or 404, or the refusal of a file; never anything else.

Nothing outside is read, nothing odd is asked of a source, and nothing of a name becomes a header or a second answer.
"""

import re
import socket
from base64 import b64encode
from urllib.parse import quote_from_bytes, unquote_to_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.conftest import SOAK

CANARY = b"outside, and nobody's business"
DOOR = "/w/everyone/pypi"
ROUTES = [
    "/w/{}/pypi/simple/",
    "/w/{}/pypi/simple/alpha/",
    DOOR + "/simple/{}/",
    DOOR + "/simple/{}",
    DOOR + "/files/{}",
    DOOR + "/files/{}.metadata",
    DOOR + "/files/{}.provenance",
    DOOR + "/files/packages/{}/alpha-1.2-py3-none-any.whl",
    DOOR + "/{}/json",
    DOOR + "/alpha/{}/json",
    "/w/everyone/denied/{}",
    "/w/everyone/@{}/pypi/simple/alpha/",
    "/w/everyone/@{}/pypi/files/x.whl",
    "/candidates/simple/{}/",
    "/candidates/artifacts/{}/1.0",
    "/candidates/artifacts/alpha/{}",
    "/candidates/files/{}/packages/alpha-1.2-py3-none-any.whl.metadata",
    "/candidates/files/fake/{}.metadata",
    "/candidates/files/fake/{}",
    "/api/{}",
    "/quarantine/{}",
    "/{}",
]
DEEP = b"../" * 12
ODD = [
    b"..",
    b".",
    b"../../../../etc/passwd",
    b"%2e%2e/%2e%2e/%2e%2e/canary",
    b"..%2f..%2f..%2fcanary",
    b"..%252f..%252fcanary",
    b"..%5c..%5ccanary",
    b"..\\..\\canary",
    b"....//....//canary",
    b"/etc/passwd",
    b"//etc/passwd",
    b"%2fetc%2fpasswd",
    b"C:/windows/win.ini",
    b"C:%5cwindows%5cwin.ini",
    b"file:///etc/passwd",
    b"http://127.0.0.1:9/x",
    b"alpha%00",
    b"alpha%00.whl",
    b"%00",
    b"alpha%0d%0aX-Injected:%201",
    b"alpha%0aX-Injected:%201",
    b"alpha%0d%0a%0d%0aHTTP/1.1%20200%20OK",
    b"alpha%E2%80%A8X-Injected:%201",
    b"%c0%ae%c0%ae%c0%afcanary",
    b"%e0%80%ae%e0%80%ae/canary",
    b"%ff%fe",
    b"%ed%a0%80",
    b"%EF%BC%8E%EF%BC%8E%EF%BC%8Fcanary",
    b"%EF%BD%81lpha",
    b"%D0%B0lpha",
    b"alpha%CC%81",
    b"%E2%80%AEahpla",
    b"al%E2%80%8Bpha",
    b"alpha%EF%B8%8F",
    b"%C4%B1",
    b"%E2%84%AA",
    b"a" * 300,
    b"%61" * 300,
    b"a/" * 100,
    b"%",
    b"%zz",
    b"%u002e%u002e",
    b"alpha%2",
    b";",
    b"alpha;x=y",
    b"alpha%3Fx",
    b"alpha%23x",
    b"-",
    b"--",
    b"~",
    b"*",
    b"$(id)",
    b"`id`",
    b"{{7*7}}",
    b"%3Cscript%3Ealert(1)%3C/script%3E",
    b"' or 1=1 --".replace(b" ", b"%20"),
    DEEP + b"canary",
]
PLAIN = re.compile(rb"[A-Za-z0-9]([A-Za-z0-9._-]{0,60}[A-Za-z0-9])?")
FINE = {400, 401, 404, 409}


class Wire:
    """Requests as bytes, on connections of their own."""

    def __init__(self, client, token):
        self._address = client.base_url.host, client.base_url.port
        login = b64encode(f"__token__:{token}".encode()).decode()
        self._headers = f"Host: x\r\nAuthorization: Basic {login}\r\nConnection: close\r\n\r\n".encode()

    def ask(self, target: bytes) -> tuple[int, bytes, bytes]:
        """Return status, head and body; there is exactly one answer."""
        with socket.create_connection(self._address, timeout=10) as wire:
            wire.sendall(b"GET " + target + b" HTTP/1.1\r\n" + self._headers)
            said = b""
            while part := wire.recv(65536):
                said += part
        head, _, body = said.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 "), (target, said[:200])
        return int(head.split()[1]), head, body


@pytest.fixture
def wire(house, approved, tmp_path):
    (tmp_path / "canary").write_bytes(CANARY)
    house.settle(house.approval(approved[0]))
    with house.open() as client:
        yield Wire(client, house.token)


def _look(wire, route, name):
    status, head, body = wire.ask(route.encode().replace(b"{}", name))
    fine = FINE | ({403} if re.search(r"/(files|denied|json)", route) else set())
    fine = fine | ({405} if route.startswith("/quarantine/") else set())
    plain = PLAIN.fullmatch(unquote_to_bytes(name).strip(b"/")) or not name
    assert status < 500, (route, name)
    assert status in fine or plain or (b"/" in unquote_to_bytes(name) and status in {403, 404}), (route, name, status)
    assert CANARY not in body
    assert b"root:" not in body
    assert b"skp_service" not in body
    assert not re.search(rb"(?im)^x-injected", head)
    lengths = re.findall(rb"(?i)content-length: (\d+)", head)
    assert [len(body)] == list(map(int, lengths)), (route, name)


def _asked(upstream):
    """What was asked of the source."""
    return {path for _, path, _ in upstream.requests}


def test_odd_names_on_every_route(wire, upstream):
    for route in ROUTES:
        for name in ODD:
            _look(wire, route, name)
    allowed = {"/simple/alpha/"} | {f"/{wheel.path}" for wheel in upstream.wheels}
    odd = {path for path in _asked(upstream) if not re.fullmatch(r"/simple/[a-z0-9]([a-z0-9-]*[a-z0-9])?/", path)}
    assert odd - allowed == set()


PIECES = st.sampled_from(
    [b"..", b"/", b"%2f", b"%5c", b"\\", b"%00", b"%0d%0a", b"alpha", b".whl", b"%c0%af", b"@", b"%"]
)
NAMES = st.one_of(
    st.text(min_size=1, max_size=40).map(lambda text: quote_from_bytes(text.encode("utf-8", "surrogatepass"), safe="")),
    st.binary(min_size=1, max_size=40).map(lambda data: quote_from_bytes(data, safe="/")),
    st.lists(PIECES, min_size=1, max_size=8).map(lambda parts: b"".join(parts).decode()),
).map(str.encode)
RAW = st.binary(min_size=1, max_size=30).filter(lambda data: not set(data) & set(b" \t\r\n\x0b\x0c"))


@settings(
    max_examples=2000 if SOAK else 120,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(route=st.sampled_from(ROUTES), name=st.one_of(NAMES, RAW))
def test_generated_names_on_every_route(wire, route, name):
    _look(wire, route, name)


@pytest.mark.parametrize(
    "target",
    [
        b"*",
        b"",
        b"/",
        b"//",
        b"http://elsewhere.invalid/x",
        b"http://elsewhere.invalid",
        b"elsewhere.invalid:443",
        b"?",
    ],
)
def test_targets_that_are_no_path(wire, target):
    status, _, body = wire.ask(target)
    assert status in {400, 404}, body


def test_a_whole_url_means_its_path_here_and_no_other_host(wire, upstream):
    """RFC 9112 section 3.2.2 wants it to be understood."""
    status, _, body = wire.ask(b"http://elsewhere.invalid/w/everyone/pypi/simple/")
    assert (status, b"elsewhere" in body) == (200, False)
    assert [path for path in _asked(upstream) if "elsewhere" in path] == []


@pytest.mark.parametrize("byte", [b"\x00", b"\r", b"\n", b"\x0b", b"\x7f", b"\xff", b" "])
def test_raw_controls_in_a_target_are_no_request(wire, byte):
    status, head, _ = wire.ask(b"/w/everyone/pypi/simple/al" + byte + b"pha/")
    assert status in {400, 404}
    assert b"x-injected" not in head.lower()
