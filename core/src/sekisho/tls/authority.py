"""A certificate authority for one installation, which may vouch for that installation's own names and no other.

Certificates follow RFC 5280 as far as the strictest of the clients asks: key identifiers, critical basic constraints,
critical name constraints (section 4.2.1.10), names in the subject alternative name alone (RFC 9525).
"""

import ipaddress
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sekisho.errors import BadInputError, ConflictError, CorruptError
from sekisho.store import write_secret_once

_CA_LIVES = timedelta(days=3650)
_LEAF_LIVES = timedelta(days=90)
_CLOCKS_DIFFER = timedelta(days=1)
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def parse_name(text: str) -> x509.GeneralName:
    """Read a host name or an address; raise ``BadInputError`` for anything else, a wildcard too."""
    try:
        return x509.IPAddress(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        pass
    if not _HOST.fullmatch(text.lower()):
        raise BadInputError(f"{text[:80]!r} is neither a host name nor an address", where="SEKISHO_TLS_NAMES")
    return x509.DNSName(text.lower())


def _usage(*wanted: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in wanted for name in _KEY_USAGES})


def _subtree(name: x509.GeneralName) -> x509.GeneralName:
    if isinstance(name, x509.IPAddress):
        return x509.IPAddress(ipaddress.ip_network(name.value))
    return name


class Authority(NamedTuple):
    """The authority's certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """Return the certificate, which is public."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def vouches_for(self, names: Iterable[x509.GeneralName]) -> list[x509.GeneralName]:
        """Return those of ``names`` that the authority may *not* vouch for."""
        found = self.certificate.extensions.get_extension_for_class(x509.NameConstraints).value
        permitted = set(found.permitted_subtrees or ())
        return [name for name in names if _subtree(name) not in permitted]

    def issue(self, names: Iterable[x509.GeneralName], now: datetime) -> bytes:
        """Return a new key and a certificate for it, in one PEM text."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        certificate = (
            _begin("Sekisho", key, self.certificate.subject, now, min(now + _LEAF_LIVES, _ends(self.certificate)))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return _pem(key, certificate)


def open_authority(path: Path, names: Iterable[x509.GeneralName], now: datetime) -> Authority:
    """Read the authority at ``path`` (key and certificate, mode 0600); make it, for ``names``, if there is none.

    Raises ``ConflictError`` when it may not vouch for one of ``names``, or has come to its end.
    """
    wanted = list(names)
    if not path.exists():
        write_secret_once(path, _make(wanted, now))
    authority = _read(path)
    outside = authority.vouches_for(wanted)
    anew = f"remove {path} so that a new one is made at the next start, and configure every client again"
    if outside:
        shown = ", ".join(str(name.value) for name in outside)
        raise ConflictError(f"the generated CA was not made for {shown}", where=str(path), todo=anew)
    if _ends(authority.certificate) <= now:
        raise ConflictError(
            f"the generated CA ended on {_ends(authority.certificate):%Y-%m-%d}", where=str(path), todo=anew
        )
    return authority


def _make(names: list[x509.GeneralName], now: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    title = f"Sekisho CA {now:%Y-%m-%d} {secrets.token_hex(4)}"
    constraints = x509.NameConstraints([_subtree(name) for name in names], None)
    certificate = (
        _begin(title, key, _subject(title), now, now + _CA_LIVES)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(constraints, critical=True)
        .sign(key, hashes.SHA256())
    )
    return _pem(key, certificate)


def _subject(title: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])


def _begin(
    title: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_subject(title))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _ends(certificate: x509.Certificate) -> datetime:
    return certificate.not_valid_after_utc


def _pem(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> bytes:
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret + certificate.public_bytes(serialization.Encoding.PEM)


def _read(path: Path) -> Authority:
    data = path.read_bytes()
    try:
        key = serialization.load_pem_private_key(data, None)
        certificate = x509.load_pem_x509_certificate(data)
        certificate.extensions.get_extension_for_class(x509.NameConstraints)
    except (ValueError, TypeError, x509.ExtensionNotFound) as error:
        raise CorruptError("this is no CA that was generated here", where=str(path), todo="restore it") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise CorruptError("the key does not belong to the CA", where=str(path), todo="restore it from a backup")
    return Authority(certificate, key)
