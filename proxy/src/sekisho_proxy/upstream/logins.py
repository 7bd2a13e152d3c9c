"""Logins of sources, by host, out of a netrc file that is no part of the allowlists tree.

They are bound to hosts here, out of band, and not to sources there: whoever may change ``sources.yaml`` can neither
read one nor have it sent to another host, and a redirect to another host goes without.
"""

import base64
import ipaddress
import netrc
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from sekisho.errors import BadInputError, UpstreamError


class Logins:
    """``Authorization`` values (RFC 7617) by host, and port where it is not the usual one."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})

    def header(self, url: str, *, private: bool) -> dict[str, str]:
        """Return what to send to ``url``, if its host has a login.

        Raises ``UpstreamError`` rather than send one in the clear, unless the source is ``private`` or on this machine.
        """
        parts = urlsplit(url)
        value = self._values.get(host_of(parts.scheme, parts.hostname or "", parts.port))
        if value is None:
            return {}
        if parts.scheme != "https" and not private and not is_loopback(parts.hostname or ""):
            raise UpstreamError(
                f"the login of {parts.hostname} is not sent over plain http",
                where=parts.path,
                todo="use https, or declare the source `private: true` if only your own network lies between",
            )
        return {"authorization": value}


def host_of(scheme: str, name: str, port: int | None) -> str:
    """Return a host as hosts are compared: in small letters, with its port unless that is the scheme's own."""
    usual = {"http": 80, "https": 443}.get(scheme)
    return name.lower() if port in {None, usual} else f"{name.lower()}:{port}"


def is_loopback(name: str) -> bool:
    """Tell whether a host is written as this machine itself."""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def read_logins(file: Path | None, default: Path) -> Logins:
    """Read the file that the settings name, or ``default`` if it is there.

    Raises ``BadInputError`` for one that others may read, that is no netrc file, or that has a login for every host.
    """
    path = file or default
    if file is None and not default.exists():
        return Logins()
    try:
        if path.stat().st_mode & 0o077:
            raise BadInputError("others may read the logins of the sources", where=str(path), todo=f"chmod 600 {path}")
        hosts = netrc.netrc(path).hosts
    except FileNotFoundError as error:
        raise BadInputError("there is no such file", where=f"SEKISHO_SOURCE_LOGINS={path}") from error
    except (netrc.NetrcParseError, UnicodeDecodeError, OSError) as error:
        said = error.msg if isinstance(error, netrc.NetrcParseError) else type(error).__name__
        raise BadInputError(f"not a netrc file: {said}", where=str(path)) from error
    if "default" in hosts:
        raise BadInputError(
            "`default` would send a login to every source", where=str(path), todo="write one `machine HOST` per source"
        )
    return Logins({host.lower(): _basic(login, password) for host, (login, _, password) in hosts.items()})


def _basic(login: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{login}:{password}'.encode()).decode()}"
