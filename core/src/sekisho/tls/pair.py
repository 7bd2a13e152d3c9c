"""A certificate chain with its key, checked before a service shows it."""

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from sekisho.errors import BadInputError, NotFoundError


class Pair(NamedTuple):
    """PEM texts; ``certificate`` is the chain's first one, which the key belongs to."""

    chain: bytes
    key: bytes
    certificate: x509.Certificate


def read_pair(certificate: Path, key: Path, now: datetime) -> Pair:
    """Read what an operator supplied; every error names the setting that is wrong."""
    at_certificate, at_key = f"SEKISHO_TLS_CERTIFICATE={certificate}", f"SEKISHO_TLS_KEY={key}"
    return check_pair(_read(certificate, at_certificate), _read(key, at_key), now, at_certificate, at_key)


def check_pair(chain: bytes, key: bytes, now: datetime, at_certificate: str, at_key: str) -> Pair:
    """Return the pair if it can be shown ``now``; raise ``BadInputError`` with the reason if not."""
    try:
        leaf = x509.load_pem_x509_certificates(chain)[0]
    except ValueError as error:
        raise BadInputError("there is no PEM certificate in this file", where=at_certificate) from error
    if leaf.not_valid_after_utc <= now:
        raise BadInputError(
            f"the certificate ended on {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC",
            where=at_certificate,
            todo="put a new one there",
        )
    if leaf.not_valid_before_utc > now:
        raise BadInputError(
            f"the certificate begins on {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC",
            where=at_certificate,
            todo="check this machine's clock",
        )
    try:
        secret = serialization.load_pem_private_key(key, None)
    except TypeError as error:
        raise BadInputError(
            "the key is encrypted, and nobody is there to type its passphrase",
            where=at_key,
            todo="write it without one (openssl pkey -in … -out …) where only the service's user can read it",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadInputError("there is no PEM private key in this file", where=at_key) from error
    if secret.public_key() != leaf.public_key():
        raise BadInputError(
            "the key does not belong to the certificate",
            where=f"{at_key}, {at_certificate}",
            todo="name the key that the certificate was made for; the server's certificate comes first in its file",
        )
    return Pair(chain, key, leaf)


def _read(path: Path, where: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError("there is no such file", where=where) from error
    except OSError as error:
        raise BadInputError(f"the file cannot be read: {error.strerror}", where=where) from error
