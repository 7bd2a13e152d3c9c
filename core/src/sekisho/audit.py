"""Everything that is on record, in one folder that anybody can check without us: written here, verified anywhere.

``manifest.json`` is signed and names every other file by its hash: the ledger's rows, checkpoints, the allowlists tree
(approvals, revocations, VEX), what was ever written in policy and sources, statements, the snapshot in force, keys.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sekisho.allowlist import is_allowed_name, parse_tree
from sekisho.attestation import read_statements
from sekisho.errors import BadInputError, CorruptError, NotFoundError
from sekisho.keys import key_path, load_signer, load_trust
from sekisho.ledger import CHECKPOINT, ORIGIN, Entry, Ledger
from sekisho.merkle import open_checkpoint, root_hash
from sekisho.model import Moment, Record, Sha256, canonical_json
from sekisho.policy import SealedSnapshot, open_snapshot
from sekisho.revocations import parse_revocations
from sekisho.rotation import SEEN
from sekisho.settings import Settings
from sekisho.signing import AUDIT_TYPE, STATEMENT_TYPE, Trust
from sekisho.store import file_sha256, new_folder, write_atomically
from sekisho.succession import Sealed, follow, seal, statements_of
from sekisho.trees import read_history, read_tree, revision_of
from sekisho.turn import portal_turn
from sekisho.vex import parse_vex

MANIFEST, LEDGER, KEYS, SNAPSHOT, POLICIES = (
    "manifest.json",
    "ledger.jsonl",
    "keys.json",
    "snapshot.json",
    "policies.jsonl",
)
TREE, STATEMENTS, CHECKPOINTS = "tree", "statements", "checkpoints"
_DECIDED = ("approved", "break-glass")


class File(Record):
    """One file of an export, its size in bytes."""

    path: str
    sha256: Sha256
    size: int


class Manifest(Record):
    """The signed payload of ``manifest.json``: what the folder holds, and the ledger's size and root."""

    at: Moment
    revision: str
    rows: int
    root: Sha256
    files: tuple[File, ...]


class Checked(NamedTuple):
    """What a verification found to hold, in numbers, and in words what it cannot prove."""

    rows: int
    root: str
    approvals: int
    refused: int
    statements: int
    checkpoints: int
    unproven: tuple[str, ...]


def export_audit(settings: Settings, target: Path) -> Manifest:
    """Write everything into the new folder ``target``, which appears when it is complete; return its manifest.

    Raises ``ConflictError`` if there is something at ``target``, ``CorruptError`` if the ledger is not what it was.
    """
    with portal_turn(settings), new_folder(target) as half, Ledger.open(settings.database_url).closing() as ledger:
        signer, trust = load_signer(key_path(settings, "portal")), load_trust(settings.trust_file)
        rows, root = ledger.verify()
        _write(half / LEDGER, b"".join(_line(entry) for entry in ledger.entries()))
        revision = revision_of("HEAD", settings.allowlists)
        for name, text in read_tree(revision, settings.allowlists).items():
            if text is not None and is_allowed_name(name):
                _write(half / TREE / name, text.encode())
        history = read_history(revision, settings.allowlists, ("policy.yaml", "sources.yaml"))
        _write(half / POLICIES, b"".join(canonical_json(row) + b"\n" for row in history))
        _write(half / KEYS, trust.dump().encode())
        portal = settings.data / "portal"
        for path in sorted((portal / STATEMENTS).glob("*.jsonl")):
            _write(half / STATEMENTS / path.name, path.read_bytes())
        if (portal / SNAPSHOT).exists():
            _write(half / SNAPSHOT, (portal / SNAPSHOT).read_bytes())
        newest = settings.data / CHECKPOINT
        if newest.exists():
            _write(half / CHECKPOINTS / "kept", newest.read_bytes())
        _write(half / CHECKPOINTS / "made", ledger.checkpoint(ORIGIN, signer).encode())
        manifest = Manifest(
            at=datetime.now(UTC), revision=revision, rows=rows, root=root.hex(), files=tuple(_files(half))
        )
        sealed = seal(signer.envelope(AUDIT_TYPE, manifest.canonical()), statements_of(trust))
        _write(half / MANIFEST, sealed.canonical())
    return manifest


def verify_export(folder: Path, trust: Trust | None, against: str | None = None) -> Checked:
    """Check an export to its last byte, without anything but it; raise ``CorruptError`` naming what does not hold.

    ``trust`` are keys that came another way, ``against`` a checkpoint that did.
    """
    try:
        return _verify(folder, trust, against)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        said = f"{type(error).__name__}: {error}"[:200]
        raise CorruptError(f"the export holds what no export does: {said}", where=str(folder)) from error


def _verify(folder: Path, trust: Trust | None, against: str | None) -> Checked:
    given = trust
    trust = given or load_trust(_there(folder / KEYS))
    manifest, trust = _open_manifest(folder, trust)
    _check_files(folder, manifest)
    entries = list(_entries(folder / LEDGER))
    leaves = [entry.leaf() for entry in entries]
    if (len(leaves), root_hash(leaves).hex()) != (manifest.rows, manifest.root):
        raise CorruptError("the rows are not those that were signed", where=str(folder / LEDGER))
    checkpoints = {path.name: path.read_text() for path in sorted((folder / CHECKPOINTS).iterdir())}
    for name, text in (*checkpoints.items(), *([("--against", against)] if against is not None else [])):
        _check_checkpoint(text, leaves, trust, name)
    approvals, refused = _check_tree(folder, entries, trust)
    if (folder / SNAPSHOT).exists():
        open_snapshot(SealedSnapshot.parse_json((folder / SNAPSHOT).read_bytes(), where=SNAPSHOT), trust)
    unproven = []
    if given is None:
        unproven.append("that your portal signed this: the keys are the export's own; name yours with --trust")
    if against is None:
        unproven.append(
            "that no rows were cut off, or all written anew, before this was made: name a checkpoint that was kept"
            " elsewhere with --against"
        )
    return Checked(
        rows=len(entries),
        root=manifest.root,
        approvals=approvals,
        refused=refused,
        statements=_check_statements(folder, entries, trust),
        checkpoints=len(checkpoints) + (against is not None),
        unproven=tuple(unproven),
    )


