"""Export: the snapshot in force and every file that it admits, signed, into a folder."""

import asyncio
import errno
import logging
import os
import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from sekisho.disk import disk_errors
from sekisho.errors import ConflictError, NotFoundError, SekishoError
from sekisho.keys import load_trust, open_signer
from sekisho.model import Artifact, Record, sha256_hex
from sekisho.policy import Door, Snapshot
from sekisho.settings import Settings
from sekisho.signing import BUNDLE_TYPE
from sekisho.store import write_atomically
from sekisho.succession import follow, seal, statements_of
from sekisho_proxy.bundle.manifest import (
    MANIFEST,
    SNAPSHOT,
    VALID_FOR,
    Attested,
    FileEntry,
    Manifest,
    blob_path,
    provenance_path,
)
from sekisho_proxy.bundle.workshop import open_workshop, put_in_place
from sekisho_proxy.compose import Store, open_releases, open_store, utc_now
from sekisho_proxy.holdings import Holdings

_LOG = logging.getLogger("sekisho.proxy")
_AT_ONCE = 4
_PATIENCE = 60.0


class Exported(Record):
    """What an export put together, sizes in bytes."""

    folder: str
    sequence: int
    blobs: int
    bytes: int
    expires: str


async def export_bundle(settings: Settings, target: Path, *, now: datetime | None = None) -> Exported:
    """Write a bundle to ``target``, which becomes visible when it is complete and not before.

    Files that no client has asked for yet are fetched first. An older bundle at ``target`` is replaced; anything
    else there is refused.
    """
    at = now or utc_now()
    place = _check_target(target)
    signer = open_signer(settings, "export")
    async with open_store(settings) as store:
        snapshot = store.held.present()
        sealed = store.held.whole()
        artifacts = admitted(snapshot, at)
        await _gather(store.holdings, artifacts)
        existing = await _ask_what_exists(settings, store, {row.project for row in artifacts if row.kind == "pypi"})
        with open_workshop(place) as half, disk_errors(half):
            entries = await asyncio.to_thread(_copy, store.holdings, artifacts, half)
            manifest = Manifest(
                sequence=snapshot.sequence,
                created=at,
                expires=at + VALID_FOR,
                snapshot=FileEntry(sha256=sha256_hex(sealed), size=len(sealed)),
                blobs=entries,
                known=store.held.known(),
                provenance=await asyncio.to_thread(_copy_provenance, store.holdings, artifacts, half),
                existing=existing,
            )
            write_atomically(half / SNAPSHOT, sealed)
            keys = statements_of(follow(load_trust(settings.trust_file), store.held.keys))
            envelope = seal(signer.envelope(BUNDLE_TYPE, manifest.canonical()), keys)
            write_atomically(half / MANIFEST, envelope.model_dump_json().encode())
            put_in_place(half, place)
    return Exported(
        folder=str(target),
        sequence=manifest.sequence,
        blobs=len(entries),
        bytes=sum(entry.size for entry in entries),
        expires=manifest.expires.isoformat(),
    )


def admitted(snapshot: Snapshot, now: datetime) -> list[Artifact]:
    """Return every artifact that some workspace may have now, each once, sorted by sha256."""
    workspaces = {name for signed in snapshot.approvals for name in signed.approval.scope}
    found: dict[str, Artifact] = {}
    for workspace in sorted(workspaces):
        door = Door(snapshot, workspace)
        for sha256 in door.hashes(now):
            artifact = door.admits(sha256, now)
            if artifact:
                found[sha256] = artifact
    return [found[sha256] for sha256 in sorted(found)]


def _check_target(target: Path) -> Path:
    """Return where the bundle goes, if it may be written there."""
    if not target.parent.is_dir():
        raise NotFoundError("the folder to export into does not exist", where=str(target.absolute().parent))
    if target.exists() and not (target / MANIFEST).is_file() and not (target.is_dir() and not any(target.iterdir())):
        raise ConflictError(
            "there is something here that is no bundle", where=str(target), todo="name a new folder with --to"
        )
    return target.absolute()


async def _gather(holdings: Holdings, artifacts: Iterable[Artifact]) -> None:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def bring(artifact: Artifact) -> None:
        async with slots:
            await holdings.ensure(artifact)
            if artifact.index.get("provenance"):
                await _attest(holdings, artifact)

    tasks = [asyncio.create_task(bring(artifact)) for artifact in artifacts]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def _attest(holdings: Holdings, artifact: Artifact) -> None:
    """Fetch a provenance; a file without it crosses all the same, and the replica then lists none."""
    try:
        await holdings.provenances.get(artifact)
    except SekishoError as error:
        _LOG.warning("%s is exported without its provenance: %s", artifact.filename, error)


async def _ask_what_exists(settings: Settings, store: Store, projects: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the releases of projects; one whose source does not answer crosses without."""
    releases = open_releases(settings, store)
    try:
        await asyncio.gather(*(releases.learn(project, patience=_PATIENCE) for project in projects))
        return {project: known for project in projects if (known := releases.of(project))}
    finally:
        await releases.close()


def _copy_provenance(holdings: Holdings, artifacts: Iterable[Artifact], half: Path) -> tuple[Attested, ...]:
    entries = []
    for artifact in filter(holdings.provenances.has, artifacts):
        data = holdings.provenances.path(artifact.sha256).read_bytes()
        copy = provenance_path(half, artifact.sha256)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(data)
        entries.append(Attested(artifact=artifact.sha256, sha256=sha256_hex(data), size=len(data)))
    return tuple(entries)


def _copy(holdings: Holdings, artifacts: Iterable[Artifact], half: Path) -> tuple[FileEntry, ...]:
    entries = []
    for artifact in artifacts:
        source, copy = holdings.blobs.path(artifact.sha256), blob_path(half, artifact.sha256)
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, copy)
        except OSError as error:
            if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}:
                raise
            shutil.copyfile(source, copy)
        entries.append(FileEntry(sha256=artifact.sha256, size=copy.stat().st_size))
    return tuple(entries)
