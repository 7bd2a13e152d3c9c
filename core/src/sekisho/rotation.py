"""Keys of this installation end and begin: a new one takes over, an old one is revoked, each on record in the ledger.

What a revoked key signed stands if the ledger has it before the row at which the key ends: approvals by the digests
that their rows name, statements and revocations by the signed records in theirs, entries of other people's keys by
when the portal first saw them in force. What the ledger does not have admits nothing, whatever date it bears.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sekisho.allowlist import load_yaml
from sekisho.disk import DISK, Disk
from sekisho.errors import BadInputError, ConflictError, NotFoundError, RefusedError
from sekisho.keys import PURPOSES, KeyName, key_path, load_or_create_signer, load_signer, load_trust, trust_in_hand
from sekisho.ledger import Entry, Ledger
from sekisho.model import Approval
from sekisho.revocations import SignedRevocation
from sekisho.settings import Settings
from sekisho.signing import Signer, Trust, TrustedKey
from sekisho.store import write_atomically, write_secret_once
from sekisho.succession import ROOT, EndedKey, KeyStatement, NewKey, follow, sign_key_statement, statements_of
from sekisho.turn import portal_turn
from sekisho.vex import SignedVex, VexStatement

ADDED, ENDED = "key-added", "key-revoked"
SEEN = "seen"
"""A row that names entries by keys other than the portal's, once they are in force."""

_DECIDED = ("approved", "break-glass")
_OPERATOR = "operator"
_SHOWN = 5


def _now() -> datetime:
    return datetime.now(UTC)


def make_root(settings: Settings, path: Path) -> TrustedKey:
    """Make a root key at ``path`` and list it: from then on only statements on keys that it signed count.

    Raises ``ConflictError`` if there is something at ``path``, or a root already.
    """
    with portal_turn(settings), trust_in_hand(settings.trust_file):
        trust = load_trust(settings.trust_file)
        if any(ROOT in key.purposes for key in trust.keys.values()):
            raise ConflictError("there is a root key already", where=str(settings.trust_file))
        if path.exists():
            raise ConflictError("there is something here already", where=str(path), todo="name a new file with --to")
        signer = Signer.generate()
        write_secret_once(path, signer.to_pem())
        key = signer.trusted("root", ROOT)
        wider = Trust(*trust.keys.values(), key, revoked=trust.revoked, statements=trust.statements)
        write_atomically(settings.trust_file, wider.dump().encode())
    return key


def rotate(
    settings: Settings,
    name: KeyName,
    ledger: Ledger | None,
    *,
    root: Signer | None = None,
    now: Callable[[], datetime] = _now,
    disk: Disk = DISK,
) -> TrustedKey:
    """Let a new key sign as ``name`` and return it; the old one, which vouches for it, is gone and goes on verifying.

    Who was killed in the middle runs this again: it goes on with the same new key.
    """
    path = key_path(settings, name)
    waiting = path.with_name(f"{name}.next.pem")
    with portal_turn(settings), trust_in_hand(settings.trust_file, disk=disk):
        old, trust = load_signer(path), load_trust(settings.trust_file)
        new = load_or_create_signer(waiting, disk=disk)
        if new.keyid == old.keyid:  # it took over, and only the leftover was not removed
            disk.remove(waiting)
            return trust.keys[new.keyid]
        key = new.trusted(name, *PURPOSES[name])
        if new.keyid not in trust.keys:
            statement = NewKey(key=key, at=now())
            _put_on_record(settings, trust, ledger, statement, root or old, disk=disk)
        write_atomically(path, new.to_pem(), mode=0o600, disk=disk)
        disk.remove(waiting)
        disk.flush_folder(path.parent)
    return key


def revoke_key(
    settings: Settings,
    start: str,
    ledger: Ledger | None,
    tree: Mapping[str, str | None],
    *,
    reason: str,
    until: int | None = None,
    lose: bool = False,
    root: Signer | None = None,
    now: Callable[[], datetime] = _now,
) -> EndedKey:
    """End the key whose id begins with ``start``; what the ledger has of it up to row ``until`` stands.

    Raises ``RefusedError`` if entries of the ``tree`` would admit nothing any more, unless ``lose`` says that this is
    wanted; ``ConflictError`` for a key that still signs here.
    """
    with portal_turn(settings), trust_in_hand(settings.trust_file):
        trust = load_trust(settings.trust_file)
        key = find_key(trust, start)
        if key.keyid in trust.revoked:
            raise ConflictError(f"key {key.name!r} {key.keyid[:16]} was revoked before")
        signer = _revoker(settings, key, root)
        rows = ledger.size() if ledger else 0
        if until is not None and not 0 <= until <= rows:
            raise BadInputError(f"the ledger has {rows} rows", where="--until", todo="name one of them")
        end = rows if until is None else until
        found = {*on_record(ledger.entries() if ledger else (), key.keyid, end), *_ancestry(trust, signer.keyid)}
        stands = tuple(sorted(found))
        lost = list(_lost(tree, key.keyid, frozenset(stands)))
        if lost and not lose:
            more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
            raise RefusedError(
                f"{len(lost)} entries of the tree would admit nothing any more: {', '.join(lost[:_SHOWN])}{more}",
                where=f"signed by {key.keyid[:16]}, and not in the ledger's first {end} rows",
                todo="look at each; then run this again with --lose, and have approved anew what was right",
            )
        statement = EndedKey(keyid=key.keyid, at=now(), reason=reason, rows=end, stands=stands)
        _put_on_record(settings, trust, ledger, statement, signer)
    return statement


