"""The base of an image, from the cache, from a registry, or from Debian packages."""

import hashlib
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field

from sekisho.disk import disk_errors
from sekisho.errors import BadInputError, MissingToolError, UpstreamError
from sekisho.model import ImageDefinition, Record, Sha256
from sekisho.settings import Settings
from sekisho.store import chunks, write_atomically
from sekisho_builder.base.debian import build_root
from sekisho_builder.base.recipe import Recipe, Versions, base_key, read_recipe, read_versions
from sekisho_builder.oci.layout import ARCHITECTURES, LAYER, Descriptor, Layer, Layout, write_layout
from sekisho_builder.oci.registry import Connect, connect, pull

_LEVEL = 6
_ABANDONED = 86400
_CREATED = "1980-01-01T00:00:00Z"

BuildRoot = Callable[[Recipe, Versions, str | None, Path], Versions]
"""Writes a root's tar and returns the versions in it: ``build_root``, or a test's own."""


class Base(Record):
    """A base image on this machine.

    ``manifest`` is the sha256 of its manifest. ``relocked`` is the new text for ``packages.lock`` when the mirror no
    longer had what the lock asks for, or when there was no lock; whoever opens a base writes it, after review.
    """

    manifest: Sha256
    reused: bool
    relocked: str | None = None
    folder: Path = Field(exclude=True)

    @property
    def layout(self) -> Layout:
        """Return the base as an OCI layout."""
        return Layout(self.folder)


def open_base(
    definition: ImageDefinition,
    images: Path,
    settings: Settings,
    *,
    build: BuildRoot = build_root,
    connect: Connect = connect,
) -> Base:
    """Return the base of ``definition``, made or pulled if the cache does not have it.

    An image by digest goes first; where its registry does not answer, the Debian recipe takes its place if there is
    one. Raises ``BadInputError`` for a base that does not fit the definition's target.
    """
    where = f"images/{definition.name}/image.yaml"
    wanted = definition.base
    if wanted.image is not None:
        try:
            return _pulled(wanted.image, ARCHITECTURES[definition.target.arch], settings.base_cache, connect)
        except UpstreamError:
            if wanted.debian is None:
                raise
    if wanted.debian is None:
        raise BadInputError("the definition names no base", where=where, todo="give `base.image` or `base.debian`")
    return _built(definition, images / wanted.debian, settings, build)


def _pulled(reference: str, architecture: str, cache: Path, connect: Connect) -> Base:
    """Pull an image; of one digest that is an index, each architecture has a folder of its own."""
    sha256 = reference.rpartition("@sha256:")[2]
    folder = cache / (sha256 if architecture == "amd64" else f"{sha256}-{architecture}")
    if _is_whole(folder):
        return Base(manifest=Layout(folder).manifest_sha256, reused=True, folder=folder)
    with _beside(folder) as half:
        pull(reference, half / "layout", architecture=architecture, connect=connect)
        _keep(half / "layout", folder)
    return Base(manifest=Layout(folder).manifest_sha256, reused=False, folder=folder)


def _built(definition: ImageDefinition, source: Path, settings: Settings, build: BuildRoot) -> Base:
    recipe = read_recipe(source)
    locked = read_versions(source / "packages.lock")
    if definition.target.arch != "x86_64":
        raise MissingToolError("base images are built for x86_64 only", todo="name a base by digest")
    if locked.by_name:
        locked.check(definition.target, python=not definition.conda, where=str(source / "packages.lock"))
    folder = settings.base_cache / base_key(recipe, locked)
    if locked.by_name and _is_whole(folder):
        return Base(manifest=Layout(folder).manifest_sha256, reused=True, folder=folder)
    instead = folder.with_name(f"{folder.name}.relocked")
    if (known := read_versions(instead)).by_name and _is_whole(settings.base_cache / base_key(recipe, known)):
        folder = settings.base_cache / base_key(recipe, known)
        return Base(manifest=Layout(folder).manifest_sha256, reused=True, relocked=known.text(), folder=folder)
    with _beside(folder) as half:
        root = half / "root.tar"
        found = build(recipe, locked, settings.debian_mirror, root)
        found.check(definition.target, python=not definition.conda, where=str(source / "base.yaml"))
        folder = settings.base_cache / base_key(recipe, found)
        if not _is_whole(folder):
            _write(root, half / "layout", source.name)
            _keep(half / "layout", folder)
    relocked = None if found == locked else found.text()
    if relocked is not None:  # until somebody writes it back, the stale lock leads here without another build
        write_atomically(instead, relocked.encode())
    return Base(manifest=Layout(folder).manifest_sha256, reused=False, relocked=relocked, folder=folder)


def _write(root: Path, out: Path, name: str) -> Layout:
    """Pack a root into one gzip layer (one member, fixed level, no name or time) and write the base around it."""
    packed = root.with_suffix(".gz")
    inner, outer = hashlib.sha256(), hashlib.sha256()
    gzip = zlib.compressobj(_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    with disk_errors(packed), packed.open("wb") as file:
        for piece in chunks(root):
            inner.update(piece)
            small = gzip.compress(piece)
            outer.update(small)
            file.write(small)
        small = gzip.flush()
        outer.update(small)
        file.write(small)
    layer = Layer(packed, Descriptor(LAYER, outer.hexdigest(), packed.stat().st_size), inner.hexdigest(), name)
    config = {"created": _CREATED, "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sh"]}}
    return write_layout(out, [layer], config, {"org.opencontainers.image.title": name})


def _is_whole(folder: Path) -> bool:
    return (folder / "index.json").is_file()


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """Yield a folder of the same file system that is gone afterwards, and remove those that killed processes left."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(".half-*"):
        if time.time() - left.stat().st_mtime > _ABANDONED:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".half-") as half:
        yield Path(half)


def _keep(half: Path, folder: Path) -> None:
    """Move a finished layout into the cache; if another process was first, its result stays."""
    try:
        half.rename(folder)
    except OSError:
        if not _is_whole(folder):
            raise
        shutil.rmtree(half)
