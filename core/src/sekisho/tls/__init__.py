"""TLS: the certificate that a service shows, and whom our own commands believe."""

from sekisho.tls.serving import Tls, open_tls
from sekisho.tls.trusting import client_context, fingerprint, read_ca, verify_for

__all__ = ["Tls", "client_context", "fingerprint", "open_tls", "read_ca", "verify_for"]
