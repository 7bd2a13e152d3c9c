"""What the builder's tests share: a definition, a lock over tiny wheels, a base without an operating system."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sekisho.lock import Lock
from sekisho.model import ImageDefinition
from sekisho_builder.assemble import Assembled, assemble
from sekisho_builder.oci.layout import LAYER, Descriptor, Layer, Layout, write_layout
from tests.records import TARGET, sha
from tests.wheels import Wheel

SITE = "opt/venv/lib/python3.11/site-packages"


def definition(**more: Any) -> ImageDefinition:
    values = {"name": "small", "base": {"debian": "some"}, "target": TARGET, "requirements": ("alpha",)}
    return ImageDefinition(**(values | more))


def lock_of(wheels: Iterable[Wheel], **more: Any) -> Lock:
    artifacts = sorted((wheel.artifact() for wheel in wheels), key=lambda artifact: artifact.project)
    values = {
        "name": "small",
        "closure": sha("closure"),
        "workspace": "everyone",
        "target": TARGET,
        "direct": ("alpha",),
        "approvals": ("a1",),
        "artifacts": tuple(artifacts),
    }
    return Lock(**(values | more))


def tiny_base(folder: Path) -> Layout:
    """Return a base of one layer that holds one file."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        info = tarfile.TarInfo("etc/base")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"base"))
    packed = gzip.compress(tar.getvalue(), mtime=0)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "base.gz"
    file.write_bytes(packed)
    described = Descriptor(LAYER, hashlib.sha256(packed).hexdigest(), len(packed))
    layer = Layer(file, described, hashlib.sha256(tar.getvalue()).hexdigest(), "base")
    config = {
        "created": "2020-01-01T00:00:00Z",
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["PATH=/bin", "FROM_BASE=1"], "Labels": {"base": "yes"}},
    }
    return write_layout(folder / "layout", [layer], config, {})


class House:
    """A folder in which images are assembled. ``asked`` lists the projects whose wheels were fetched."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.base = tiny_base(folder / "base")
        self.asked: list[str] = []
        self.progress: list[tuple[int, int]] = []

    @property
    def source(self) -> Path:
        """Return the definition's folder."""
        return self.folder / "images" / "small"

    def write(self, name: str, content: bytes) -> None:
        """Put a file into the definition's folder."""
        (self.source / name).parent.mkdir(parents=True, exist_ok=True)
        (self.source / name).write_bytes(content)

    def assemble(self, *wheels: Wheel, out: str = "out", cache: str = "cache", **more: Any) -> Assembled:
        shelf = self.folder / "wheels"
        shelf.mkdir(exist_ok=True)
        for wheel in wheels:
            (shelf / wheel.sha256).write_bytes(wheel.data)

        def fetch(artifact):
            self.asked.append(artifact.project)
            return shelf / artifact.sha256

        asked = definition(**more)
        return assemble(
            asked,
            lock_of(wheels, direct=asked.requirements, resolve_before=asked.resolve_before),
            self.base,
            fetch,
            cache=self.folder / cache,
            out=self.folder / out,
            folder=self.source,
            progress=lambda done, total: self.progress.append((done, total)),
        )

    def layout(self, out: str = "out") -> Layout:
        return Layout(self.folder / out)

    def files(self, out: str = "out") -> dict[str, tuple[tarfile.TarInfo, bytes]]:
        """Return every entry of the image's layers, the upper over the lower."""
        found: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
        layout = self.layout(out)
        for row in layout.layers:
            with tarfile.open(layout.blob(row.sha256)) as archive:
                for info in archive:
                    content = archive.extractfile(info) if info.isfile() else None
                    found[info.name] = (info, content.read() if content else b"")
        return found
