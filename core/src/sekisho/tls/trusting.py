"""Whom our own commands and rooms believe: the system's authorities, and the one that was named or generated here."""

import ssl
from pathlib import Path

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from sekisho.errors import BadInputError, NotFoundError

_PEM = serialization.Encoding.PEM


def read_ca(path: Path) -> bytes:
    """Return a file of authorities; raise a clear error if it is missing or holds no certificate, or a key."""
    try:
        data = path.read_bytes()
        certificates = x509.load_pem_x509_certificates(data)
    except FileNotFoundError as error:
        raise NotFoundError(
            "there is no such file of authorities", where=str(path), todo="set SEKISHO_TLS_CA, or name one with --ca"
        ) from error
    except OSError as error:
        raise BadInputError(f"the authorities cannot be read: {error.strerror}", where=str(path)) from error
    except ValueError as error:
        raise BadInputError("there is no PEM certificate in this file", where=str(path)) from error
    if b"PRIVATE KEY" in data:
        raise BadInputError(
            "this file holds a private key, which no client may see", where=str(path), todo="name the certificate alone"
        )
    return b"".join(certificate.public_bytes(_PEM) for certificate in certificates)


def fingerprint(pem: bytes) -> str:
    """Return the SHA-256 of the first certificate, as `openssl x509 -fingerprint -sha256` prints it."""
    return x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256()).hex(":").upper()


def client_context(ca: Path | None) -> ssl.SSLContext:
    """Return what verifies a server: as ``SSL_CERT_FILE`` or the system says, and by ``ca`` beside that."""
    context = httpx2.create_ssl_context()
    if ca is not None:
        context.load_verify_locations(cadata=read_ca(ca).decode())
    return context


def verify_for(url: str, ca: Path | None) -> ssl.SSLContext | bool:
    """Return httpx's ``verify`` for a service; reading authorities takes time, so only where they are needed."""
    return client_context(ca) if url.startswith("https:") else True
