"""A channel's files over loopback, with ETag and 304: what a mirror does. Folders change by a link.

python -m bench.conda.serving FOLDER PORT
"""

import hashlib
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvicorn

Send = Callable[[dict[str, Any]], Awaitable[None]]
_CHUNK = 1 << 20


class Files:
    """An ASGI application over one folder; an ETag is of the file's place, size and time."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def __call__(self, scope: dict[str, Any], _receive: object, send: Send) -> None:
        """Answer with a file."""
        path = self._root / scope["path"].lstrip("/")
        status, headers, body = 404, [], None
        if scope["type"] == "http" and path.is_file():
            told = path.stat()
            etag = hashlib.sha256(f"{path.resolve()} {told.st_size} {told.st_mtime_ns}".encode()).hexdigest()
            asked = dict(scope["headers"]).get(b"if-none-match", b"").decode()
            status, headers = 200, [(b"etag", f'"{etag}"'.encode())]
            if asked == f'"{etag}"':
                status = 304
            else:
                headers.append((b"content-length", str(told.st_size).encode()))
                body = path
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if body is not None and scope["method"] != "HEAD":
            with body.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    uvicorn.run(Files(Path(sys.argv[1])), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", lifespan="off")
