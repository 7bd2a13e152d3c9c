"""Ed25519 keys, DSSE envelopes, and who is trusted to sign what.

An envelope (DSSE v1) signs a payload together with its type, so that a signature made for one purpose proves
nothing for another. Keys that verify are handed over out of band; nothing in the allowlists tree can add one.
``sekisho.succession`` says how a key that is trusted brings in another, and what ends one.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Literal, NamedTuple, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sekisho.errors import BadInputError, CorruptError
from sekisho.model.base import Record, sha256_hex

Purpose = Literal["approval", "snapshot", "bundle", "checkpoint", "keys"]
APPROVAL_TYPE = "application/vnd.sekisho.approval.v1+json"
SNAPSHOT_TYPE = "application/vnd.sekisho.snapshot.v1+json"
VEX_TYPE = "application/vnd.sekisho.vex.v1+json"
REVOCATION_TYPE = "application/vnd.sekisho.revocation.v1+json"
BUNDLE_TYPE = "application/vnd.sekisho.bundle.v1+json"
KEY_TYPE = "application/vnd.sekisho.key.v1+json"
BACKUP_TYPE = "application/vnd.sekisho.backup.v1+json"
AUDIT_TYPE = "application/vnd.sekisho.audit.v1+json"
STATEMENT_TYPE = "application/vnd.in-toto+json"


class Signature(Record):
    """One signature; ``keyid`` is the SHA-256 of the raw public key, ``sig`` is base64."""

    keyid: str
    sig: str


class Envelope(Record):
    """A DSSE v1 envelope; ``payload`` is base64."""

    payloadType: str  # noqa: N815 (the name is DSSE's)
    payload: str
    signatures: tuple[Signature, ...]


class TrustedKey(Record):
    """A public key (base64 of its 32 raw bytes) and what it may sign."""

    name: str
    public: str
    purposes: tuple[Purpose, ...]

    @property
    def keyid(self) -> str:
        """Return the SHA-256 of the raw public key."""
        return sha256_hex(_decode(self.public, "public key"))


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """Return DSSE's PAE, the bytes that are really signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _decode(text: str, what: str) -> bytes:
    """Return the bytes behind base64; raise ``CorruptError`` for any but the one spelling of them."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CorruptError(f"{what} is not valid base64") from error
    if base64.b64encode(data).decode() != text:  # unused bits behind the last byte that are not zero
        raise CorruptError(f"{what} is not valid base64")
    return data


class Signer:
    """A private key that signs."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()
        self.keyid = sha256_hex(self.public)

    @classmethod
    def generate(cls) -> Self:
        """Make a new key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: bytes, *, where: str) -> Self:
        """Read an unencrypted PKCS #8 key; raise naming ``where`` it was, if it is none of ours."""
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as error:
            raise CorruptError("the signing key cannot be read", where=where) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise BadInputError("the signing key is not an Ed25519 key", where=where)
        return cls(key)

    def to_pem(self) -> bytes:
        """Return the key as unencrypted PKCS #8."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def raw(self, message: bytes) -> bytes:
        """Return the 64 raw signature bytes over ``message``."""
        return self._key.sign(message)

    def sign(self, payload_type: str, payload: bytes) -> Signature:
        """Sign ``payload`` as ``payload_type``."""
        sig = self._key.sign(pre_authentication(payload_type, payload))
        return Signature(keyid=self.keyid, sig=base64.b64encode(sig).decode())

    def envelope(self, payload_type: str, payload: bytes) -> Envelope:
        """Return a signed envelope around ``payload``."""
        return Envelope(
            payloadType=payload_type,
            payload=base64.b64encode(payload).decode(),
            signatures=(self.sign(payload_type, payload),),
        )

    def trusted(self, name: str, *purposes: Purpose) -> TrustedKey:
        """Return what a verifier needs to trust this key for ``purposes``."""
        return TrustedKey(name=name, public=base64.b64encode(self.public).decode(), purposes=purposes)


class Revoked(NamedTuple):
    """The end of a key: the ledger had ``rows`` then, and of what the key signed, only ``stands`` was on record."""

    rows: int
    stands: frozenset[str]


class Trust:
    """The keys that a verifier accepts, each for its purposes.

    A key that was ``revoked`` still verifies what stands: records by the SHA-256 of their payload, and checkpoints
    that lie within the rows that the ledger had then. ``statements`` are the signed words that changed what was
    handed over; ``sekisho.succession`` reads them.
    """

    def __init__(
        self, *keys: TrustedKey, revoked: Mapping[str, Revoked] | None = None, statements: Sequence[Record] = ()
    ) -> None:
        self.keys: Mapping[str, TrustedKey] = {key.keyid: key for key in keys}
        self.revoked: Mapping[str, Revoked] = dict(revoked or {})
        self.statements = tuple(statements)

    @classmethod
    def parse(cls, rows: object, *, where: str) -> Self:
        """Read a list of ``TrustedKey`` as JSON has them."""
        if not isinstance(rows, list):
            raise BadInputError("the file of trusted keys is not a list", where=where)
        return cls(*(TrustedKey.parse(row, where=where) for row in rows))

    def dump(self) -> str:
        """Return JSON: a list of keys, and of statements on keys behind them."""
        brought = {one.plain().get("statement", {}).get("key", {}).get("public") for one in self.statements}
        handed = [key.plain() for key in self.keys.values() if key.public not in brought]
        return json.dumps([*handed, *(one.plain() for one in self.statements)], indent=2) + "\n"

    @cached_property
    def stamp(self) -> str:
        """Return what differs where other keys are trusted."""
        return sha256_hex(self.dump().encode())

    def check(
        self, purpose: Purpose, payload_type: str, payload: bytes, signature: Signature, *, ended: bool = False
    ) -> str:
        """Return the name of the key that signed ``payload``; raise ``CorruptError`` for anything else.

        With ``ended`` a key counts although it was revoked: for words that only take something away.
        """
        key = self.keys.get(signature.keyid)
        if key is None:
            raise CorruptError(f"signed by an unknown key {signature.keyid[:16]}")
        if purpose not in key.purposes:
            raise CorruptError(f"key {key.name!r} is not trusted to sign a {purpose}")
        end = None if ended else self.revoked.get(signature.keyid)
        if end is not None and sha256_hex(payload) not in end.stands:
            raise CorruptError(f"key {key.name!r} {signature.keyid[:16]} was revoked, and this was not on record then")
        try:
            public = Ed25519PublicKey.from_public_bytes(_decode(key.public, "public key"))
        except ValueError as error:
            raise CorruptError(f"key {key.name!r} is not an Ed25519 public key") from error
        try:
            public.verify(_decode(signature.sig, "signature"), pre_authentication(payload_type, payload))
        except InvalidSignature as error:
            raise CorruptError("the signature does not match the content") from error
        return key.name

    def signed(self, purpose: Purpose, message: bytes, signature: bytes, *, rows: int) -> bool:
        """Tell whether a key that is trusted for ``purpose`` made the raw ``signature`` over ``message``.

        ``rows`` is how much of the ledger the message speaks of.
        """
        for key in self.keys.values():
            end = self.revoked.get(key.keyid)
            if purpose in key.purposes and (end is None or rows <= end.rows):
                with suppress(InvalidSignature, ValueError):
                    Ed25519PublicKey.from_public_bytes(_decode(key.public, "public key")).verify(signature, message)
                    return True
        return False

    def open(self, purpose: Purpose, payload_type: str, envelope: Envelope, *, ended: bool = False) -> bytes:
        """Return the payload of an envelope that a trusted key signed; raise ``CorruptError`` otherwise."""
        if envelope.payloadType != payload_type:
            raise CorruptError(f"the envelope holds {envelope.payloadType!r}, not {payload_type!r}")
        payload = _decode(envelope.payload, "payload")
        problem = CorruptError("the envelope is not signed")
        for signature in envelope.signatures:
            try:
                self.check(purpose, payload_type, payload, signature, ended=ended)
            except CorruptError as error:
                problem = error
            else:
                return payload
        raise problem
