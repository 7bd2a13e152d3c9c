"""A client that tells a whole answer from one that was cut, and no answer from both."""

import json
import socket
from dataclasses import dataclass

import h11


@dataclass(frozen=True)
class Got:
    """An answer. ``whole`` is false where it ended before its own length or framing said so."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool

    @property
    def problem(self) -> dict:
        """What an error says (RFC 9457), or nothing."""
        return json.loads(self.body) if self.headers.get("content-type") == "application/problem+json" else {}


def ask(address: tuple[str, int], method: str, path: str, headers: dict[str, str] | None = None) -> Got:
    """Ask over a connection of its own; raise ``ConnectionError`` if there is no answer at all."""
    sent = [("host", "door"), ("connection", "close"), *(headers or {}).items()]
    parser = h11.Connection(h11.CLIENT)
    with socket.create_connection(address, timeout=60) as wire:
        wire.sendall(parser.send(h11.Request(method=method, target=path, headers=sent)) or b"")
        wire.sendall(parser.send(h11.EndOfMessage()) or b"")
        return _read(parser, wire)


def _read(parser: h11.Connection, wire: socket.socket) -> Got:
    head, body = None, bytearray()
    while True:
        try:
            event = parser.next_event()
        except h11.RemoteProtocolError as error:
            if head is None:
                message = "no answer"
                raise ConnectionError(message) from error
            return _got(head, body, whole=False)
        if event is h11.NEED_DATA:
            try:
                parser.receive_data(wire.recv(1 << 16))
            except ConnectionResetError:
                parser.receive_data(b"")
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return _got(head, body, whole=True)


def _got(head: h11.Response, body: bytearray, *, whole: bool) -> Got:
    headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
    return Got(head.status_code, headers, bytes(body), whole=whole)
