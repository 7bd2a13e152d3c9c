"""Import: a bundle is verified to its last byte before the first one is written."""

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from sekisho.disk import DISK, Disk
from sekisho.errors import CorruptError, RefusedError, SekishoError
from sekisho.keys import load_trust
from sekisho.model import Moment, Record, Sha256
from sekisho.policy import SealedSnapshot
from sekisho.policy.sealing import Opened, Opener
from sekisho.settings import Settings
from sekisho.signing import Trust
from sekisho.store import BlobStore, chunks, write_atomically
from sekisho.succession import KeyStatement, follow
from sekisho_proxy.bundle.manifest import SNAPSHOT, FileEntry, Manifest, blob_path, open_manifest, provenance_path
from sekisho_proxy.compose import data_folder, snapshot_file, utc_now
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.horizon import Horizon, extend_horizon
from sekisho_proxy.kept import Kept
from sekisho_proxy.provenance import keep_provenance, provenance_file
from sekisho_proxy.upstream.releases import keep_releases, releases_folder


class LastImport(Record):
    """``imported.json``: what came over last. ``bundle`` is the manifest's digest, ``snapshot`` the sealed file's.

    ``keys`` is all that bundles ever said of keys: who leaves it out of a later one takes nothing back.
    """

    sequence: int
    bundle: Sha256
    snapshot: Sha256
    at: Moment
    keys: tuple[KeyStatement, ...] = ()


class Imported(Record):
    """What an import did, sizes in bytes."""

    sequence: int
    new: int = 0
    here: int = 0
    bytes: int = 0
    already: bool = False


def import_bundle(settings: Settings, bundle: Path, *, now: datetime | None = None, disk: Disk = DISK) -> Imported:
    """Verify ``bundle`` and take over its blobs, then its policy.

    Raises ``CorruptError`` for anything that is not as signed, ``RefusedError`` for a bundle that has expired or
    would take this replica back; either way nothing was written.
    """
    at = now or utc_now()
    folder = data_folder(settings)
    last = _last(folder)
    trust = follow(load_trust(settings.trust_file), last.keys if last else ())
    manifest, trust = open_manifest(bundle, trust)
    with _alone(folder, disk):
        last = _last(folder)
        _check_order(manifest, last, at, bundle)
        if last and last.bundle == manifest.digest() and _complete(folder, manifest):
            return Imported(sequence=manifest.sequence, here=len(manifest.blobs), already=True)
        _check_in_force(snapshot_file(settings), manifest, trust)
        opened = _verify(bundle, manifest, trust)
        store = BlobStore(folder / "blobs", disk=disk)
        new = [entry for entry in manifest.blobs if not store.has(entry.sha256)]
        for entry in new:
            store.add(chunks(blob_path(bundle, entry.sha256)), expected=entry.sha256)
        for shelf in sorted({store.path(entry.sha256).parent for entry in manifest.blobs}):
            disk.flush_folder(shelf)  # an import that was killed may have left blobs whose names are not durable
        for attested in manifest.provenance:
            data = _read_file(provenance_path(bundle, attested.artifact), attested)
            keep_provenance(folder / "provenance", attested.artifact, data, disk=disk)
        kept = DiskCache(releases_folder(folder))
        for project, releases in manifest.existing.items():
            keep_releases(kept, project, releases)
        if manifest.known:  # before the snapshot: its arrival is what a running replica notices
            extend_horizon(
                snapshot_file(settings), Horizon(sequence=manifest.sequence, until=manifest.known), disk=disk
            )
        write_atomically(snapshot_file(settings), opened.sealed.canonical(), disk=disk)
        record = LastImport(
            sequence=manifest.sequence,
            bundle=manifest.digest(),
            snapshot=manifest.snapshot.sha256,
            at=at,
            keys=opened.keys,
        )
        write_atomically(folder / "imported.json", record.canonical(), disk=disk)
    return Imported(
        sequence=manifest.sequence,
        new=len(new),
        here=len(manifest.blobs) - len(new),
        bytes=sum(entry.size for entry in new),
    )


@contextmanager
def _alone(folder: Path, disk: Disk) -> Iterator[None]:
    disk.settle(folder)
    with (folder / "import.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _last(folder: Path) -> LastImport | None:
    path = folder / "imported.json"
    return LastImport.parse_json(path.read_bytes(), where=str(path)) if path.exists() else None


def _check_order(manifest: Manifest, last: LastImport | None, now: datetime, bundle: Path) -> None:
    if manifest.expires <= now:
        raise RefusedError(
            f"the bundle expired at {manifest.expires:%Y-%m-%d %H:%M} UTC",
            where=str(bundle),
            todo="export a new one in the open zone",
        )
    if last and manifest.sequence < last.sequence:
        raise RefusedError(
            f"the bundle's policy {manifest.sequence} is older than {last.sequence}, which is in force here (replay)",
            where=str(bundle),
            todo="import the newest bundle only",
        )
    if last and manifest.sequence == last.sequence and manifest.snapshot.sha256 != last.snapshot:
        raise RefusedError(
            f"the bundle's policy {manifest.sequence} is another one than the policy of that number in force here",
            where=str(bundle),
            todo="find out who signed two policies with one number before you import either",
        )


def _check_in_force(file: Path, manifest: Manifest, trust: Trust) -> None:
    """Refuse to go behind the policy on the disk as well, in case the record of the last import was lost."""
    opener, present = Opener(), 0
    for read in Kept(file, DISK).read():
        with suppress(FileNotFoundError, SekishoError):
            present = max(present, opener.open(read(), trust).snapshot.sequence)
    if manifest.sequence < present:
        raise RefusedError(
            f"the bundle's policy {manifest.sequence} is older than {present}, which is in force here (replay)",
            where=str(file),
            todo="import the newest bundle only",
        )


def _complete(folder: Path, manifest: Manifest) -> bool:
    store = BlobStore(folder / "blobs")
    return (
        (folder / "snapshot.json").is_file()
        and all(store.has(entry.sha256) for entry in manifest.blobs)
        and all(provenance_file(folder / "provenance", entry.artifact).is_file() for entry in manifest.provenance)
    )


def _verify(bundle: Path, manifest: Manifest, trust: Trust) -> Opened:
    """Check every file of the bundle and return its snapshot."""
    path = bundle / SNAPSHOT
    opened = Opener().open(SealedSnapshot.parse_json(_read_file(path, manifest.snapshot), where=str(path)), trust)
    snapshot = opened.snapshot
    if snapshot.sequence != manifest.sequence:
        raise CorruptError("manifest and snapshot have different numbers", where=str(path))
    for entry in manifest.blobs:
        _check_file(blob_path(bundle, entry.sha256), entry)
    for attested in manifest.provenance:
        _check_file(provenance_path(bundle, attested.artifact), attested)
    return opened


def _read_file(path: Path, entry: FileEntry) -> bytes:
    """Return a small file of the bundle; raise ``CorruptError`` if it is not what was signed."""
    _check_file(path, entry)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise CorruptError("a file of the bundle changed while it was read", where=str(path))
    return data


def _check_file(path: Path, entry: FileEntry) -> None:
    if path.is_symlink() or not path.is_file():
        raise CorruptError("a file of the bundle is missing", where=str(path), todo="copy the whole bundle again")
    if path.stat().st_size != entry.size:
        raise CorruptError("a file of the bundle has another size than signed", where=str(path))
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
            raise CorruptError("a file of the bundle is not what was signed", where=str(path))
