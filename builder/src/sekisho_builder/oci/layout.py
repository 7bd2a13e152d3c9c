"""An OCI image layout (image-spec, image-layout.md) with one image: read, and written so that it is never half."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sekisho.disk import disk_errors
from sekisho.errors import BadInputError, CorruptError
from sekisho.model import canonical_json, sha256_hex
from sekisho.store import file_sha256, write_atomically

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
LOCK_ANNOTATION = "dev.sekisho.lock"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""What the OCI calls a target's ``arch`` (image-spec, config.md: Go's names)."""


_DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def oci_type(media_type: str) -> str:
    """Return the OCI's name for a layer that a Docker manifest names; the bytes are the same."""
    return LAYER if media_type == _DOCKER_LAYER else media_type


class Descriptor(NamedTuple):
    """A blob by type, sha256 (without prefix) and size in bytes."""

    media_type: str
    sha256: str
    size: int

    def plain(self) -> dict[str, Any]:
        """Return the descriptor as manifests write it."""
        return {"mediaType": self.media_type, "digest": f"sha256:{self.sha256}", "size": self.size}

    @classmethod
    def parse(cls, value: Any, *, where: str) -> "Descriptor":  # noqa: ANN401 (JSON from outside)
        """Read a descriptor; raise ``BadInputError`` unless its digest is a sha256 and its size a number."""
        try:
            algorithm, _, sha256 = value["digest"].partition(":")
            found = cls(str(value["mediaType"]), sha256, int(value["size"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInputError("not a descriptor of an OCI manifest", where=where) from error
        if algorithm != "sha256" or len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
            raise BadInputError("the digest is not a sha256", where=where)
        return found


class Layer(NamedTuple):
    """A layer to be put into an image. ``comment`` is its line of history."""

    file: Path
    descriptor: Descriptor
    diff_id: str
    comment: str


class Layout:
    """A folder with one image."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def blob(self, sha256: str) -> Path:
        """Return where a blob is, or would be."""
        return self.folder / "blobs" / "sha256" / sha256

    @property
    def manifest_sha256(self) -> str:
        """Return the sha256 of the image's manifest: its name."""
        return self._descriptor().sha256

    @property
    def size(self) -> int:
        """Return the bytes of manifest, config and layers."""
        rows = (self._descriptor(), self.config_descriptor, *self.layers)
        return sum(row.size for row in rows)

    @property
    def manifest(self) -> dict[str, Any]:
        """Return the manifest; raise ``CorruptError`` if it is not what the index names."""
        return self._json(self._descriptor().sha256)

    @property
    def config_descriptor(self) -> Descriptor:
        """Return the descriptor of the config."""
        return Descriptor.parse(self.manifest.get("config"), where=str(self.folder))

    @property
    def config(self) -> dict[str, Any]:
        """Return the image's config."""
        return self._json(self.config_descriptor.sha256)

    @property
    def layers(self) -> list[Descriptor]:
        """Return the layers' descriptors, lowest first."""
        return [Descriptor.parse(row, where=str(self.folder)) for row in self.manifest.get("layers", ())]

    @property
    def lock(self) -> str | None:
        """Return the sha256 of the lock that the image was made from, as its annotation says."""
        found = self.manifest.get("annotations", {}).get(LOCK_ANNOTATION)
        return None if found is None else str(found).removeprefix("sha256:")

    def verify(self) -> None:
        """Read every blob; raise ``CorruptError`` naming the first that is missing or is not its digest."""
        for row in (self.config_descriptor, *self.layers):
            path = self.blob(row.sha256)
            if not path.is_file() or path.stat().st_size != row.size or file_sha256(path) != row.sha256:
                raise CorruptError(f"blob sha256:{row.sha256} is missing or damaged", where=str(self.folder))

    def _descriptor(self) -> Descriptor:
        where = str(self.folder / "index.json")
        try:
            rows = json.loads((self.folder / "index.json").read_bytes())["manifests"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptError("the folder is not an OCI layout", where=where) from error
        if len(rows) != 1:
            raise BadInputError(f"the layout holds {len(rows)} manifests, not one", where=where)
        return Descriptor.parse(rows[0], where=where)

    def _json(self, sha256: str) -> dict[str, Any]:
        path = self.blob(sha256)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise CorruptError(f"blob sha256:{sha256} is missing", where=str(self.folder)) from error
        if sha256_hex(data) != sha256:
            raise CorruptError(f"blob sha256:{sha256} is damaged", where=str(path))
        value = json.loads(data)
        if not isinstance(value, dict):
            raise CorruptError("the blob is not a JSON object", where=str(path))
        return value


def write_layout(
    out: Path, layers: Sequence[Layer], config: Mapping[str, Any], annotations: Mapping[str, str]
) -> Layout:
    """Write an image into ``out``: blobs first, the index last, then blobs that no longer belong are removed.

    ``config`` lacks ``rootfs`` and ``history``, which the layers give.
    """
    blobs = out / "blobs" / "sha256"
    with disk_errors(out):
        blobs.mkdir(parents=True, exist_ok=True)
    for layer in layers:
        link_or_copy(layer.file, blobs / layer.descriptor.sha256)
    created = config["created"]
    whole = {
        **config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.diff_id}" for layer in layers]},
        "history": [{"created": created, "created_by": layer.comment} for layer in layers],
    }
    described = _write_json(blobs, CONFIG, whole)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described.plain(),
        "layers": [layer.descriptor.plain() for layer in layers],
        "annotations": dict(annotations),
    }
    row = _write_json(blobs, MANIFEST, manifest)
    seal_layout(out, row)
    keep = {row.sha256, described.sha256, *(layer.descriptor.sha256 for layer in layers)}
    for path in blobs.iterdir():
        if path.name not in keep:
            path.unlink(missing_ok=True)
    return Layout(out)


def seal_layout(out: Path, manifest: Descriptor) -> None:
    """Write ``oci-layout`` and, last, ``index.json``."""
    write_atomically(out / "oci-layout", canonical_json({"imageLayoutVersion": "1.0.0"}))
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest.plain()]}
    write_atomically(out / "index.json", canonical_json(index))


def link_or_copy(source: Path, target: Path) -> None:
    """Put a blob into place without copying where the file system can; blobs are never changed afterwards."""
    if target.exists() and target.stat().st_size == source.stat().st_size:
        return
    half = target.with_name(f".{target.name}.{os.getpid()}")
    half.unlink(missing_ok=True)
    try:
        os.link(source, half)
    except OSError:
        with disk_errors(target):
            shutil.copyfile(source, half)
    half.rename(target)


def _write_json(blobs: Path, media_type: str, value: object) -> Descriptor:
    data = canonical_json(value)
    sha256 = sha256_hex(data)
    if not (blobs / sha256).exists():
        write_atomically(blobs / sha256, data)
    return Descriptor(media_type, sha256, len(data))
