"""All durable state, copied into one folder while the services run, and put back where nothing is left.

Databases are copied by SQLite's own online backup, the tree as a git bundle, files as they are; whoever decides
something waits for that long. Private keys and the rooms' token stay out unless somebody asks: who has them is the
portal. What can be fetched or made again (pages, layers) is not copied, and blobs only on demand.
"""

import base64
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, NamedTuple

from pydantic import AfterValidator
from sqlalchemy import make_url

from sekisho.errors import BadInputError, ConflictError, CorruptError, NotFoundError
from sekisho.keys import key_path, load_signer, load_trust
from sekisho.ledger import CHECKPOINT, Ledger
from sekisho.model import Moment, Record, Sha256
from sekisho.settings import Settings
from sekisho.signing import BACKUP_TYPE, Trust
from sekisho.store import file_sha256, new_folder, write_atomically
from sekisho.succession import Sealed, follow, seal, statements_of
from sekisho.trees import Place, clone_tree, revision_of, save_tree, tree_has
from sekisho.turn import portal_turn

MANIFEST, DATABASE, TREE, STATE = "manifest.json", "database.sqlite", "tree.bundle", "state"
RESTORED = Path("portal") / "restored"
"""A mark: the portal's next snapshot leaves a gap, so that proxies that saw later ones than the backup has take it."""

_DURABLE = (
    "trust.json",
    "portal/checkpoint",
    "portal/snapshot.json",
    "portal/advisories/**/*",
    "portal/statements/*",
    "proxy/snapshot.json",
    "proxy/snapshot.changes.json",
    "proxy/horizon.json",
    "proxy/imported.json",
    "proxy/demand.json",
)
_SECRET = ("keys/*.pem", "service.token", "tls/**/*", "sources.netrc")
_BLOBS = ("proxy/blobs/sha256/**/*", "proxy/provenance/**/*")


def _inside(path: str) -> str:
    """Refuse what leads out of a folder, and every second spelling: what is left of ``state//etc/x`` is ``/etc/x``."""
    plain = PurePosixPath(path)
    if plain.is_absolute() or ".." in plain.parts or not plain.parts or str(plain) != path:
        message = f"{path[:80]!r} is not the path of a file in a backup"
        raise ValueError(message)
    return path


class File(Record):
    """One file of a backup, its size in bytes."""

    path: Annotated[str, AfterValidator(_inside)]
    sha256: Sha256
    size: int


class Manifest(Record):
    """The payload of ``manifest.json``. ``tree`` is where the allowlists tree lay in its repository, and its commit."""

    at: Moment
    tree: Place | None = None
    secrets: bool = False
    blobs: bool = False
    files: tuple[File, ...]


class Restored(NamedTuple):
    """What came back, and what a person has to know now."""

    at: datetime
    files: int
    revision: str | None
    rows: int | None
    notes: tuple[str, ...]


def make_backup(settings: Settings, target: Path, *, secrets: bool = False, blobs: bool = False) -> Manifest:
    """Copy all durable state into the new folder ``target``, which appears when it is complete.

    Raises ``BadInputError`` for a database that is no SQLite file: its own tools copy that.
    """
    source = _database(settings)
    patterns = (*_DURABLE, *(_SECRET if secrets else ()), *(_BLOBS if blobs else ()))
    with new_folder(target) as half, portal_turn(settings):
        # First what leans on other things, then these: what a file names was there before it.
        checkpoint = settings.data / "portal" / "checkpoint"
        signed = checkpoint.read_bytes() if checkpoint.exists() else None
        if source and source.is_file():
            _copy_database(source, half / DATABASE)
        for other in sorted(settings.data.glob("*/*.sqlite")):
            _copy_database(other, half / STATE / other.relative_to(settings.data))
        tree = save_tree(settings.allowlists, half / TREE) if settings.allowlists.is_dir() else None
        for path in _chosen(settings.data, patterns):
            _copy(path, half / STATE / path.relative_to(settings.data))
        if settings.trust and settings.trust.is_file():
            _copy(settings.trust, half / STATE / "trust.json")
        if signed is not None:
            write_atomically(half / STATE / "portal" / "checkpoint", signed)
        manifest = Manifest(at=datetime.now(UTC), tree=tree, secrets=secrets, blobs=blobs, files=tuple(_files(half)))
        write_atomically(half / MANIFEST, _sealed(settings, manifest).canonical(), mode=0o600)
    return manifest


