"""Tiny wheels, the same bytes every time, and ways to spoil them."""

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from sekisho.model import Artifact


@dataclass(frozen=True)
class Wheel:
    """A wheel's name and bytes. ``path`` is where a fake upstream keeps it."""

    project: str
    release: str
    filename: str
    data: bytes
    metadata: bytes
    requires_python: str = ""

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def path(self) -> str:
        return f"packages/{self.sha256[:2]}/{self.sha256[2:8]}/{self.filename}"

    @property
    def provenance_path(self) -> str:
        return f"integrity/{self.project}/{self.release}/{self.filename}/provenance"

    def provenance(self) -> bytes:
        """Return a provenance object (PEP 740) about the wheel, whose signature nobody made."""
        subject = {"name": self.filename, "digest": {"sha256": self.sha256}}
        statement = json.dumps({"_type": "https://in-toto.io/Statement/v1", "subject": [subject]})
        attestation = {
            "version": 1,
            "verification_material": {"certificate": "AA==", "transparency_entries": [{}]},
            "envelope": {"statement": base64.b64encode(statement.encode()).decode(), "signature": "AA=="},
        }
        bundle = {"publisher": {"kind": "test"}, "attestations": [attestation]}
        return json.dumps({"version": 1, "attestation_bundles": [bundle]}).encode()

    def artifact(
        self, *, source: str = "fake", stated: bool = True, yanked: str | None = None, attested: bool = False
    ) -> Artifact:
        """Return the wheel as the artifact that an approval names."""
        index = {"core-metadata": hashlib.sha256(self.metadata).hexdigest()} if stated else {}
        if attested:
            index["provenance"] = self.provenance_path
        if self.requires_python:
            index["requires-python"] = self.requires_python
        return Artifact(
            source=source,
            project=self.project,
            release=self.release,
            filename=self.filename,
            path=self.path,
            sha256=self.sha256,
            size=len(self.data),
            uploaded=datetime(2026, 1, 1, tzinfo=UTC),
            yanked=yanked,
            index=index,
        )


def metadata_text(project: str, release: str, *, requires: tuple[str, ...] = (), extra: str = "") -> bytes:
    lines = ["Metadata-Version: 2.4", f"Name: {project}", f"Version: {release}"]
    lines += [f"Requires-Dist: {text}" for text in requires]
    return ("\n".join(lines) + "\n" + extra).encode()


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def record_of(files: Mapping[str, bytes], folder: str) -> bytes:
    rows = [f"{name},sha256={unpadded(data)},{len(data)}" for name, data in files.items()]
    return ("\n".join([*rows, f"{folder}/RECORD,,"]) + "\n").encode()


def pack(files: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Zip ``files`` in their order with fixed times."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            info.compress_type = method
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def wheel_files(
    project: str,
    release: str,
    *,
    requires: tuple[str, ...] = (),
    files: Mapping[str, bytes] | None = None,
    entry_points: str = "",
    tag: str = "py3-none-any",
    metadata: bytes | None = None,
    record: bytes | None = None,
    extra: str = "License-Expression: MIT\n",
) -> dict[str, bytes]:
    """Return the members of a sound wheel; ``metadata`` and ``record`` put something else in their place."""
    name = project.replace("-", "_")
    folder = f"{name}-{release}.dist-info"
    members = dict(files) if files is not None else {f"{name}/__init__.py": f"__version__ = {release!r}\n".encode()}
    members[f"{folder}/METADATA"] = metadata or metadata_text(project, release, requires=requires, extra=extra)
    members[f"{folder}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n".encode()
    if entry_points:
        members[f"{folder}/entry_points.txt"] = entry_points.encode()
    members[f"{folder}/RECORD"] = record if record is not None else record_of(members, folder)
    return members


def make_wheel(
    project: str, release: str = "1.0", *, tag: str = "py3-none-any", requires_python: str = "", **options
) -> Wheel:
    """Build one wheel; ``options`` are those of ``wheel_files``."""
    if requires_python:
        options["extra"] = options.get("extra", "License-Expression: MIT\n") + f"Requires-Python: {requires_python}\n"
    members = wheel_files(project, release, tag=tag, **options)
    name = project.replace("-", "_")
    metadata = members[f"{name}-{release}.dist-info/METADATA"]
    return Wheel(project, release, f"{name}-{release}-{tag}.whl", pack(members), metadata, requires_python)
