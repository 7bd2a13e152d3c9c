"""What a bundle says of itself."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from sekisho.errors import BadInputError, CorruptError
from sekisho.model import Moment, Record, Sha256
from sekisho.signing import BUNDLE_TYPE, Trust
from sekisho.succession import Sealed, follow

MANIFEST = "manifest.json"
SNAPSHOT = "snapshot.json"
VALID_FOR = timedelta(days=30)
_LARGEST_MANIFEST = 256 << 20


class FileEntry(Record):
    """One file of a bundle, size in bytes."""

    sha256: Sha256
    size: int


class Attested(FileEntry):
    """The provenance of the file ``artifact``."""

    artifact: Sha256


class Manifest(Record):
    """The signed payload of ``manifest.json``. ``sequence`` is the snapshot's; a replica never goes back.

    ``known`` is the moment up to which it is certain that nothing newer was in force. ``existing`` are the releases
    of what is approved, newest first, as far as sources said: a replica explains refusals by them.
    """

    sequence: int
    created: Moment
    expires: Moment
    snapshot: FileEntry
    blobs: tuple[FileEntry, ...]
    known: Moment | None = None
    provenance: tuple[Attested, ...] = ()
    existing: Mapping[str, tuple[str, ...]] = {}


def blob_path(bundle: Path, sha256: str) -> Path:
    """Return where a bundle keeps a blob."""
    return bundle / "blobs" / "sha256" / sha256[:2] / sha256


def provenance_path(bundle: Path, artifact: str) -> Path:
    """Return where a bundle keeps the provenance of the file ``artifact``."""
    return bundle / "provenance" / artifact[:2] / artifact


def open_manifest(bundle: Path, trust: Trust) -> tuple[Manifest, Trust]:
    """Read and verify a bundle's manifest; raise ``CorruptError`` if nobody trusted signed it.

    Statements on keys that came with it are followed: what is returned is who is trusted then.
    """
    path = bundle / MANIFEST
    if not path.is_file() or path.is_symlink() or path.stat().st_size > _LARGEST_MANIFEST:
        raise BadInputError("this is not a bundle", where=str(path), todo="name the folder that `sekisho export` made")
    try:
        envelope = Sealed.parse_json(path.read_bytes(), where=str(path))
        trust = follow(trust, envelope.keys)
        return Manifest.parse_json(trust.open("bundle", BUNDLE_TYPE, envelope), where=str(path)), trust
    except BadInputError as error:
        raise CorruptError(f"the bundle's manifest cannot be read: {error.what}", where=str(path)) from error
    except CorruptError as error:
        raise CorruptError(
            f"the bundle's manifest: {error.what}", where=str(path), todo="export again; trust the exporter's key"
        ) from error