def find_key(trust: Trust, start: str) -> TrustedKey:
    """Return the one key whose id begins with ``start``; raise ``NotFoundError`` for none or several."""
    found = [key for keyid, key in trust.keys.items() if start and keyid.startswith(start.lower())]
    if len(found) != 1:
        raise NotFoundError(f"{len(found)} keys begin with {start[:64]!r}", todo="see `sekisho keys list`")
    return found[0]


def on_record(entries: Iterable[Entry], keyid: str, rows: int) -> Iterator[str]:
    """Yield the SHA-256 of the payload of each record that ``keyid`` signed and that the first ``rows`` rows have."""
    for row in entries:
        if row.seq > rows:
            return
        if row.kind in _DECIDED or row.kind == SEEN:
            if row.body.get("key") == keyid:
                yield from row.body["digests"]
        elif row.kind == "revocation-intended":
            revoked = SignedRevocation.parse(row.body["signed"], where=f"ledger row {row.seq}")
            if revoked.signature.keyid == keyid:
                yield revoked.revocation.digest()
        elif row.kind == "vex-intended":
            stated = SignedVex.parse(row.body["signed"], where=f"ledger row {row.seq}")
            if stated.signature.keyid == keyid:
                yield stated.statement.digest()
        elif row.kind in {ADDED, ENDED}:
            said = KeyStatement.parse(row.body["signed"], where=f"ledger row {row.seq}")
            if said.signature.keyid == keyid:
                yield said.statement.digest()


def _ancestry(trust: Trust, keyid: str) -> Iterator[str]:
    """Yield the digests of the statements that brought in a key of this installation, whenever that was."""
    brought = {one.statement.key.keyid: one for one in statements_of(trust) if isinstance(one.statement, NewKey)}
    while told := brought.pop(keyid, None):
        yield told.statement.digest()
        keyid = told.signature.keyid


def _revoker(settings: Settings, key: TrustedKey, root: Signer | None) -> Signer:
    """Return the key that says that ``key`` ends: today's key of the same name, or else the portal's, or the root."""
    for name in PURPOSES:
        if not key_path(settings, name).exists():
            continue
        signer = load_signer(key_path(settings, name))
        if signer.keyid == key.keyid:
            raise ConflictError(
                f"this key signs for {name} now", where=key.keyid[:16], todo=f"run `sekisho keys rotate {name}` first"
            )
    if root is not None:
        return root
    own: KeyName = "export" if key.name == "export" else "portal"
    return load_signer(key_path(settings, own))


def _put_on_record(
    settings: Settings,
    trust: Trust,
    ledger: Ledger | None,
    statement: NewKey | EndedKey,
    signer: Signer,
    *,
    disk: Disk = DISK,
) -> None:
    """Write a statement into the ledger, then into the file of trusted keys, if it counts."""
    keyid = statement.key.keyid if isinstance(statement, NewKey) else statement.keyid
    kind = ADDED if isinstance(statement, NewKey) else ENDED
    signed = next(_told_before(ledger, kind, keyid, trust), None) or sign_key_statement(statement, signer)
    wider = follow(trust, (signed,))
    if len(wider.statements) == len(trust.statements) and wider.stamp == trust.stamp:
        raise RefusedError(
            "this key may not say so: nobody would heed it",
            where=signer.keyid[:16],
            todo="sign with the site's root key: --root FILE" if _is_rooted(trust) else "",
        )
    if ledger and not any(_told_before(ledger, kind, keyid, trust)):
        ledger.append(kind, keyid, actor=_OPERATOR, body={"signed": signed.plain()})
    write_atomically(settings.trust_file, wider.dump().encode(), disk=disk)


def _told_before(ledger: Ledger | None, kind: str, keyid: str, trust: Trust) -> Iterator[KeyStatement]:
    """Yield what the ledger has of this, and the trust file does not have because somebody was killed in between."""
    for row in ledger.entries(subject=keyid, kinds=(kind,)) if ledger else ():
        signed = KeyStatement.parse(row.body["signed"], where=f"ledger row {row.seq}")
        if follow(trust, (signed,)).stamp != trust.stamp:
            yield signed


def _is_rooted(trust: Trust) -> bool:
    return any(ROOT in key.purposes for key in trust.keys.values())


def _lost(tree: Mapping[str, str | None], keyid: str, stands: frozenset[str]) -> Iterator[str]:
    """Yield the entries of a tree that ``keyid`` signed and that do not stand."""
    for path, text in sorted(tree.items()):
        if text is None or keyid not in text or path.startswith("revoked/"):
            continue
        with suppress(BadInputError):
            for number, row in enumerate(_signed_rows(text, path), 1):
                rest = {key: part for key, part in row.items() if key != "signature"}
                if row["signature"].get("keyid") == keyid and _digest(path, rest) not in stands:
                    yield f"{path} ({row.get('id', number)})"


def _signed_rows(text: str, path: str) -> list[dict[str, Any]]:
    value = load_yaml(text, where=path)
    parts = [part for part in value.values() if isinstance(part, list)] if isinstance(value, dict) else []
    return [row for part in parts for row in part if isinstance(row, dict) and isinstance(row.get("signature"), dict)]


def _digest(path: str, row: dict[str, Any]) -> str:
    kind = VexStatement if path.startswith("vex/") else Approval
    return kind.parse(row, where=path).digest()
