"""Registries: a real one as a process, and a fake that holds one base image and refuses whatever is pushed."""

import asyncio
import gzip
import hashlib
import io
import json
import re
import tarfile
import threading
from pathlib import Path

from sekisho_builder.oci.layout import LAYER, MANIFEST, Descriptor, Layer, Layout, write_layout
from tests.integration.line.site import Process, free_port

_SAYS = {401: "UNAUTHORIZED", 500: "UNKNOWN", 507: "DENIED"}


def tiny_base(folder: Path) -> Layout:
    """Write a base image of one folder and one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("etc/tiny")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"tiny\n"))
    packed = gzip.compress(buffer.getvalue(), mtime=0)
    folder.mkdir(parents=True)
    file = folder / "layer.tar.gz"
    file.write_bytes(packed)
    digest, inner = hashlib.sha256(packed).hexdigest(), hashlib.sha256(buffer.getvalue()).hexdigest()
    layer = Layer(file, Descriptor(LAYER, digest, len(packed)), inner, "tiny")
    config = {"created": "1980-01-01T00:00:00Z", "architecture": "amd64", "os": "linux", "config": {}}
    return write_layout(folder / "layout", [layer], config, {})


class FakeRegistry:
    """Hands out ``base``. After ``hold`` it does not until ``release``; ``held`` is set when it was asked.

    Whatever else it is asked is answered with ``status``, as a registry says it.
    """

    def __init__(self, base: Layout, status: int = 500) -> None:
        self.base = base
        self.status = status
        self.held = threading.Event()
        self._freed = threading.Event()
        self._freed.set()

    def hold(self) -> None:
        self.held.clear()
        self._freed.clear()

    def release(self) -> None:
        self._freed.set()

    async def __call__(self, scope, receive, send) -> None:
        found = re.fullmatch(r"/v2/base/(manifests|blobs)/sha256:([0-9a-f]{64})", scope["path"])
        status, kind, body = self.status, b"application/json", self._refusal()
        if found and self.base.blob(found[2]).is_file():
            self.held.set()
            await asyncio.to_thread(self._freed.wait, 120)
            kind = MANIFEST.encode() if found[1] == "manifests" else b"application/octet-stream"
            status, body = 200, self.base.blob(found[2]).read_bytes()
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
        if self.status == 429:
            headers.append((b"retry-after", b"0"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _refusal(self) -> bytes:
        error = {"code": _SAYS.get(self.status, "UNKNOWN"), "message": f"the fake registry says {self.status}"}
        return json.dumps({"errors": [error]}).encode()


class RealRegistry:
    """Debian's ``docker-registry`` on loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: Process | None = None

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.port}"

    def tags(self, repository: str) -> dict[str, str]:
        """Return which manifest each tag of a repository names."""
        root = self.folder / "data/docker/registry/v2/repositories" / repository / "_manifests/tags"
        return {path.name: (path / "current" / "link").read_text() for path in root.iterdir()}

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        config = {
            "version": "0.1",
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "data")}},
            "http": {"addr": self.name},
        }
        path = self.folder / "config.json"
        path.write_text(json.dumps(config))
        self._process = Process(["docker-registry", "serve", str(path)], {"PATH": "/usr/bin"}, self.folder, "registry")
        self._process.wait_for(f"http://{self.name}/v2/")

    def stop(self) -> None:
        if self._process:
            self._process.end()
