"""What a service shows: a generated certificate, or a supplied one; either is renewed while the service runs."""

import asyncio
import logging
import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from sekisho.ports import Clock
from sekisho.settings import Settings
from sekisho.store import write_atomically
from sekisho.tls.authority import Authority, open_authority, parse_name
from sekisho.tls.pair import Pair, check_pair, read_pair

_LOG = logging.getLogger("sekisho.tls")
_LOOK = 60.0
"""Seconds between two looks at the files, so that what another program renews is shown soon."""

_RENEW = timedelta(days=30)
_ANYWHERE = {"0.0.0.0", "::", ""}  # noqa: S104 (these are compared with, not listened on)


def now_utc() -> datetime:
    """Return the present."""
    return datetime.now(UTC)


class Tls:
    """A server's TLS. ``context`` stays the same object; new connections get the newest certificate."""

    def __init__(self, settings: Settings, clock: Clock = now_utc) -> None:
        self._settings = settings
        self._clock = clock
        self._shown: tuple[bytes, bytes] | None = None
        self._complaint = ""
        self.context = _server_context()
        self.refresh()

    def refresh(self) -> bool:
        """Show what is on the disk, renewed if need be; tell whether that is something new.

        Raises ``SekishoError`` for what cannot be shown; then what was shown before goes on.
        """
        pair = self._supplied() if self._settings.tls == "files" else self._generated()
        if (pair.chain, pair.key) == self._shown:
            return False
        _load(_server_context(), pair)  # in case OpenSSL objects: a context that fails half-way shows nothing any more
        _load(self.context, pair)
        self._shown = (pair.chain, pair.key)
        _LOG.info("the certificate shown is good until %s", pair.certificate.not_valid_after_utc)
        return True

    async def keep(self) -> None:
        """Refresh every minute until cancelled; a failure is logged once and the old certificate stays."""
        while True:
            await asyncio.sleep(_LOOK)
            try:
                await asyncio.to_thread(self.refresh)
                self._complaint = ""
            except Exception as error:  # noqa: BLE001 (whatever it is, what is shown stays good for weeks)
                if str(error) != self._complaint:
                    _LOG.error("the certificate could not be renewed, the old one stays: %s", error)
                self._complaint = str(error)

    def _supplied(self) -> Pair:
        certificate, key = self._settings.tls_certificate, self._settings.tls_key
        if certificate is None or key is None:
            raise AssertionError  # the settings have seen to it
        return read_pair(certificate, key, self._clock())

    def _generated(self) -> Pair:
        now, names = self._clock(), served_names(self._settings)
        folder = self._settings.tls_folder
        authority = open_authority(folder / "authority.pem", names, now)
        write_once = folder / "ca.pem"
        if not write_once.exists() or write_once.read_bytes() != authority.pem:
            write_atomically(write_once, authority.pem)
        path = folder / "server.pem"
        pair = _still_good(path, authority, names, now)
        if pair is None:
            write_atomically(path, authority.issue(names, now), mode=0o600)
            pair = _still_good(path, authority, names, now)
        if pair is None:
            raise AssertionError  # it was made a moment ago
        return pair


def open_tls(settings: Settings) -> Tls | None:
    """Return a service's TLS, or nothing where it is off."""
    return None if settings.tls == "off" else Tls(settings)


def served_names(settings: Settings) -> list[x509.GeneralName]:
    """Return every name and address that the services of an installation are reached by, each once."""
    hosts = ["localhost", "127.0.0.1", "::1", settings.proxy_host, *settings.tls_names.replace(",", " ").split()]
    hosts += [urlsplit(settings.proxy).hostname or ""]
    if not settings.replica:  # a replica runs no portal, it only names one
        hosts += [settings.portal_host, urlsplit(settings.portal).hostname or ""]
    return list(dict.fromkeys(parse_name(host) for host in hosts if host not in _ANYWHERE))


def _still_good(path: Path, authority: Authority, names: list[x509.GeneralName], now: datetime) -> Pair | None:
    try:
        data = path.read_bytes()
        pair = check_pair(data, data, now, str(path), str(path))
        pair.certificate.verify_directly_issued_by(authority.certificate)
        shown = pair.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # noqa: BLE001 (whatever is wrong with it, a new one is made)
        return None
    late = min(now + _RENEW, authority.certificate.not_valid_after_utc)
    return pair if list(shown) == names and pair.certificate.not_valid_after_utc >= late else None


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    return context


def _load(context: ssl.SSLContext, pair: Pair) -> None:
    """Put a pair into a context by a file that has no name: OpenSSL reads files only, and these bytes were checked."""
    handle = os.memfd_create("sekisho-tls", os.MFD_CLOEXEC)
    with open(handle, "wb", buffering=0) as file:  # noqa: PTH123 (a descriptor)
        file.write(pair.key.rstrip() + b"\n" + pair.chain)
        context.load_cert_chain(f"/proc/self/fd/{handle}", password=lambda: "")
