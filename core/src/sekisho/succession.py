"""How trust in keys goes on: signed statements by which a key that is trusted brings in another, or ends one.

A verifier is handed keys once, out of band. What comes later it learns from statements that travel with what is signed:
beside each sealed snapshot and each bundle's manifest. A statement counts if a trusted key signed it that has every
purpose of the key that it speaks of; where a key for the purpose ``keys`` was handed over (a root, kept off line), only
that key's statements count.

A key ends at a row of the ledger. What it signed until then and is on record there is named by digest in the statement,
so that anybody can tell what stands without the ledger, and a date that a thief writes into a record proves nothing.
"""

import json
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from sekisho.errors import BadInputError, CorruptError
from sekisho.model import Moment, Record, Sha256
from sekisho.signing import KEY_TYPE, Envelope, Purpose, Revoked, Signature, Signer, Trust, TrustedKey

ROOT: Purpose = "keys"
"""The purpose of a root key."""


class NewKey(Record):
    """From ``at`` on ``key`` may sign as well."""

    key: TrustedKey
    at: Moment


class EndedKey(Record):
    """The key ``keyid`` counts no more, but for what was on record: the first ``rows`` rows of the ledger.

    ``stands`` are the SHA-256 of the payloads of what it signed and they hold.
    """

    keyid: Sha256
    at: Moment
    reason: Annotated[str, Field(max_length=2000)]
    rows: Annotated[int, Field(ge=0)]
    stands: tuple[Sha256, ...] = ()


class KeyStatement(Record):
    """A statement on a key and the signature over its canonical form."""

    statement: NewKey | EndedKey
    signature: Signature


class Sealed(Envelope):
    """An envelope, and beside it the statements by which whoever trusts an older key finds the one that signed it."""

    keys: tuple[KeyStatement, ...] = ()


def sign_key_statement(statement: NewKey | EndedKey, signer: Signer) -> KeyStatement:
    """Put a signature under a statement on a key."""
    return KeyStatement(statement=statement, signature=signer.sign(KEY_TYPE, statement.canonical()))


def seal(envelope: Envelope, keys: Iterable[Record]) -> Sealed:
    """Put statements on keys beside an envelope."""
    plain = {name: value for name, value in envelope if name != "keys"}
    return Sealed(**plain, keys=tuple(one for one in keys if isinstance(one, KeyStatement)))


def statements_of(trust: Trust) -> tuple[KeyStatement, ...]:
    """Return the statements that ``trust`` was changed by, in their order."""
    return tuple(one for one in trust.statements if isinstance(one, KeyStatement))


def parse_trust(text: bytes | str, *, where: str) -> Trust:
    """Read the JSON that ``Trust.dump`` writes: keys that were handed over, and statements on keys."""
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise BadInputError("the file of trusted keys is not JSON", where=where) from error
    if not isinstance(rows, list):
        return Trust.parse(rows, where=where)
    told = [row for row in rows if isinstance(row, dict) and "statement" in row]
    handed = Trust.parse([row for row in rows if row not in told], where=where)
    return follow(handed, (KeyStatement.parse(row, where=where) for row in told))


def follow(trust: Trust, statements: Iterable[KeyStatement]) -> Trust:
    """Return ``trust`` after what of ``statements`` counts; those that do not count, or are known, change nothing."""
    known = {one.signature.sig for one in statements_of(trust)}
    for signed in statements:
        if signed.signature.sig not in known and _counts(trust, signed):
            trust = _after(trust, signed)
            known.add(signed.signature.sig)
    return trust


def _counts(trust: Trust, signed: KeyStatement) -> bool:
    """Tell whether a statement is by a key that may make it, about a key that it changes something for."""
    said = signed.statement
    if isinstance(said, NewKey):
        if not _is_key(said.key) or said.key.keyid in trust.keys or not said.key.purposes:
            return False
        purposes = said.key.purposes
    else:
        if said.keyid not in trust.keys or said.keyid in trust.revoked or said.keyid == signed.signature.keyid:
            return False
        purposes = trust.keys[said.keyid].purposes
        if signed.signature.keyid in _brought_by(statements_of(trust), said.keyid, frozenset(said.stands)):
            return False  # who ends a key that brought it in, and not that, ends itself
    by = trust.keys.get(signed.signature.keyid)
    rooted = any(ROOT in key.purposes for key in trust.keys.values())
    if by is None or not (ROOT in by.purposes if rooted else set(purposes) <= set(by.purposes)):
        return False
    try:
        trust.check(ROOT if rooted else purposes[0], KEY_TYPE, said.canonical(), signed.signature)
    except CorruptError:
        return False
    return True


def _is_key(key: TrustedKey) -> bool:
    try:
        return bool(key.keyid)
    except CorruptError:  # no base64
        return False


def _after(trust: Trust, signed: KeyStatement) -> Trust:
    said, statements = signed.statement, (*statements_of(trust), signed)
    if isinstance(said, NewKey):
        return Trust(*trust.keys.values(), said.key, revoked=trust.revoked, statements=statements)
    end = Revoked(said.rows, frozenset(said.stands))
    gone = _brought_by(statements, said.keyid, end.stands)
    kept = (one for one in statements if not (isinstance(one.statement, NewKey) and one.statement.key.keyid in gone))
    return Trust(
        *(key for keyid, key in trust.keys.items() if keyid not in gone),
        revoked={**trust.revoked, said.keyid: end},
        statements=tuple(kept),
    )


def _brought_by(statements: Iterable[KeyStatement], keyid: str, stands: frozenset[str]) -> set[str]:
    """Return the keys that a revoked key brought in and that were not on record, and those which they brought in."""
    rows = [(one.signature.keyid, one.statement) for one in statements if isinstance(one.statement, NewKey)]
    gone = {said.key.keyid for by, said in rows if by == keyid and said.digest() not in stands}
    while more := {said.key.keyid for by, said in rows if by in gone} - gone:
        gone |= more
    return gone