def restore_backup(settings: Settings, source: Path, trust: Trust | None = None) -> Restored:
    """Put a backup back where there is nothing; verified to its last byte before the first one is written.

    ``trust`` are keys that came another way: with them a backup that somebody altered is refused. An allowlists tree
    that is there and has the backup's commit is left alone. Raises ``ConflictError`` if anything would be overwritten.
    """
    manifest, notes = _verified(source, trust)
    has_rows = any(file.path == DATABASE for file in manifest.files)  # one that lies there unnamed was not verified
    database = _database(settings)
    data = settings.data.absolute()
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise ConflictError(
            "there is state here already", where=str(data), todo="move it away, or set SEKISHO_DATA to a new folder"
        )
    if database and database.exists():
        raise ConflictError("there is a database here already", where=str(database), todo="move it away")
    is_cloned = _restore_tree(settings.allowlists, source, manifest)
    data.parent.mkdir(parents=True, exist_ok=True)
    inside = database.relative_to(data) if database and database.is_relative_to(data) else None
    with new_folder(data) as half:
        for file in manifest.files:
            if file.path.startswith(f"{STATE}/"):
                _copy(source / file.path, half / file.path.removeprefix(f"{STATE}/"))
        if manifest.tree:
            write_atomically(half / RESTORED, b"")
        if database and has_rows:
            _copy(source / DATABASE, half / inside if inside else database)
    if settings.trust and not settings.trust.exists() and (data / "trust.json").exists():
        _copy(data / "trust.json", settings.trust)
    if not manifest.secrets:
        notes.append("no private keys were in it: each service makes new ones; hand the new trust.json to all others")
    if manifest.tree and not is_cloned:
        notes.append(f"the allowlists tree that was here has commit {manifest.tree.revision[:12]} and was left alone")
        if revision_of("HEAD", settings.allowlists) != manifest.tree.revision:
            notes.append("what was committed since is in force and not on record: have it approved anew")
    return Restored(
        at=manifest.at,
        files=len(manifest.files),
        revision=manifest.tree.revision if manifest.tree else None,
        rows=_rows(settings) if database and has_rows else None,
        notes=tuple(notes),
    )


def _database(settings: Settings) -> Path | None:
    url = make_url(settings.database_url)
    if url.get_backend_name() != "sqlite":
        raise BadInputError(
            "this database is no SQLite file, so its own tools copy it",
            where=url.render_as_string(),
            todo="use pg_dump for it, and run this with SEKISHO_DATABASE unset for all else",
        )
    return Path(url.database).absolute() if url.database else None


def _copy_database(source: Path, target: Path) -> None:
    """Copy a database in one piece while others write it (SQLite's online backup API)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch(mode=0o600)
    with closing(sqlite3.connect(source, timeout=30)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        new.execute("pragma journal_mode = delete")
        if (said := new.execute("pragma integrity_check").fetchone()[0]) != "ok":
            raise CorruptError(f"the database is damaged: {said}", where=str(source))


def _chosen(data: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    for pattern in patterns:
        for path in sorted(data.glob(pattern)):
            if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
                yield path


def _copy(source: Path, target: Path) -> None:
    """Copy a file and its mode, durably; nobody else may read what only its owner may."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copy(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _files(folder: Path) -> Iterator[File]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            yield File(path=name, sha256=file_sha256(path), size=path.stat().st_size)


def _sealed(settings: Settings, manifest: Manifest) -> Sealed:
    """Sign a manifest with the portal's key; a machine without a portal has none."""
    path = key_path(settings, "portal")
    if not path.exists():
        payload = base64.b64encode(manifest.canonical()).decode()
        return Sealed(payloadType=BACKUP_TYPE, payload=payload, signatures=())
    trust = load_trust(settings.trust_file)
    return seal(load_signer(path).envelope(BACKUP_TYPE, manifest.canonical()), statements_of(trust))


def _verified(source: Path, trust: Trust | None) -> tuple[Manifest, list[str]]:
    """Return the manifest of a backup whose every file is what it says, and what that does not prove."""
    path = source / MANIFEST
    if path.is_symlink() or not path.is_file():
        raise NotFoundError("this is no backup", where=str(path), todo="name the folder that `sekisho backup` made")
    try:
        sealed = Sealed.parse_json(path.read_bytes(), where=str(path))
        if trust is not None:
            payload = follow(trust, sealed.keys).open("checkpoint", BACKUP_TYPE, sealed)
        else:
            payload = base64.b64decode(sealed.payload, validate=True)
        manifest = Manifest.parse_json(payload, where=str(path))
    except (BadInputError, CorruptError, ValueError) as error:
        raise CorruptError(f"the backup's manifest cannot be believed: {error}", where=str(path)) from error
    whole = source.resolve()
    if manifest.tree and not any(file.path == TREE for file in manifest.files):
        raise CorruptError("the manifest names no allowlists tree", where=str(path), todo="use another backup")
    for file in manifest.files:
        here = whole / file.path
        if here.resolve() != here or not here.is_file():
            raise CorruptError("a file of the backup is missing", where=str(here), todo="use another backup")
        if (here.stat().st_size, file_sha256(here)) != (file.size, file.sha256):
            raise CorruptError("a file of the backup is damaged", where=str(here), todo="use another backup")
    if trust is not None:
        return manifest, []
    return manifest, ["that nobody altered the backup is not proved: name your trusted keys with --trust"]


def _restore_tree(folder: Path, source: Path, manifest: Manifest) -> bool:
    """Bring the allowlists tree back if nothing is there; tell whether that was done."""
    if manifest.tree is None:
        return False
    if not folder.exists():
        clone_tree(source / TREE, folder, manifest.tree)
        return True
    if not tree_has(folder, manifest.tree.revision):
        raise ConflictError(
            f"the tree that is here does not have the backup's commit {manifest.tree.revision[:12]}",
            where=str(folder),
            todo=f"bring it in (git -C {folder} pull {source / TREE}), or move the folder's repository away",
        )
    return False


def _rows(settings: Settings) -> int:
    """Verify the ledger that came back, against the checkpoint that came with it; return its rows."""
    with Ledger.open(settings.database_url).closing() as ledger:
        checkpoint = settings.data / CHECKPOINT
        if checkpoint.exists():
            ledger.check(checkpoint.read_text(), load_trust(settings.trust_file))
        return ledger.verify()[0]
