"""What PyPI says to a resolver, recorded once and then played on loopback: pages and the METADATA of wheels, no files.

It is kept in the user's cache. Recording asks PyPI for a few things at a time, each once.
"""

import asyncio
import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pypi_simple import ACCEPT_JSON_ONLY, PyPISimple
from requests import RequestException

from bench.place import MeasureError
from sekisho.errors import SekishoError
from sekisho.sources import Source
from sekisho.store import write_atomically
from sekisho_proxy.negotiate import JSON
from sekisho_proxy.upstream.fetcher import Fetcher, make_client
from sekisho_proxy.upstream.listing import Listing, UpstreamFile, parse_listing
from sekisho_proxy.upstream.place import locate
from sekisho_proxy.upstream.remote_metadata import fetch_metadata

_AT_ONCE = 4
_PATIENCE = 60


class Tape:
    """The recording in ``folder``. ``live`` records what is missing; ``missed`` are what was asked for in vain."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._gently = threading.Semaphore(_AT_ONCE)
        self._pypi = PyPISimple()
        self._files: dict[str, UpstreamFile] = {}
        self.live = False
        self.missed: set[str] = set()
        self.listing = lru_cache(maxsize=None)(self._listing)
        self._served = lru_cache(maxsize=None)(self._page)

    @property
    def taken(self) -> datetime:
        """Return since when it is true; the first use of it decides."""
        path = self._folder / "taken"
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, datetime.now(UTC).isoformat().encode())
        return datetime.fromisoformat(path.read_text())

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing was recorded yet."""
        return not (self._folder / "pages").exists()

    def _kept(self, name: str, record: Callable[[], bytes]) -> bytes | None:
        path = self._folder / name
        if path.exists():
            return gzip.decompress(path.read_bytes()) or None
        if not self.live:
            self.missed.add(name)
            return None
        with self._gently:
            try:
                found = record()
            except (RequestException, SekishoError) as error:
                raise MeasureError(f"PyPI cannot be asked for {name}: {error}") from error
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, gzip.compress(found, 1))
        return found or None

    def _raw(self, project: str) -> dict[str, Any] | None:
        body = self._kept(f"pages/{project}", lambda: self._ask_page(project))
        return json.loads(body) if body else None

    def _ask_page(self, project: str) -> bytes:
        """Return a page as it comes, and nothing for one that there is not."""
        url = self._pypi.get_project_url(project)
        answer = self._pypi.s.get(url, headers={"accept": ACCEPT_JSON_ONLY}, timeout=_PATIENCE)
        if answer.status_code == 404:
            return b""
        answer.raise_for_status()
        return answer.content

    @staticmethod
    def _ask_metadata(file: UpstreamFile) -> bytes:
        """Return METADATA as the proxy gets it: beside the wheel, or out of it by a range or two."""

        async def ask() -> bytes:
            async with make_client(_PATIENCE) as client:
                place = locate(Source(id="pypi", preset="pypi"))
                return await fetch_metadata(Fetcher(client, place, timeout=_PATIENCE), file)

        return asyncio.run(ask())

    def _page(self, project: str) -> bytes | None:
        page = self._raw(project)
        if page is None:
            return None
        for row in page["files"]:
            row["url"] = f"/files{urlsplit(row['url']).path}"
            row.pop("provenance", None)
            row["core-metadata"] = row["filename"].endswith(".whl")
        self._files.update((unquote(file.path), file) for file in self.listing(project).files)
        return json.dumps(page).encode()

    def _listing(self, project: str) -> Listing:
        """Return a page as the proxy reads it."""
        page = self._raw(project)
        if page is None:
            raise MeasureError(f"PyPI has no {project}")
        for row in page["files"]:
            row["core-metadata"] = row["filename"].endswith(".whl")  # a mirror may have it and not say so
        return parse_listing("pypi", project, self._pypi.get_project_url(project), JSON, json.dumps(page).encode())

    def answer(self, path: str) -> bytes | None:
        """Return what a resolver gets."""
        if path.startswith("/simple/"):
            project = path.removeprefix("/simple/").strip("/")
            found = self._served(project)
            if found is None:
                self._served.cache_clear()
            return found
        file = self._files.get(unquote(path.removeprefix("/files/").removesuffix(".metadata")))
        if not path.endswith(".metadata") or file is None:
            return None
        return self._kept(f"metadata/{file.sha256}", lambda: self._ask_metadata(file))

    @contextmanager
    def playing(self) -> Iterator[str]:
        """Serve the tape on loopback; give its address."""
        tape = self

        class Player(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                try:
                    body = tape.answer(self.path)
                except Exception as error:  # noqa: BLE001 (the figure is not taken, whatever it is)
                    tape.missed.add(f"{self.path}: {error}")
                    body = None
                self.send_response(404 if body is None else 200)
                kind = JSON if self.path.startswith("/simple/") else "application/octet-stream"
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Pass over a resolver that is gone."""

        with Quiet(("127.0.0.1", 0), Player) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_address[1]}"
            finally:
                server.shutdown()
                thread.join()
