"""Push an image to a registry, and pull one by digest."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from sekisho.disk import disk_errors
from sekisho.errors import BadInputError, CorruptError, UpstreamError
from sekisho.model import ImageReference, Record, sha256_hex
from sekisho.store import write_atomically
from sekisho_builder.oci.connection import Connection, split_reference
from sekisho_builder.oci.credentials import docker_credentials
from sekisho_builder.oci.layout import INDEX, MANIFEST, Descriptor, Layout, seal_layout
from sekisho_builder.oci.soundness import check_config, read_object, rows_of
from sekisho_builder.oci.upload import Sent, is_there, send_blob
from sekisho_builder.oci.whereabouts import Whereabouts

_PARALLEL = 3
_QUESTIONS = 8
"""Blobs that are asked for at once; an answer has no body."""

_READS = 3
_DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
_ACCEPT = f"{MANIFEST}, {INDEX}, {_DOCKER_MANIFEST}, {_DOCKER_INDEX}"
_LARGEST_MANIFEST = 4 << 20

Connect = Callable[[str, str], Connection]
"""Opens (registry, repository)."""


def connect(registry: str, repository: str) -> Connection:
    """Open a registry with the credentials that ``docker login`` left, if any."""
    return Connection(registry, repository, docker_credentials(registry))


class Pushed(Record):
    """An image in a registry: blobs that were ``sent``, and those that were ``skipped`` since it had them.

    ``mounted`` are those of the latter that it had in another repository.
    """

    reference: ImageReference
    sent: int
    skipped: int
    sent_bytes: int
    mounted: int = 0


def push(
    layout: Layout,
    registry: str,
    repository: str,
    tag: str,
    *,
    whereabouts: Whereabouts | None = None,
    connect: Connect = connect,
) -> Pushed:
    """Push an image and read its manifest back. What ``whereabouts`` knows of other repositories is mounted.

    Raises ``UpstreamError`` or ``RefusedError`` naming registry and repository; what was sent before stays there and
    is skipped the next time.
    """
    manifest = layout.manifest_sha256
    lock = layout.lock
    if lock is None:
        raise BadInputError("the image does not say which lock it was made from", where=str(layout.folder))
    with connect(registry, repository) as connection:
        sent, mounted = _send_blobs(connection, layout, whereabouts)
        _put_manifest(connection, layout, tag)
    reference = ImageReference(
        registry=registry, repository=repository, manifest=manifest, tag=tag, lock=lock, size=layout.size
    )
    blobs = {row.sha256 for row in (*layout.layers, layout.config_descriptor)}
    if whereabouts is not None:
        whereabouts.note(registry, repository, sorted(blobs))
    return Pushed(
        reference=reference,
        sent=len(sent),
        skipped=len(blobs) - len(sent),
        sent_bytes=sum(blob.size for blob in sent),
        mounted=len(mounted),
    )


def _send_blobs(
    connection: Connection, layout: Layout, whereabouts: Whereabouts | None
) -> tuple[list[Descriptor], list[Descriptor]]:
    """Send what is missing, several at a time; return what was sent, and what was mounted."""
    digest = f"sha256:{layout.manifest_sha256}"
    if connection.ask("HEAD", f"manifests/{digest}", expect={200, 404}, headers={"Accept": _ACCEPT}).status_code == 200:
        return [], []
    blobs = list({row.sha256: row for row in (*layout.layers, layout.config_descriptor)}.values())
    with _at_once(_QUESTIONS) as pool:
        there = list(pool.map(lambda blob: is_there(connection, blob), blobs))
    missing = sorted((b for b, known in zip(blobs, there, strict=True) if not known), key=lambda blob: -blob.size)

    def send(blob: Descriptor) -> Sent:
        source = whereabouts.repository(connection.registry, blob.sha256) if whereabouts else None
        return send_blob(connection, blob, layout.blob(blob.sha256), source=source)

    with _at_once(_PARALLEL) as pool:
        done = list(zip(missing, pool.map(send, missing), strict=True))
    return [blob for blob, how in done if how == "sent"], [blob for blob, how in done if how == "mounted"]


@contextmanager
def _at_once(number: int) -> Iterator[ThreadPoolExecutor]:
    """Yield threads; once something fails, what has not begun does not begin."""
    pool = ThreadPoolExecutor(number)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _put_manifest(connection: Connection, layout: Layout, tag: str) -> None:
    sha256 = layout.manifest_sha256
    data = layout.blob(sha256).read_bytes()
    media_type = str(layout.manifest["mediaType"])
    connection.ask("PUT", f"manifests/{tag}", expect={201}, headers={"Content-Type": media_type}, content=data)
    kept = connection.ask("GET", f"manifests/sha256:{sha256}", expect={200}, headers={"Accept": _ACCEPT}).content
    if sha256_hex(kept) != sha256:
        raise CorruptError(
            f"the registry keeps another manifest than sha256:{sha256}",
            where=f"{connection.registry}/{connection.repository}",
            todo="a registry that rewrites manifests cannot be used; see its settings",
        )


def pull(reference: str, out: Path, *, architecture: str = "amd64", connect: Connect = connect) -> Layout:
    """Pull ``host/name@sha256:…`` into ``out``, every blob verified; of an index, take Linux on ``architecture``."""
    registry, repository, sha256 = split_reference(reference)
    layout = Layout(out)
    with connect(registry, repository) as connection:
        found, data = _get_manifest(connection, sha256)
        if found.media_type in {INDEX, _DOCKER_INDEX}:
            index = read_object(data, where=reference)
            found, data = _get_manifest(connection, _choose(index, architecture, reference))
        value = read_object(data, where=reference)
        layers = [Descriptor.parse(row, where=reference) for row in rows_of(value, "layers", where=reference)]
        config = Descriptor.parse(value.get("config"), where=reference)
        layout.blob("").mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(_PARALLEL) as pool:
            list(pool.map(lambda blob: _get_blob(connection, blob, layout.blob(blob.sha256)), {config, *layers}))
    check_config(layout.blob(config.sha256), len(layers), where=reference)
    write_atomically(layout.blob(found.sha256), data)
    seal_layout(out, found)
    return layout


def _get_manifest(connection: Connection, sha256: str) -> tuple[Descriptor, bytes]:
    answer = connection.ask("GET", f"manifests/sha256:{sha256}", expect={200}, headers={"Accept": _ACCEPT})
    data = answer.content
    if sha256_hex(data) != sha256 or len(data) > _LARGEST_MANIFEST:
        raise CorruptError(f"the registry's manifest is not sha256:{sha256}", where=connection.registry)
    said = read_object(data, where=connection.registry)
    media_type = str(said.get("mediaType") or answer.headers.get("Content-Type", MANIFEST))
    return Descriptor(media_type, sha256, len(data)), data


def _choose(index: dict[str, Any], architecture: str, reference: str) -> str:
    for row in rows_of(index, "manifests", where=reference):
        platform = row.get("platform")
        if not isinstance(platform, dict):
            continue
        if (platform.get("os"), platform.get("architecture")) == ("linux", architecture):
            return Descriptor.parse(row, where=reference).sha256
    raise BadInputError(f"the image is not made for Linux on {architecture}", where=reference)


def _get_blob(connection: Connection, blob: Descriptor, path: Path) -> None:
    """Read a blob into ``path``; one that breaks off is read again."""
    for attempt in range(1, _READS + 1):
        try:
            _read_blob(connection, blob, path)
        except UpstreamError:
            if attempt == _READS:
                raise
        else:
            return


def _read_blob(connection: Connection, blob: Descriptor, path: Path) -> None:
    found = hashlib.sha256()
    size = 0
    with (
        connection.stream("GET", f"blobs/sha256:{blob.sha256}", expect={200}) as answer,
        disk_errors(path),
        path.open("wb") as file,
    ):
        try:
            for piece in answer.iter_raw():
                size += len(piece)
                if size > blob.size:
                    break
                found.update(piece)
                file.write(piece)
        except httpx2.TransportError as error:
            raise UpstreamError(f"blob sha256:{blob.sha256} broke off: {error}", where=connection.registry) from error
    if found.hexdigest() != blob.sha256:
        path.unlink()
        raise CorruptError(f"the registry's blob is not sha256:{blob.sha256}", where=connection.registry)
