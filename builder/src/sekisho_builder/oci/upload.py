"""One blob into a registry: mounted from another repository if it can be, else sent in pieces."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urljoin

from sekisho.errors import CorruptError, RefusedError, UpstreamError
from sekisho.store import file_sha256
from sekisho_builder.oci.connection import Answer, Connection, number
from sekisho_builder.oci.layout import Descriptor

PIECE = 8 << 20
"""Bytes per PATCH: a known registry refuses bodies above 20 MB with 413."""

_STALLS = 8

Sent = Literal["sent", "mounted"]


def is_there(connection: Connection, blob: Descriptor) -> bool:
    """Tell whether the repository has a blob."""
    return connection.ask("HEAD", f"blobs/sha256:{blob.sha256}", expect={200, 404}).status_code == 200


def send_blob(connection: Connection, blob: Descriptor, path: Path, *, source: str | None = None) -> Sent:
    """Bring a blob into the repository and say how; raise ``UpstreamError`` when it cannot be done.

    ``source`` is a repository of the same registry that may have it.
    """
    if source is not None and source != connection.repository and _mount(connection, blob, source):
        return "mounted"
    if file_sha256(path) != blob.sha256:
        raise CorruptError(
            f"blob sha256:{blob.sha256} is damaged on this machine",
            where=str(path),
            todo="delete the builder's kept layers and the image, and build again",
        )
    _Upload(connection, blob, path).run()
    return "sent"


def _mount(connection: Connection, blob: Descriptor, source: str) -> bool:
    """Ask for a blob of another repository (distribution-spec, "Mounting a blob from another repository").

    A registry that cannot, or whose token does not reach so far, opens an upload or refuses: both mean no.
    """
    asked = f"blobs/uploads/?mount=sha256:{blob.sha256}&from={quote(source, safe='')}"
    try:
        answer = connection.ask("POST", asked, expect={201, 202}, headers={"Content-Length": "0"}, again=False)
    except (RefusedError, UpstreamError):
        return False
    if answer.status_code == 202:  # an upload that nobody goes on with; a registry may not know DELETE
        with suppress(RefusedError, UpstreamError):
            connection.ask("DELETE", _location(answer), expect={204}, again=False)
    return answer.status_code == 201


def _location(answer: Answer) -> str:
    """Return where an upload goes on; ``Location`` may be relative to the request (RFC 9110, 10.2.2)."""
    location = answer.headers.get("Location")
    if not location:
        raise UpstreamError("the registry opened an upload and did not say where", where=str(answer.url.host))
    try:
        return urljoin(str(answer.url), location)
    except ValueError as error:
        raise UpstreamError(f"the registry names no address: {location[:200]!r}", where=str(answer.url.host)) from error


class _Upload:
    """A chunked upload (distribution-spec, "Pushing a blob in chunks") that survives a lost answer.

    After any failure the registry is asked how much it has, since a piece may have arrived though its answer did not.
    """

    def __init__(self, connection: Connection, blob: Descriptor, path: Path) -> None:
        self._connection = connection
        self._blob = blob
        self._path = path
        self._at = 0
        self._stalls = 0
        self._where = ""

    def run(self) -> None:
        with self._path.open("rb") as file:
            self._begin()
            while not self._step(file.fileno()):
                pass

    def _begin(self) -> None:
        self._where = _location(self._connection.ask("POST", "blobs/uploads/", expect={202}))
        self._at = 0

    def _step(self, handle: int) -> bool:
        """Send the next piece, or finish; tell whether the blob is complete."""
        try:
            if self._at < self._blob.size:
                self._send_piece(handle)
                return False
            return self._finish()
        except UpstreamError:
            self._stalls += 1
            if self._stalls > _STALLS:
                raise
            return self._recover()

    def _send_piece(self, handle: int) -> None:
        piece = os.pread(handle, min(PIECE, self._blob.size - self._at), self._at)
        if not piece:
            raise UpstreamError("the blob became shorter while it was sent", where=str(self._path))
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Range": f"{self._at}-{self._at + len(piece) - 1}",
        }
        answer = self._connection.ask("PATCH", self._where, expect={202}, headers=headers, content=piece, again=False)
        self._where = _location(answer)
        self._at += len(piece)

    def _finish(self) -> bool:
        joint = "&" if "?" in self._where else "?"
        url = f"{self._where}{joint}digest=sha256:{self._blob.sha256}"
        self._connection.ask("PUT", url, expect={201, 204}, headers={"Content-Length": "0"}, again=False)
        return True

    def _recover(self) -> bool:
        """Find out where the registry stands; begin anew if it has forgotten the upload."""
        digest = f"sha256:{self._blob.sha256}"
        if self._connection.ask("HEAD", f"blobs/{digest}", expect={200, 404}).status_code == 200:
            return True
        try:
            answer = self._connection.ask("GET", self._where, expect={202, 204})
        except UpstreamError:
            self._begin()
            return False
        last = number(answer.headers.get("Range", "").rpartition("-")[2])
        if last is None or last >= self._blob.size:
            self._begin()
            return False
        self._at = last + 1 if last else 0
        if "Location" in answer.headers:
            self._where = _location(answer)
        return False
