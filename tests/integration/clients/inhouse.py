"""A real devpi-server as the in-house index, and TLS in front of it."""

import base64
import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2

from tests.integration.clients.desk import CLIENTS

_PEERS = CLIENTS.parents[1] / ".venv-peers" / "bin"
PASSWORD = "a password of the tests"


@contextlib.contextmanager
def devpi(folder: Path) -> Iterator[str]:
    """Run devpi-server with one index, ``root/dev``, that has no upstream; give the index's address."""
    state, log = str(folder / "devpi"), (folder / "devpi.log").open("wb")
    command = [str(_PEERS / "devpi-init"), "--serverdir", state, "--no-root-pypi", "--root-passwd", PASSWORD]
    subprocess.run(command, check=True, timeout=120, stdout=log, stderr=log)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(_PEERS / "devpi-server"), "--serverdir", state, "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx2.Client(base_url=url, trust_env=False, timeout=30) as client:
            _wait(client, process)
            token = client.post("/+login", json={"user": "root", "password": PASSWORD}).json()["result"]["password"]
            login = {"X-Devpi-Auth": _basic("root", token)}
            client.put("/root/dev", json={"bases": [], "type": "stage"}, headers=login).raise_for_status()
        yield f"{url}/root/dev/"
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def _wait(client: httpx2.Client, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        assert process.poll() is None
        with contextlib.suppress(httpx2.TransportError):
            if client.get("/+api").is_success:
                return
        time.sleep(0.1)
    message = "devpi-server did not start"
    raise AssertionError(message)


def _basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


class Forward:
    """An ASGI app that hands every request on to ``url``."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __call__(self, scope, receive, send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = [(key, value) for key, value in scope["headers"] if key != b"host"]
        async with httpx2.AsyncClient(base_url=self._url, trust_env=False, timeout=30) as client:
            answer = await client.request(scope["method"], scope["path"], content=body, headers=headers)
        kept = [pair for pair in answer.headers.raw if pair[0].lower() == b"content-type"]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": kept})
        await send({"type": "http.response.body", "body": answer.content})
