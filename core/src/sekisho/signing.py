"""Ed25519 keys, DSSE envelopes, and who is trusted to sign what.

An envelope (DSSE v1) signs a payload together with its type, so that a signature made for one purpose proves
nothing for another. Keys that verify are handed over out of band; nothing in the allowlists tree can add one.
"""

import base64
import binascii
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sekisho.errors import BadInputError, CorruptError, NotFoundError
from sekisho.model.base import Record, sha256_hex

Purpose = Literal["approval", "snapshot", "bundle", "checkpoint"]
APPROVAL_TYPE = "application/vnd.sekisho.approval.v1+json"
SNAPSHOT_TYPE = "application/vnd.sekisho.snapshot.v1+json"
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
    def load_or_create(cls, path: Path) -> Self:
        """Read the PKCS #8 key at ``path``; make it (mode 0600) if there is none."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            pem = Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            half = path.with_suffix(f".{secrets.token_hex(8)}.tmp")
            half.touch(mode=0o600)
            half.write_bytes(pem)
            try:
                os.link(half, path)  # of two processes that start together, one key wins and both read it
            except FileExistsError:
                pass
            finally:
                half.unlink()
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the PKCS #8 key at ``path``."""
        if not path.exists():
            raise NotFoundError("there is no signing key", where=str(path), todo="start the portal once: it makes one")
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError) as error:
            raise CorruptError("the signing key cannot be read", where=str(path)) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise BadInputError("the signing key is not an Ed25519 key", where=str(path))
        return cls(key)

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
    def load(cls, path: Path) -> Self:
        """Read a list of ``TrustedKey`` from a JSON file."""
        if not path.exists():
            raise NotFoundError(
                "there is no file of trusted keys", where=str(path), todo="copy trust.json from the open zone by hand"
            )
        try:
            rows = json.loads(path.read_bytes())
        except ValueError as error:
            raise BadInputError("the file of trusted keys is not JSON", where=str(path)) from error
        if not isinstance(rows, list):
            raise BadInputError("the file of trusted keys is not a list", where=str(path))
        return cls(*(TrustedKey.parse(row, where=str(path)) for row in rows))

    def dump(self) -> str:
        """Return the JSON that ``load`` reads."""
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
