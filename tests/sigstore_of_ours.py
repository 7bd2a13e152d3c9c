"""A Sigstore of our own: a certificate authority, a certificate log and a transparency log, and what they attest.

What it makes verifies by its own trust root and by no other, so tests can have attestations of any file by any
publisher, and spoil them in any way.
"""

import base64
import datetime as dt
import hashlib
import json
import struct
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from pypi_attestations import AttestationType

PUBLISH = AttestationType.PYPI_PUBLISH_V1.value
_AT = dt.datetime(2026, 1, 2, 12, 0, tzinfo=dt.UTC)
_SCT_LIST = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_CLAIMS = ObjectIdentifier("1.3.6.1.4.1.57264.1")
_PAYLOAD = "application/vnd.in-toto+json"
_ORIGIN = "log.test - 1"


def _claim(number: int, text: str) -> x509.UnrecognizedExtension:
    data = text.encode()
    length = bytes([len(data)]) if len(data) < 128 else bytes([0x81, len(data)])
    return x509.UnrecognizedExtension(ObjectIdentifier(f"{_CLAIMS.dotted_string}.{number}"), b"\x0c" + length + data)


def _spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _new() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class OwnSigstore:
    """One installation, with keys of its own."""

    ca: ec.EllipticCurvePrivateKey = field(default_factory=_new)
    certificates: ec.EllipticCurvePrivateKey = field(default_factory=_new)
    log: ec.EllipticCurvePrivateKey = field(default_factory=_new)

    def _name(self) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sigstore of a test")])

    def _authority(self) -> x509.Certificate:
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "encipher_only", "decipher_only"), False,
        )  # fmt: skip
        key_id = x509.SubjectKeyIdentifier.from_public_key(self.ca.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(self._name())
            .issuer_name(self._name())
            .public_key(self.ca.public_key())
            .serial_number(1)
            .not_valid_before(_AT - dt.timedelta(days=365))
            .not_valid_after(_AT + dt.timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
            .add_extension(key_id, critical=False)
            .sign(self.ca, hashes.SHA256())
        )

    def root(self) -> bytes:
        """Return the trust root: the file that a verifier needs."""
        start = {"start": (_AT - dt.timedelta(days=365)).isoformat().replace("+00:00", "Z")}

        def log(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
            return {
                "baseUrl": "https://log.test",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": _b64(_spki(key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": start
                },
                "logId": {"keyId": _b64(hashlib.sha256(_spki(key)).digest())},
            }  # fmt: skip

        authority = {
            "subject": {"organization": "test", "commonName": "test"},
            "uri": "https://ca.test",
            "certChain": {"certificates": [{"rawBytes": _b64(self._authority().public_bytes(Encoding.DER))}]},
            "validFor": start,
        }
        value = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(self.log)],
            "ctlogs": [log(self.certificates)],
            "certificateAuthorities": [authority],
            "timestampAuthorities": [],
        }
        return json.dumps(value).encode()

    def _certificate(self, key: ec.EllipticCurvePrivateKey, repository: str, workflow: str) -> x509.Certificate:
        commit = "a" * 40
        where = f"https://github.com/{repository}"
        config = f"{where}/.github/workflows/{workflow}@refs/tags/v1"
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
             "crl_sign", "encipher_only", "decipher_only"), False,
        )  # fmt: skip
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self._name())
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_AT)
            .not_valid_after(_AT + dt.timedelta(minutes=10))
            .add_extension(x509.KeyUsage(digital_signature=True, **usage), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.ca.public_key()), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(config)]), critical=True)
        )
        issuer = "https://token.actions.githubusercontent.com"
        for number, text in ((8, issuer), (12, where), (13, commit), (14, "refs/tags/v1"), (18, config)):
            builder = builder.add_extension(_claim(number, text), critical=False)
        bare = builder.sign(self.ca, hashes.SHA256()).tbs_certificate_bytes
        return builder.add_extension(x509.UnrecognizedExtension(_SCT_LIST, self._scts(bare)), critical=False).sign(
            self.ca, hashes.SHA256()
        )

    def _scts(self, precertificate: bytes) -> bytes:
        """Return the promise of the certificate log (RFC 6962, 3.2 and 3.3), as an extension's value."""
        at = int(_AT.timestamp() * 1000)
        issuer = hashlib.sha256(_spki(self.ca)).digest()
        entry = issuer + len(precertificate).to_bytes(3, "big") + precertificate
        signature = _sign(self.certificates, struct.pack("!BBQH", 0, 0, at, 1) + entry + b"\x00\x00")
        sct = struct.pack("!B32sQH", 0, hashlib.sha256(_spki(self.certificates)).digest(), at, 0)
        sct += struct.pack("!BBH", 4, 3, len(signature)) + signature
        listed = struct.pack("!H", len(sct)) + sct
        whole = struct.pack("!H", len(listed)) + listed
        return b"\x04" + (bytes([len(whole)]) if len(whole) < 128 else bytes([0x81, len(whole)])) + whole

    def attestation(
        self, filename: str, sha256: str, *, repository: str, workflow: str = "release.yml", predicate: str = PUBLISH
    ) -> dict[str, Any]:
        """Return an attestation (PEP 740) of a file by a workflow."""
        key = _new()
        certificate = self._certificate(key, repository, workflow)
        statement = json.dumps(
            {
                "_type": "https://in-toto.io/Statement/v1",
                "subject": [{"name": filename, "digest": {"sha256": sha256}}],
                "predicateType": predicate,
                "predicate": None,
            }
        ).encode()
        signed = f"DSSEv1 {len(_PAYLOAD)} {_PAYLOAD} {len(statement)} ".encode() + statement
        signature = _sign(key, signed)
        return {
            "version": 1,
            "verification_material": {
                "certificate": _b64(certificate.public_bytes(Encoding.DER)),
                "transparency_entries": [self._entry(certificate, statement, signature)],
            },
            "envelope": {"statement": _b64(statement), "signature": _b64(signature)},
        }

    def _entry(self, certificate: x509.Certificate, statement: bytes, signature: bytes) -> dict[str, Any]:
        """Return what the transparency log says: a tree of one leaf, its checkpoint, and a promise."""
        pem = certificate.public_bytes(Encoding.PEM)
        body = {
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": {"algorithm": "sha256", "value": hashlib.sha256(statement).hexdigest()},
                "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(statement).hexdigest()},
                "signatures": [{"signature": _b64(signature), "verifier": _b64(pem)}],
            },
        }
        leaf = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
        root = hashlib.sha256(b"\x00" + leaf).digest()
        log_id = hashlib.sha256(_spki(self.log)).digest()
        note = f"{_ORIGIN}\n1\n{_b64(root)}\n"
        line = f"\u2014 {_ORIGIN.split(maxsplit=1)[0]} {_b64(log_id[:4] + _sign(self.log, note.encode()))}\n"
        at = int(_AT.timestamp()) + 60
        promised = {"body": _b64(leaf), "integratedTime": at, "logID": log_id.hex(), "logIndex": 0}
        said = json.dumps(promised, sort_keys=True, separators=(",", ":")).encode()
        return {
            "logIndex": "0",
            "logId": {"keyId": _b64(log_id)},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(at),
            "inclusionPromise": {"signedEntryTimestamp": _b64(_sign(self.log, said))},
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": _b64(root),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": f"{note}\n{line}"},
            },
            "canonicalizedBody": _b64(leaf),
        }


def provenance(*attestations: dict[str, Any], repository: str, workflow: str = "release.yml") -> bytes:
    """Return a provenance object (PEP 740) that names a workflow as the publisher."""
    publisher = {"kind": "GitHub", "repository": repository, "workflow": workflow, "environment": None}
    bundle = {"publisher": publisher, "attestations": list(attestations)}
    return json.dumps({"version": 1, "attestation_bundles": [bundle]}).encode()
