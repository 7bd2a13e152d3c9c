"""What PyPI says once, kept: an index on loopback that asks PyPI for what it does not have yet, and keeps that.

Whoever records runs the clients that are to be measured through it. What they asked for is then a folder, of which
every later run is served the same, and PyPI is asked for nothing.
"""

import io
import json
import shutil
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from socketserver import BaseServer
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

from packaging.utils import canonicalize_name
from pypi_simple import ACCEPT_JSON_ONLY, PYPI_SIMPLE_ENDPOINT, PyPISimple
from requests import RequestException

JSON = "application/vnd.pypi.simple.v1+json"
_CHUNK = 1 << 18
_PATIENCE = 120


class Recording:
    """A folder: ``pages`` as they came, by project, and ``files`` by the path that the file host has them at."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._hosts: dict[str, str] = {}

    @property
    def pages(self) -> dict[str, dict[str, Any]]:
        """Return every page that is kept, by project."""
        return {file.stem: json.loads(file.read_bytes()) for file in sorted((self.folder / "pages").glob("*.json"))}

    def file(self, path: str) -> Path:
        """Return where a file is kept, or will be."""
        return self.folder / "files" / path

    def page(self, pypi: PyPISimple, project: str) -> dict[str, Any] | None:
        """Return a page, asked for if it is not here; nothing if there is none."""
        kept = self.folder / "pages" / f"{project}.json"
        if not kept.exists():
            answer = pypi.s.get(pypi.get_project_url(project), headers={"accept": ACCEPT_JSON_ONLY}, timeout=_PATIENCE)
            if answer.status_code == 404:
                return None
            answer.raise_for_status()
            _write(kept, [answer.content])
        found: dict[str, Any] = json.loads(kept.read_bytes())
        for row in found["files"]:
            parts = urlsplit(urljoin(pypi.get_project_url(project), row["url"]))
            self._hosts[parts.path.lstrip("/")] = f"{parts.scheme}://{parts.netloc}"
        return found

    def _host(self, pypi: PyPISimple, path: str) -> str:
        if path not in self._hosts:  # a page of an earlier run
            self.page(pypi, canonicalize_name(path.rpartition("/")[2].partition("-")[0]))
        return self._hosts[path]

    def fetch(self, pypi: PyPISimple, path: str) -> Iterator[bytes]:
        """Yield a file's bytes as they come, and keep them once all of them have come."""
        with pypi.s.get(f"{self._host(pypi, path)}/{path}", stream=True, timeout=_PATIENCE) as answer:
            answer.raise_for_status()
            yield from _kept(self.file(path), answer.iter_content(_CHUNK))

    def metadata(self, pypi: PyPISimple, path: str) -> bytes:
        """Return a wheel's METADATA: read out of it, wherever it is, and kept beside it."""
        kept, wheel = self.file(f"{path}.metadata"), self.file(path)
        if not kept.exists():
            if wheel.exists():
                data = metadata_of(wheel)
            else:
                remote = _RemoteFile(pypi, f"{self._host(pypi, path)}/{path}")
                data = metadata_of(io.BufferedReader(remote, _CHUNK))
            _write(kept, [data])
        return kept.read_bytes()


def metadata_of(wheel: Path | IO[bytes]) -> bytes:
    """Return the METADATA of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        found = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1)
        return archive.read(next(found))


class _RemoteFile(io.RawIOBase):
    """A file that is read in parts, by ranges."""

    def __init__(self, pypi: PyPISimple, url: str) -> None:
        self._session, self._url, self._at = pypi.s, url, 0
        answer = self._session.head(url, timeout=_PATIENCE, allow_redirects=True)
        answer.raise_for_status()
        self._size = int(answer.headers["content-length"])

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = (0, self._at, self._size)[whence] + offset
        return self._at

    def readinto(self, into: Any) -> int:  # noqa: ANN401 (a buffer)
        end = min(self._at + len(into), self._size)
        if self._at >= end:
            return 0
        asked = {"range": f"bytes={self._at}-{end - 1}", "accept-encoding": "identity"}
        answer = self._session.get(self._url, headers=asked, timeout=_PATIENCE)
        answer.raise_for_status()
        if answer.status_code != 206:
            raise OSError("the file host knows no ranges")
        into[: len(answer.content)] = answer.content
        self._at += len(answer.content)
        return len(answer.content)


def moved(row: dict[str, Any], host: str) -> dict[str, Any]:
    """Return a row of a page with its file at ``host``, and METADATA beside every wheel, as PyPI has it."""
    more = {"core-metadata": True} if row["filename"].endswith(".whl") else {}
    return {**row, "url": host + urlsplit(row["url"]).path, **more}


def _write(path: Path, parts: list[bytes]) -> None:
    for _ in _kept(path, iter(parts)):
        pass


def _kept(path: Path, parts: Iterator[bytes]) -> Iterator[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{threading.get_ident()}")
    try:
        with half.open("wb") as file:
            for part in parts:
                file.write(part)
                yield part
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


@contextmanager
def record(folder: Path, endpoint: str = PYPI_SIMPLE_ENDPOINT) -> Iterator[str]:
    """Serve an index on loopback while the context lasts; yield its address. What is not kept is asked for there."""
    with (
        PyPISimple(endpoint) as pypi,
        ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, Recording(folder), pypi)) as server,
    ):
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/simple/"
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(
        self, recording: Recording, pypi: PyPISimple, request: socket, client: tuple[str, int], server: BaseServer
    ) -> None:
        self._recording, self._pypi = recording, pypi
        super().__init__(request, client, server)  # answers, and returns when the connection has ended

    def do_HEAD(self) -> None:
        """Answer for a file as if it could only be had whole: a client that then reads parts of it gets all of it."""
        self.do_GET()

    def do_GET(self) -> None:
        """Answer a page or a file."""
        recording, pypi = self._recording, self._pypi
        path = urlsplit(self.path).path.strip("/")
        try:
            if path.startswith("simple/"):
                self._page(recording.page(pypi, path.removeprefix("simple/")))
            elif path.endswith(".metadata"):
                self._body(recording.metadata(pypi, path.removesuffix(".metadata")), "application/octet-stream")
            else:
                self._file(recording, pypi, path)
        except (RequestException, KeyError) as error:
            with suppress(OSError):
                self.send_error(502, str(error)[:200])
        except OSError:  # the client has gone
            self.close_connection = True

    def _page(self, page: dict[str, Any] | None) -> None:
        if page is None:
            self.send_error(404)
            return
        host = f"http://{self.headers['Host']}"
        rows = [moved(row, host) for row in page["files"]]
        self._body(json.dumps({**page, "files": rows}).encode(), JSON)

    def _body(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _file(self, recording: Recording, pypi: PyPISimple, path: str) -> None:
        kept = recording.file(path)
        if self.command == "HEAD" and not kept.exists():
            for _ in recording.fetch(pypi, path):
                pass
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        if kept.exists():
            self.send_header("Content-Length", str(kept.stat().st_size))
            self.end_headers()
            if self.command == "HEAD":
                return
            with kept.open("rb") as file:
                shutil.copyfileobj(file, self.wfile, _CHUNK)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in recording.fetch(pypi, path):
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Say nothing."""
