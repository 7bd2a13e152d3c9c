"""What tests of gates share: layers made entry by entry, a base with dpkg's records, and an image with its papers."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sekisho.lock import Lock
from sekisho.model import (
    Approval,
    GateResult,
    ImageDefinition,
    Judgement,
    Outcome,
    Reason,
    Verdict,
    canonical_json,
    sha256_hex,
)
from sekisho.model.image import Accepted
from sekisho_builder.assemble import assemble
from sekisho_builder.dockerfile import Dockerfiled
from sekisho_builder.gates import GATES, Made, OnRecord, run_gates
from sekisho_builder.oci.layout import CONFIG, LAYER, MANIFEST, Descriptor, Layer, Layout, seal_layout, write_layout
from tests.channels.packages import Package
from tests.fakes import FakeContainers
from tests.records import NOW, approval, policy, sha
from tests.unit.builder.conda_room import conda_lock_of
from tests.unit.builder.room import definition
from tests.wheels import Wheel, make_wheel

STATUS = b"""Package: libsmall1
Status: install ok installed
Architecture: amd64
Source: small (1.0)
Version: 1:1.0-2+deb12u1

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0
"""
COPYRIGHT = b"""Format: machine-readable, 1.0

Files: *
License: GPL-2+ or Expat

License: GPL-2+
 the text
"""
SYSTEM = {
    "etc/os-release": b'ID=debian\nVERSION_ID="12"\n',
    "var/lib/dpkg/status": STATUS,
    "usr/share/doc/libsmall1/copyright": COPYRIGHT,
}
ACCEPT = tuple(
    Accepted(gate=gate, what="deb/*", reason="Debian's own, and only a test") for gate in ("licences", "advisories")
)
LICENCE = {"id": "licence", "check": "license", "allow": ["MIT"], "then": "review"}
WEAKNESS = {"id": "weakness", "check": "advisory", "severity": 4.0, "then": "review"}
STATIC = (
    "traced-files", "privileges", "secrets", "budget", "licences", "advisories", "start-up", "gpu-driver",
    "same-digest", "sbom",
)  # fmt: skip


def entry(name: str, content: bytes = b"", *, kind: bytes = tarfile.REGTYPE, mode: int = 0o644, **more: Any) -> tuple:
    """Return a tar entry and its content."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size = kind, mode, len(content)
    for key, value in more.items():
        setattr(info, key, value)
    return info, content


def tar_of(entries: Iterable[tuple]) -> bytes:
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return tar.getvalue()


def layer_of(folder: Path, tar: bytes, *, packed: bytes | None = None) -> Layer:
    """Write a layer that holds ``tar``."""
    data = gzip.compress(tar, mtime=0) if packed is None else packed
    digest = hashlib.sha256(data).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / digest).write_bytes(data)
    return Layer(folder / digest, Descriptor(LAYER, digest, len(data)), hashlib.sha256(tar).hexdigest(), "test")


def allow_all(lock: Lock, reasons: Mapping[str, Iterable[Reason]] = MappingProxyType({})) -> Judgement:
    """Return a judgement on a lock, with ``reasons`` by project."""
    verdicts = tuple(
        Verdict(purl=a.purl, sha256=a.sha256, outcome=Outcome.ALLOW, reasons=tuple(reasons.get(a.project, ())))
        for a in lock.artifacts
    )
    return Judgement(closure=sha("closure"), policy=sha("policy"), at=NOW, outcome=Outcome.ALLOW, verdicts=verdicts)


