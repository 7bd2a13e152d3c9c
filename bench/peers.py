"""Our proxy and the servers beside it: how each is started, and where its pages are."""

import base64
import subprocess
from pathlib import Path
from typing import NamedTuple

import httpx2

from bench import nginx
from bench.place import BIN, PEERS, MeasureError, bare_environment, free_port
from bench.processes import Server, Servers

JSON = "application/vnd.pypi.simple.v1+json"
_PASSWORD = "bench"  # noqa: S105 (of a server that lives for minutes, on loopback)


class Peer(NamedTuple):
    """A server that is measured; ``root`` is its index, and ends in a slash."""

    name: str
    server: Server
    root: str

    def page(self, project: str) -> str:
        """Return the address of a project's page."""
        return f"{self.root}{project}/"


def ours(servers: Servers, folder: Path, portal: str, *, first: str) -> Peer:
    """Start our proxy as a site does; ``first`` is the project whose page is asked until it answers."""
    port = free_port()
    environment = bare_environment(
        folder, SEKISHO_DATA=str(folder / "data"), SEKISHO_PROXY_PORT=str(port), SEKISHO_PORTAL_URL=portal
    )
    server = servers.start("sekisho", [str(BIN / "sekisho"), "proxy", "serve"], environment, folder)
    root = f"http://127.0.0.1:{port}/w/everyone/pypi/simple/"
    server.wait_for(f"{root}{first}/", accept=JSON)
    return Peer("sekisho", server, root)


def plain_files(servers: Servers, folder: Path, *, first: str) -> tuple[Peer, Peer]:
    """Start nginx over what was laid down in ``folder``/root, under the same addresses as ours.

    It is one server with two ports: with Debian's settings, and tuned for large pages.
    """
    port, tuned = free_port(), free_port()
    server = nginx.start(servers, "nginx", folder, port, log=False, tuned=tuned)
    root, other = (f"http://127.0.0.1:{at}/w/everyone/pypi/simple/" for at in (port, tuned))
    server.wait_for(f"{root}{first}/")
    return Peer("nginx", server, root), Peer("nginx tuned", server, other)


def proxpi(servers: Servers, folder: Path, upstream: str) -> Peer:
    """Start proxpi under gunicorn, one worker with eight threads, as its own image does."""
    port = free_port()
    (folder / "cache").mkdir(parents=True, exist_ok=True)
    environment = bare_environment(
        folder, PROXPI_INDEX_URL=f"{upstream}/simple/", PROXPI_CACHE_DIR=str(folder / "cache")
    )
    command = [str(PEERS / "gunicorn"), "--bind", f"127.0.0.1:{port}", "--threads", "8", "proxpi.server:app"]
    server = servers.start("proxpi", command, environment, folder)
    server.wait_for(f"http://127.0.0.1:{port}/health")
    return Peer("proxpi", server, f"http://127.0.0.1:{port}/index/")


def devpi(servers: Servers, folder: Path, upstream: str) -> Peer:
    """Start devpi-server with its defaults and one mirror index over the upstream; it never knows another one."""
    port, data, environment = free_port(), folder / "server", bare_environment(folder)
    folder.mkdir(parents=True, exist_ok=True)
    init = [str(PEERS / "devpi-init"), "--serverdir", str(data), "--no-root-pypi", "--root-passwd", _PASSWORD]
    done = subprocess.run(init, capture_output=True, text=True, check=False, timeout=120, env=environment)
    if done.returncode:
        raise MeasureError(f"devpi-init failed: {done.stderr.strip()[-300:]}")
    command = [str(PEERS / "devpi-server"), "--serverdir", str(data), "--port", str(port), "--host", "127.0.0.1"]
    server = servers.start("devpi", command, environment, folder)
    url = f"http://127.0.0.1:{port}"
    server.wait_for(f"{url}/+api")
    _add_mirror(url, f"{upstream}/simple/")
    return Peer("devpi", server, f"{url}/root/mirror/+simple/")


def _add_mirror(url: str, upstream: str) -> None:
    with httpx2.Client(base_url=url, trust_env=False, timeout=60) as client:
        token = client.post("/+login", json={"user": "root", "password": _PASSWORD}).json()["result"]["password"]
        key = base64.b64encode(f"root:{token}".encode()).decode()
        made = client.put(
            "/root/mirror",
            json={"type": "mirror", "mirror_url": upstream, "volatile": False},
            headers={"x-devpi-auth": key},
        )
        if made.status_code != 200:
            raise MeasureError(f"devpi made no mirror index: {made.text[:300]}")