def _write(path: Path, data: bytes) -> None:
    write_atomically(path, data, mode=0o600)


def _line(entry: Entry) -> bytes:
    row = {**entry.model_dump(), "at": entry.at.isoformat()}
    return canonical_json(row) + b"\n"


def _files(folder: Path) -> Iterator[File]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            yield File(path=name, sha256=file_sha256(path), size=path.stat().st_size)


def _there(path: Path) -> Path:
    if path.is_symlink() or not path.is_file():
        raise NotFoundError(
            "this is no export, or a part of it is missing",
            where=str(path),
            todo="name what `sekisho audit export` wrote",
        )
    return path


def _open_manifest(folder: Path, trust: Trust) -> tuple[Manifest, Trust]:
    path = _there(folder / MANIFEST)
    data = path.read_bytes()
    try:
        sealed = Sealed.parse_json(data, where=str(path))
        trust = follow(trust, sealed.keys)
        manifest = Manifest.parse_json(trust.open("checkpoint", AUDIT_TYPE, sealed), where=str(path))
    except (BadInputError, CorruptError) as error:
        raise CorruptError(f"the export's manifest: {error.what}", where=str(path)) from error
    if sealed.canonical() != data:
        raise CorruptError("the export's manifest was altered", where=str(path))
    return manifest, trust


def _check_files(folder: Path, manifest: Manifest) -> None:
    """Compare every file with the manifest, and see that there is none beside them."""
    for file in manifest.files:
        path = folder / file.path
        if path.is_symlink() or not path.is_file():
            raise CorruptError("a file of the export is missing", where=str(path))
        if (path.stat().st_size, file_sha256(path)) != (file.size, file.sha256):
            raise CorruptError("a file of the export is not what was signed", where=str(path))
    known = {MANIFEST, *(file.path for file in manifest.files)}
    for path in sorted(folder.rglob("*")):
        if not path.is_dir() and path.relative_to(folder).as_posix() not in known:
            raise CorruptError("a file is here that was not signed", where=str(path))


def _entries(path: Path) -> Iterator[Entry]:
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
        where = f"{path}, line {number}"
        try:
            entry = Entry.model_validate(json.loads(line))
        except ValueError as error:
            raise CorruptError("a row of the ledger cannot be read", where=where) from error
        if entry.seq != number or _line(entry) != line:
            raise CorruptError(f"this is not row {number} as it was written", where=where)
        yield entry


def _check_checkpoint(text: str, leaves: list[bytes], trust: Trust, name: str) -> None:
    _, size, root = open_checkpoint(text, trust)
    if len(leaves) < size:
        raise CorruptError(f"the ledger has {len(leaves)} rows, and {size} were signed", where=f"checkpoint {name}")
    if root_hash(leaves[:size]) != root:
        raise CorruptError(f"the first {size} rows are not those that were signed", where=f"checkpoint {name}")


def _check_tree(folder: Path, entries: list[Entry], trust: Trust) -> tuple[int, int]:
    """Verify what is signed in the tree, and that the ledger knows of each approval; return how many, and how many not.

    An entry that admits nothing is no fault of the record, it is counted.
    """
    root = folder / TREE
    files = {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*.yaml")}
    found = parse_tree(files, trust=trust)
    _, bad_vex = parse_vex(files, trust=trust)
    _, bad_revocations = parse_revocations(files, trust=trust)
    known = {
        digest for row in entries if row.kind in _DECIDED or row.kind == SEEN for digest in row.body.get("digests", ())
    }
    for signed in found.approvals:
        if signed.approval.digest() not in known:
            raise CorruptError(
                f"approval {signed.approval.id} of {signed.approval.artifacts[0].name} is signed, but not on record",
                where=str(root),
                todo="find out who used the key; `sekisho keys revoke` ends it",
            )
    return len(found.approvals), len(found.refused) + len(bad_vex) + len(bad_revocations)


def _check_statements(folder: Path, entries: list[Entry], trust: Trust) -> int:
    """Verify every statement: the file is the one that the ledger names, each line signed by the key of that row."""
    count = 0
    for row in entries:
        if row.kind not in _DECIDED or not row.body.get("statements"):
            continue
        path = _there(folder / STATEMENTS / f"{row.body['id']}.intoto.jsonl")
        if file_sha256(path) != row.body["statements"]:
            raise CorruptError(f"the statements are not those of ledger row {row.seq}", where=str(path))
        end = trust.revoked.get(row.body["key"])
        if end is not None and row.seq > end.rows:
            raise CorruptError("signed by a key that was revoked before", where=str(path))
        for envelope in read_statements(path.read_bytes(), where=str(path)):
            trust.open("approval", STATEMENT_TYPE, envelope, ended=True)
            count += 1
    return count