class Gating:
    """An image of some wheels on a base, and the gates over it. What a test does not care about is sound."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept: dict[str, bytes] = {}
        self.wheels: tuple[Wheel, ...] = (make_wheel("alpha"),)
        self.packages: tuple[Package, ...] = ()
        """Conda packages, with ``conda`` and ``prefix`` in the definition."""
        self.base: list[tuple] = [entry(name, content) for name, content in SYSTEM.items()]
        self.base_config: dict[str, Any] = {}
        self.on_top: list[Layer] = []
        self.history: list[dict[str, str]] = []
        self.reasons: Mapping[str, Iterable[Reason]] = {}
        self.rules: tuple[Mapping[str, Any], ...] = (LICENCE, WEAKNESS)
        self.more: dict[str, Any] = {}
        self.again: Any = None
        self.above: Dockerfiled | None = None

    def definition(self, **more: Any) -> ImageDefinition:
        return definition(**({"accept": ACCEPT} | more))

    def build(self, **more: Any) -> Made:
        """Assemble, put ``on_top`` what no assembly would, and return it with its papers."""
        made = self.definition(**more)
        lock = conda_lock_of(self.packages, self.wheels, direct=made.requirements, conda=made.conda)
        shelf = self.folder / "wheels"
        shelf.mkdir(exist_ok=True)
        for wheel in (*self.wheels, *self.packages):
            (shelf / wheel.sha256).write_bytes(wheel.data)
        config = {"created": "2020-01-01T00:00:00Z", "architecture": "amd64", "os": "linux", "config": self.base_config}
        base = write_layout(self.folder / "base", [layer_of(self.folder / "l", tar_of(self.base))], config, {})

        def put(cache: str, out: Path) -> Layout:
            images = self.folder / "images"
            assemble(made, lock, base, lambda a: shelf / a.sha256, cache=self.folder / cache, out=out, folder=images)
            return Layout(out)

        layout = put("cache", self.folder / "out")
        if self.on_top or self.history:
            layout = self._tamper(layout)
        judgement = allow_all(lock, self.reasons)
        record = OnRecord(**({"policy": policy(*self.rules), "judgement": judgement} | self.more))
        again = self.again or (lambda empty: put(str(empty / "cache"), empty / "out"))
        return Made(
            definition=made, lock=lock, layout=layout, base=base, folder=self.folder / "images", debs=None,
            wheels=lambda a: shelf / a.sha256, again=again, keep=self.kept.__setitem__, record=record,
            above=self.above,
        )  # fmt: skip

    def _tamper(self, layout: Layout) -> Layout:
        config = layout.config
        diff_ids = [row.partition(":")[2] for row in config["rootfs"]["diff_ids"]]
        layers = [
            Layer(layout.blob(row.sha256), row, diff, "kept") for row, diff in zip(layout.layers, diff_ids, strict=True)
        ]
        plain = {key: value for key, value in config.items() if key not in {"rootfs", "history"}}
        made = write_layout(self.folder / "tampered", [*layers, *self.on_top], plain, layout.manifest["annotations"])
        if not self.history:
            return made
        return _with_history(made, self.history)

    def run(self, gate: str, **more: Any) -> GateResult:
        """Run one gate over what ``build`` makes."""
        made = self.build(**more)
        return self.run_over(made, gate)

    @staticmethod
    def run_over(made: Made, gate: str) -> GateResult:
        engine = FakeContainers()
        report = run_gates(
            made.definition, made.lock, "i", engine, manifest=made.layout.manifest_sha256, now=NOW, made=made,
            gates={gate: GATES[gate]},
        )  # fmt: skip
        assert not engine.tasks
        return report.gates[0]


def _with_history(layout: Layout, history: list[dict[str, str]]) -> Layout:
    """Rewrite a layout's config with another history, as somebody else's builder would have written it."""
    data = canonical_json({**layout.config, "history": history})
    layout.blob(sha256_hex(data)).write_bytes(data)
    manifest = {**layout.manifest, "config": Descriptor(CONFIG, sha256_hex(data), len(data)).plain()}
    written = canonical_json(manifest)
    layout.blob(sha256_hex(written)).write_bytes(written)
    seal_layout(layout.folder, Descriptor(MANIFEST, sha256_hex(written), len(written)))
    return layout


def by_anna(*projects: Wheel, **more: Any) -> tuple[Approval, ...]:
    """Return a person's approval of some wheels."""

    return (approval(*(wheel.artifact() for wheel in projects), **more),)
