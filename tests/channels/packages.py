"""Conda packages as real files, the same bytes every time: ``.conda`` (zip of two ``tar.zst``) and ``.tar.bz2``."""

import bz2
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from backports import zstd

from sekisho.model import Artifact
from sekisho.model.conda import conda_artifact

WHEN = 1_700_000_000
"""Seconds: the time of every member of an archive, and of every build."""

PLACEHOLDER = "/opt/placeholder_placeholder_placeholder_placeholder_placeholder_placeholder_placeholder"


@dataclass(frozen=True)
class Link:
    """A symbolic link inside a package."""

    target: str


Member = bytes | Link


@dataclass(frozen=True)
class Package:
    """A package's description, its members, and with them its bytes.

    A file whose bytes hold ``placeholder`` says so in ``paths.json``: as ``binary`` if it is named there, else as text.
    ``spoilt`` are other bytes in place of those that the description makes, and ``info`` other members below ``info/``.
    """

    name: str
    version: str = "1.0"
    build: str = "0"
    subdir: str = "noarch"
    build_number: int = 0
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    noarch: str = "generic"
    """``python`` or ``generic``; it counts in subdir ``noarch`` alone."""

    license: str = "MIT"
    files: Mapping[str, Member] = field(default_factory=dict)
    executable: frozenset[str] = frozenset()
    """Beside what is below ``bin/``."""

    entry_points: tuple[str, ...] = ()
    placeholder: str = PLACEHOLDER
    binary: frozenset[str] = frozenset()
    no_prefix: frozenset[str] = frozenset()
    """Files that hold the placeholder and do not say so."""

    run_exports: Mapping[str, Any] | None = None
    timestamp: int | None = WHEN * 1000
    track_features: str = ""
    ending: str = ".conda"
    about: Mapping[str, Any] = field(default_factory=dict)
    info: Mapping[str, bytes] = field(default_factory=dict)
    spoilt: bytes | None = None
    level: int = 3
    """Of zstd."""

    @property
    def stem(self) -> str:
        return f"{self.name}-{self.version}-{self.build}"

    @property
    def filename(self) -> str:
        return self.stem + self.ending

    @property
    def path(self) -> str:
        return f"{self.subdir}/{self.filename}"

    @cached_property
    def data(self) -> bytes:
        return self.spoilt if self.spoilt is not None else _packed(self)

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def md5(self) -> str:
        return hashlib.md5(self.data).hexdigest()

    @cached_property
    def index(self) -> dict[str, Any]:
        """``info/index.json``: what the package says of itself."""
        stated: dict[str, Any] = {
            "name": self.name,
            "version": self.version,
            "build": self.build,
            "build_number": self.build_number,
            "depends": list(self.depends),
            "constrains": list(self.constrains),
            "license": self.license,
            "subdir": self.subdir,
            "arch": "x86_64" if self.subdir == "linux-64" else None,
            "platform": "linux" if self.subdir == "linux-64" else None,
        }
        if self.subdir == "noarch":
            stated["noarch"] = self.noarch
        if self.timestamp is not None:
            stated["timestamp"] = self.timestamp
        if self.track_features:
            stated["track_features"] = self.track_features
        return stated

    @cached_property
    def record(self) -> dict[str, Any]:
        """What a channel says of it (CEP 36)."""
        return self.index | {"sha256": self.sha256, "md5": self.md5, "size": len(self.data)}

    def artifact(self, *, source: str = "fake", seen: datetime | None = None) -> Artifact:
        """Return the package as the artifact that an approval names."""
        return conda_artifact(source, self.filename, self.record, subdir=self.subdir, seen=seen)

    def but(self, **changes: Any) -> "Package":
        """Return the same package with something else about it; its bytes are made anew."""
        return replace(self, **changes)

    def mode(self, path: str) -> int:
        return 0o755 if path.startswith("bin/") or path in self.executable else 0o644


def make_package(name: str, version: str = "1.0", **more: Any) -> Package:
    """Describe one package; ``more`` is what ``Package`` has.

    Without files it has one. One that is noarch for Python needs Python, unless ``depends`` is given.
    """
    if "files" not in more:
        more["files"] = {f"share/{name}/version.txt": f"{name} {version}\n".encode()}
    if more.get("noarch") == "python" and "depends" not in more:
        more["depends"] = ("python >=3.9",)
    return Package(name, version, **more)


def info_members(package: Package) -> dict[str, bytes]:
    """Return what is below ``info/``."""
    about = {"home": "http://example.test", "license": package.license, "summary": f"tiny {package.name}"}
    info: dict[str, Any] = {
        "index.json": package.index,
        "paths.json": {"paths": [_path_of(package, *row) for row in package.files.items()], "paths_version": 1},
        "about.json": about | package.about,
        "hash_input.json": {},
    }
    if package.subdir == "noarch":
        noarch: dict[str, Any] = {"type": package.noarch}
        if package.entry_points:
            noarch["entry_points"] = list(package.entry_points)
        info["link.json"] = {"noarch": noarch, "package_metadata_version": 1}
    if package.run_exports is not None:
        info["run_exports.json"] = package.run_exports
    members = {f"info/{name}": json.dumps(value, indent=1).encode() for name, value in info.items()}
    members["info/files"] = "".join(f"{path}\n" for path in package.files).encode()
    return members | dict(package.info)


def _path_of(package: Package, path: str, member: Member) -> dict[str, Any]:
    if isinstance(member, Link):
        there = package.files.get(_beside(path, member.target), b"")
        data = there if isinstance(there, bytes) else b""
        kind = "softlink"
    else:
        data, kind = member, "hardlink"
    row = {"_path": path, "path_type": kind, "sha256": hashlib.sha256(data).hexdigest(), "size_in_bytes": len(data)}
    if kind == "hardlink" and package.placeholder.encode() in data and path not in package.no_prefix:
        mode = "binary" if path in package.binary else "text"
        row |= {"prefix_placeholder": package.placeholder, "file_mode": mode}
    return row


def _beside(path: str, target: str) -> str:
    return f"{path.rpartition('/')[0]}/{target}".lstrip("/")


def _plain(path: str) -> int:
    return 0o644


def tar_of(members: Mapping[str, Member], mode_of: Callable[[str], int] = _plain) -> bytes:
    """Return an uncompressed tar of ``members``, in their order, with fixed times and owners."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, member in members.items():
            entry = tarfile.TarInfo(path)
            entry.mtime = WHEN
            if isinstance(member, Link):
                entry.type, entry.linkname = tarfile.SYMTYPE, member.target
                archive.addfile(entry)
                continue
            entry.size, entry.mode = len(member), mode_of(path)
            archive.addfile(entry, io.BytesIO(member))
    return file.getvalue()


def conda_of(stem: str, info: bytes, payload: bytes, *, level: int = 3) -> bytes:
    """Return a ``.conda`` of two uncompressed tars: stored members, fixed times (CEP 35)."""
    members = {
        "metadata.json": json.dumps({"conda_pkg_format_version": 2}).encode(),
        f"pkg-{stem}.tar.zst": zstd.compress(payload, level),
        f"info-{stem}.tar.zst": zstd.compress(info, level),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2023, 11, 14, 0, 0, 0)), data)
    return file.getvalue()


def _packed(package: Package) -> bytes:
    info = info_members(package)
    if package.ending == ".conda":
        payload = tar_of(package.files, package.mode)
        return conda_of(package.stem, tar_of(info), payload, level=package.level)
    return bz2.compress(tar_of({**info, **package.files}, package.mode))
