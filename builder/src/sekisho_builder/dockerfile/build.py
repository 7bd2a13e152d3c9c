"""A Dockerfile above an assembled image → the same layout with more layers, built twice to see what differs."""

import gzip
import json
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, NamedTuple

from sekisho.containers import DockerContainers
from sekisho.errors import BadInputError, CorruptError
from sekisho.model import Record, Sha256, Slug
from sekisho.settings import Settings
from sekisho.store import file_sha256
from sekisho_builder.dockerfile.context import pack_context
from sekisho_builder.dockerfile.recipe import BASE, check
from sekisho_builder.dockerfile.relay import PORT, only_the_proxy
from sekisho_builder.oci import Layout, to_docker_archive
from sekisho_builder.oci.layout import LAYER, Descriptor, Layer, write_layout

FILE = "Dockerfile"
_KEPT = ("Env", "User", "WorkingDir", "Cmd", "Entrypoint", "ExposedPorts", "StopSignal", "Healthcheck")
"""What of the engine's config goes into the image, beside labels."""

_LEVEL = 6
_PIECE = 1 << 20
_LARGEST = 20 << 30


class Dockerfiled(Record):
    """What a Dockerfile added: its layers above those that were assembled, and whether a second build gave the same.

    ``context`` is the digest of what the engine was given: the Dockerfile, and all that it may copy.
    """

    manifest: Sha256
    context: Sha256
    size: int
    added: int
    reproducible: bool
    differing: tuple[str, ...] = ()


class _Saved(NamedTuple):
    """An image as the engine saved it: its config, and its plain layers by diff id, lowest first."""

    config: dict[str, Any]
    layers: Mapping[str, Path]


def build_dockerfile(folder: Path, layout: Layout, workspace: Slug, settings: Settings, *, room: Path) -> Dockerfiled:
    """Build ``folder``'s Dockerfile above the image in ``layout``, which becomes the result; ``room`` is for scratch.

    Raises ``BadInputError`` for a Dockerfile that is not allowed, before an engine sees it, or whose build fails.
    """
    check(_text(folder / FILE), where=str(folder / FILE))
    containers = DockerContainers(owner=settings.owner)
    room.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".dockerfile-", dir=room) as shelf, ExitStack() as left:
        place = Path(shelf)
        pack_context(folder, place / "context.tar")
        base = containers.load(to_docker_archive(layout, place / "base.tar"))
        left.callback(containers.remove, base)
        saved = []
        for turn in ("first", "second"):
            image = _built(containers, base, place / "context.tar", workspace, settings)
            left.callback(containers.remove, image)  # once both are done: what it stands on would go with it
            saved.append(_save(containers, image, place / turn))
        first, second = saved
        differing = _differing(first, second, layout)
        return _above(layout, first, place, differing, file_sha256(place / "context.tar"))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise BadInputError(f"the Dockerfile is no UTF-8: {error}", where=str(path)) from error


def _built(containers: DockerContainers, base: str, context: Path, workspace: Slug, settings: Settings) -> str:
    """Build with nothing kept from before, in a namespace of its own; return the engine's name of the image."""
    index = f"http://127.0.0.1:{PORT}/w/{workspace}/pypi/simple/"
    arguments = {BASE: base, "PIP_INDEX_URL": index, "UV_DEFAULT_INDEX": index, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    with only_the_proxy(containers, base, settings.proxy, settings.trusted_ca) as served:
        return containers.build(
            context,
            arguments,
            network=f"container:{served.id}",
            memory=settings.build_memory,
            timeout=settings.build_timeout,
        )


def _save(containers: DockerContainers, image: str, place: Path) -> _Saved:
    place.mkdir()
    archive = place / "saved.tar"
    containers.save(image, archive, largest=_LARGEST)
    try:
        return _read(archive, place)
    finally:
        archive.unlink()


def _read(archive: Path, place: Path) -> _Saved:
    with tarfile.open(archive) as tar:
        [row] = json.loads(_member(tar, "manifest.json").read())
        config = json.loads(_member(tar, row["Config"]).read())
        diffs = [one.removeprefix("sha256:") for one in config["rootfs"]["diff_ids"]]
        layers: dict[str, Path] = {}
        for diff, name in zip(diffs, row["Layers"], strict=True):
            if diff not in layers:
                layers[diff] = place / diff
                with layers[diff].open("wb") as file:
                    shutil.copyfileobj(_member(tar, name), file, _PIECE)
    return _Saved({**config, "diffs": diffs}, layers)


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    found = tar.extractfile(name)
    if found is None:
        raise CorruptError("the engine saved something that is no image", where=name)
    return found


def _known(layout: Layout) -> list[str]:
    return [row.partition(":")[2] for row in layout.config["rootfs"]["diff_ids"]]


def _differing(first: _Saved, second: _Saved, layout: Layout) -> tuple[str, ...]:
    """Return what two builds do not share: added layers by their number, and the config."""
    below = len(_known(layout))
    one, other = first.config["diffs"][below:], second.config["diffs"][below:]
    found = [f"layer {number}" for number, (a, b) in enumerate(zip(one, other, strict=False), 1) if a != b]
    if len(one) != len(other):
        found.append("the number of layers")
    if any(first.config["config"].get(key) != second.config["config"].get(key) for key in (*_KEPT, "Labels")):
        found.append("the config")
    return tuple(found)


def _above(layout: Layout, saved: _Saved, place: Path, differing: tuple[str, ...], context: str) -> Dockerfiled:
    """Write the image: the assembled layers as they are, then what was added; no history of the engine's stays."""
    known, diffs = _known(layout), saved.config["diffs"]
    if diffs[: len(known)] != known:
        raise BadInputError("what was built does not stand on the assembled image", where=FILE)
    config, annotations, told = dict(layout.config), layout.manifest.get("annotations", {}), saved.config["config"]
    config["config"] = {**config["config"], **{key: told[key] for key in _KEPT if told.get(key)}}
    config["config"]["Labels"] = {**(told.get("Labels") or {}), **(config["config"].get("Labels") or {})}
    below = [
        Layer(layout.blob(row.sha256), row, diff, past.get("created_by", "base"))
        for row, diff, past in zip(layout.layers, known, config.pop("history"), strict=True)
    ]
    config.pop("rootfs")
    added = [_pack(saved.layers[diff], diff, place, number) for number, diff in enumerate(diffs[len(known) :], 1)]
    made = write_layout(layout.folder, [*below, *added], config, annotations)
    return Dockerfiled(
        manifest=made.manifest_sha256,
        context=context,
        size=made.size,
        added=len(added),
        reproducible=not differing,
        differing=differing,
    )


def _pack(plain: Path, diff: str, place: Path, number: int) -> Layer:
    packed = place / f"{number}.gz"
    with (
        plain.open("rb") as file,
        packed.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=_LEVEL, fileobj=raw, mtime=0) as out,
    ):
        shutil.copyfileobj(file, out, _PIECE)
    return Layer(
        packed, Descriptor(LAYER, file_sha256(packed), packed.stat().st_size), diff, f"sekisho: {FILE}, layer {number}"
    )
