"""Everything that is not this house: a proxy that clients are told to use for any other host, and that writes down."""

import contextlib
import socketserver
import threading
from collections.abc import Iterator


class _Refuse(socketserver.StreamRequestHandler):
    timeout = 10

    def handle(self) -> None:
        line = self.rfile.readline(2000).decode(errors="replace").strip()
        while self.rfile.readline(2000).strip():
            pass
        self.server.asked.append(line)
        self.wfile.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")


class Outside(socketserver.ThreadingTCPServer):
    """Answers 403 to every request, and remembers its first line: ``CONNECT host:443 …`` or ``GET http://host/…``."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Refuse)
        self.asked: list[str] = []

    def environment(self) -> dict[str, str]:
        """Return the variables by which clients send every request here that is not for loopback."""
        url = f"http://127.0.0.1:{self.server_address[1]}"
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        both = {**dict.fromkeys(names, url), "NO_PROXY": "127.0.0.1,localhost"}
        return {**both, **{name.lower(): value for name, value in both.items()}}


@contextlib.contextmanager
def outside() -> Iterator[Outside]:
    """Listen on a loopback port until the context is left."""
    with Outside() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)
