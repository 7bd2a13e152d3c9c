"""Requests that two parsers could read in two ways: one answer or none, and the connection ends (RFC 9112 section 6.3, 11.2)."""

import socket

import pytest

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
SECOND = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
REFUSED = {
    "two lengths that differ": GET + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "two lengths in one": GET + b"Content-Length: 5, 6\r\n\r\nabcdef",
    "a length and chunks": GET + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": GET + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "chunks that are not last": GET + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "an unknown coding": GET + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a length with a sign": GET + b"Content-Length: +5\r\n\r\nabcde",
    "a length below nothing": GET + b"Content-Length: -5\r\n\r\n",
    "a length in hexadecimal": GET + b"Content-Length: 0x5\r\n\r\nabcde",
    "a length without end": GET + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "a chunk of no number": b"POST /quarantine HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n\r\n",
    "a blank before the colon": GET + b"Content-Length : 5\r\n\r\nabcde",
    "a name with a control": GET + b"X\x00Y: 1\r\n\r\n",
    "a value with a NUL": GET + b"X: a\x00b\r\n\r\n",
    "a value with a bare CR": GET + b"X: a\rb\r\n\r\n",
    "a folded value": GET + b"X: a\r\n b: c\r\n\r\n",
    "no name": GET + b": x\r\n\r\n",
    "an unknown version": b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n",
    "no method": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.fixture
def address(house):
    house.settle()
    with house.open() as client:
        yield client.base_url.host, client.base_url.port


def _say(address, data, *, ends=False):
    with socket.create_connection(address, timeout=10) as wire:
        wire.sendall(data)
        if ends:
            wire.shutdown(socket.SHUT_WR)
        said = b""
        while part := wire.recv(65536):
            said += part
    return said


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_be_two_requests_is_none(address, name):
    said = _say(address, REFUSED[name] + SECOND, ends=True)
    assert said == b"" or said.startswith(b"HTTP/1.1 400"), said[:200]
    assert said.count(b"HTTP/1.1") <= 1
    assert b"sekisho_requests" not in said


def test_a_body_that_is_not_wanted_is_not_read_as_a_request(address):
    """A GET with a body: its bytes are no second request, whatever they look like."""
    body = SECOND
    said = _say(address, GET + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert said.startswith(b"HTTP/1.1 200")
    assert said.count(b"HTTP/1.1") == 1


def test_two_requests_that_are_two_are_answered_in_order(address):
    said = _say(address, GET + b"\r\n" + b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert said.count(b"HTTP/1.1 200") == 2
    assert said.index(b'"ok"') < said.index(b'"ready"')


def test_no_answer_repeats_a_header_of_the_request(address):
    """A request id comes back only if it can be one."""
    for given, repeated in ((b"a-1", True), (b"a b", False), (b"a\xc2\x85X-Injected: 1", False)):
        said = _say(address, GET + b"X-Request-Id: " + given + b"\r\nConnection: close\r\n\r\n")
        assert (b"x-request-id: " + given in said) == repeated
        assert b"Injected" not in said
