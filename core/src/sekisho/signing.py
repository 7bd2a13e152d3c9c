"""Ed25519 keys, DSSE envelopes, and who is trusted to sign what.

An envelope (DSSE v1) signs a payload together with its type, so that a signature made for one purpose proves
nothing for another. Keys that verify are handed over out of band; nothing in the allowlists tree can add one.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Literal, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sekisho.errors import BadInputError, CorruptError
from sekisho.model.base import Record, sha256_hex

Purpose = Literal["approval", "snapshot", "bundle", "checkpoint"]
APPROVAL_TYPE = "application/vnd.sekisho.approval.v1+json"
SNAPSHOT_TYPE = "application/vnd.sekisho.snapshot.v1+json"
VEX_TYPE = "application/vnd.sekisho.vex.v1+json"
REVOCATION_TYPE = "application/vnd.sekisho.revocation.v1+json"
BUNDLE_TYPE = "application/vnd.sekisho.bundle.v1+json"


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
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CorruptError(f"{what} is not valid base64") from error


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


class Trust:
    """The keys that a verifier accepts, each for its purposes."""

    def __init__(self, *keys: TrustedKey) -> None:
        self.keys: Mapping[str, TrustedKey] = {key.keyid: key for key in keys}

    @classmethod
    def parse(cls, text: bytes | str, *, where: str) -> Self:
        """Read the JSON that ``dump`` writes: a list of ``TrustedKey``."""
        try:
            rows = json.loads(text)
        except ValueError as error:
            raise BadInputError("the file of trusted keys is not JSON", where=where) from error
        if not isinstance(rows, list):
            raise BadInputError("the file of trusted keys is not a list", where=where)
        return cls(*(TrustedKey.parse(row, where=where) for row in rows))

    def dump(self) -> str:
        """Return the JSON that ``parse`` reads."""
        return json.dumps([key.plain() for key in self.keys.values()], indent=2) + "\n"

    def check(self, purpose: Purpose, payload_type: str, payload: bytes, signature: Signature) -> str:
        """Return the name of the key that signed ``payload``; raise ``CorruptError`` for anything else."""
        key = self.keys.get(signature.keyid)
        if key is None:
            raise CorruptError(f"signed by an unknown key {signature.keyid[:16]}")
        if purpose not in key.purposes:
            raise CorruptError(f"key {key.name!r} is not trusted to sign a {purpose}")
        try:
            public = Ed25519PublicKey.from_public_bytes(_decode(key.public, "public key"))
        except ValueError as error:
            raise CorruptError(f"key {key.name!r} is not an Ed25519 public key") from error
        try:
            public.verify(_decode(signature.sig, "signature"), pre_authentication(payload_type, payload))
        except InvalidSignature as error:
            raise CorruptError("the signature does not match the content") from error
        return key.name

    def signed(self, purpose: Purpose, message: bytes, signature: bytes) -> bool:
        """Tell whether a key that is trusted for ``purpose`` made the raw ``signature`` over ``message``."""
        for key in self.keys.values():
            if purpose in key.purposes:
                with suppress(InvalidSignature, ValueError):
                    Ed25519PublicKey.from_public_bytes(_decode(key.public, "public key")).verify(signature, message)
                    return True
        return False

    def open(self, purpose: Purpose, payload_type: str, envelope: Envelope) -> bytes:
        """Return the payload of an envelope that a trusted key signed; raise ``CorruptError`` otherwise."""
        if envelope.payloadType != payload_type:
            raise CorruptError(f"the envelope holds {envelope.payloadType!r}, not {payload_type!r}")
        payload = _decode(envelope.payload, "payload")
        problem = CorruptError("the envelope is not signed")
        for signature in envelope.signatures:
            try:
                self.check(purpose, payload_type, payload, signature)
            except CorruptError as error:
                problem = error
            else:
                return payload
        raise problem
