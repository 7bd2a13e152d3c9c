"""A simple index as an ASGI app, with faults, and a way to run any ASGI app on a loopback port."""

import asyncio
import contextlib
import hashlib
import json
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import uvicorn

from tests.wheels import Wheel

JSON = "application/vnd.pypi.simple.v1+json"


@dataclass
class FakeUpstream:
    """Serves wheels. ``faults`` maps a path, or its beginning, to one of
    ``500 404 slow truncated wrong redirect circle endless``; ``left`` bounds how often a fault is met.
    """

    wheels: list[Wheel] = field(default_factory=list)
    html: bool = False
    metadata: bool = True
    ranges: bool = True
    sizes: bool = True
    provenance: bool = False
    provenances: dict[str, bytes] = field(default_factory=dict)
    """By file name, instead of one whose signature nobody made."""

    status: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    left: int = 1_000_000
    elsewhere: str = "http://elsewhere.invalid/"
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    """(method, path, Range header)."""

    def paths(self, prefix: str = "/") -> list[str]:
        return [path for _, path, _ in self.requests if path.startswith(prefix)]

    def _fault(self, path: str) -> str:
        for prefix, fault in self.faults.items():
            if path.startswith(prefix) and self.left > 0:
                self.left -= 1
                return fault
        return ""

    async def __call__(self, scope, receive, send) -> None:
        path = scope["path"]
        headers = {key.decode(): value.decode() for key, value in scope["headers"]}
        self.requests.append((scope["method"], path, headers.get("range", "")))
        status, sent, body = self._answer(path, headers)
        fault = self._fault(path)
        if fault in {"500", "404"}:
            status, sent, body = int(fault), {}, b"no"
        elif fault == "redirect":
            status, sent, body = 302, {"location": self.elsewhere + path.lstrip("/")}, b""
        elif fault == "circle":
            status, sent, body = 302, {"location": path}, b""
        elif fault == "slow":
            await asyncio.sleep(3600)
        elif fault == "wrong":
            body = bytes([body[0] ^ 1]) + body[1:]
        await self._send(send, status, sent, body, fault)

    async def _send(self, send, status, sent, body, fault) -> None:
        length = {} if fault == "endless" else {"content-length": str(len(body))}
        pairs = [(key.encode(), value.encode()) for key, value in {**sent, **length}.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        if fault == "truncated":
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            return  # uvicorn sees too few bytes and cuts the connection
        if fault == "endless":
            for _ in range(4000):
                await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        await send({"type": "http.response.body", "body": body})

    def _answer(self, path, headers):
        match = re.fullmatch(r"/simple/([a-z0-9-]+)/", path)
        if match:
            return self._page(match.group(1), headers)
        for wheel in self.wheels:
            if path == f"/{wheel.path}":
                return self._ranged(wheel.data, headers)
            if path == f"/{wheel.path}.metadata" and self.metadata:
                return 200, {}, wheel.metadata
            if path == f"/{wheel.provenance_path}" and self.provenance:
                return (
                    200,
                    {"content-type": "application/vnd.pypi.integrity.v1+json"},
                    self.provenances.get(wheel.filename, wheel.provenance()),
                )
        return 404, {}, b"not found"

    def _page(self, project, headers):
        wheels = [wheel for wheel in self.wheels if wheel.project == project]
        if not wheels:
            return 404, {}, b"not found"
        if self.html:
            rows = "".join(
                f'<a href="/{wheel.path}#sha256={wheel.sha256}">{wheel.filename}</a><br>' for wheel in wheels
            )
            return 200, {"content-type": "text/html"}, f"<!DOCTYPE html><html><body>{rows}</body></html>".encode()
        page = {
            "meta": {"api-version": "1.1"},
            "name": project,
            "versions": sorted({wheel.release for wheel in wheels}),
            "files": [self._row(wheel) for wheel in wheels],
            "project-status": self.status,
        }
        body = json.dumps(page).encode()
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        if headers.get("if-none-match") == etag:
            return 304, {"etag": etag}, b""
        return 200, {"content-type": JSON, "etag": etag}, body

    def _row(self, wheel):
        row = {
            "filename": wheel.filename,
            "url": f"/{wheel.path}",
            "hashes": {"sha256": wheel.sha256},
            "upload-time": "2026-01-01T00:00:00Z",
            "yanked": False,
        }
        if self.sizes:
            row["size"] = len(wheel.data)
        if wheel.requires_python:
            row["requires-python"] = wheel.requires_python
        if self.provenance:
            row["provenance"] = f"/{wheel.provenance_path}"
        if self.metadata:
            row["core-metadata"] = {"sha256": hashlib.sha256(wheel.metadata).hexdigest()}
        return row

    def _ranged(self, data, headers):
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", headers.get("range", ""))
        if not match or not self.ranges:
            return 200, {}, data
        first, last = match.groups()
        start = int(first) if first else max(0, len(data) - int(last))
        end = min(int(last), len(data) - 1) if first and last else len(data) - 1
        if start >= len(data):
            return 416, {"content-range": f"bytes */{len(data)}"}, b""
        return 206, {"content-range": f"bytes {start}-{end}/{len(data)}"}, data[start : end + 1]


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):
        yield


@contextlib.contextmanager
def run_asgi(app, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve ``app`` from a thread on a free loopback port, over ``tls`` if given; give its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1)
    if tls:
        config.ssl_context_factory = lambda *_: tls
    server = _Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
