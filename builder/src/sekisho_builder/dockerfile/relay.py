"""A network in which there is nothing but the proxy: a namespace without an interface, and one socket that leads out.

An internal network of Docker 20.10 keeps a default route to the host's bridge. So the namespace is that of a container
without a network. In it a small program listens on loopback, and hands what it hears to a Unix socket of this process,
which speaks to the proxy and to nobody else. Build steps join that namespace.
"""

import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from sekisho.containers import DockerContainers, Served
from sekisho.errors import UpstreamError
from sekisho.ports import ContainerTask, Mount

PORT = 8471
_INSIDE = "/run/sekisho"
_READY = "listening"
_PROGRAM = """
import socket, sys, threading
def pump(one, other):
    try:
        while data := one.recv(65536):
            other.sendall(data)
    except OSError:
        pass
    finally:
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
print("listening", flush=True)
while True:
    heard, _ = server.accept()
    out = socket.socket(socket.AF_UNIX)
    out.connect(sys.argv[2])
    for pair in ((heard, out), (out, heard)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"""


@contextmanager
def only_the_proxy(containers: DockerContainers, image: str, proxy: str, ca: Path | None = None) -> Iterator[Served]:
    """Give a container whose namespace reaches ``proxy`` on loopback, port ``PORT``, and nothing else."""
    with tempfile.TemporaryDirectory(prefix="sekisho-relay-") as shelf:
        folder = Path(shelf)
        folder.chmod(0o755)
        path = folder / "proxy.sock"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        path.chmod(0o666)  # whoever the container runs as may connect
        listener.listen(64)
        thread = threading.Thread(target=_serve, args=(listener, proxy, ca), daemon=True)
        thread.start()
        task = ContainerTask(
            image=image,
            entrypoint=("python3", "-I", "-S", "-c"),
            command=(_PROGRAM, str(PORT), f"{_INSIDE}/proxy.sock"),
            mounts=(Mount(outside=shelf, inside=_INSIDE),),
            read_only=True,
        )
        try:
            with containers.serve(task) as served:
                _await(served)
                yield served
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join(5)


def _await(served: Served) -> None:
    for _ in range(300):
        if _READY in served.output():
            return
        if not served.pid:
            break
        threading.Event().wait(0.1)
    raise UpstreamError(f"the way to the proxy did not open: {served.output()[-300:]}", todo="see the engine's log")


def _serve(listener: socket.socket, proxy: str, ca: Path | None) -> None:
    while True:
        try:
            heard, _ = listener.accept()
        except OSError:  # closed: the build is over
            return
        try:
            out = _connect(proxy, ca)
        except OSError:
            heard.close()
            continue
        for one, other in ((heard, out), (out, heard)):
            threading.Thread(target=_pump, args=(one, other), daemon=True).start()


def _connect(proxy: str, ca: Path | None) -> socket.socket:
    parts = urlsplit(proxy)
    plain = socket.create_connection((parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)), 10)
    plain.settimeout(None)
    if parts.scheme != "https":
        return plain
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    return context.wrap_socket(plain, server_hostname=parts.hostname)


def _pump(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(1 << 16):
            other.sendall(data)
    for end in (one, other):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
