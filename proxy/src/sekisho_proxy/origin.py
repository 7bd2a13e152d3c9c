"""By which address a client reached us, for the few URLs that have to be whole."""

import re
from urllib.parse import urlsplit

from sekisho_proxy.exchange import Request

_NAME = r"[a-z0-9]([a-z0-9._-]{0,252}[a-z0-9.])?"
_AUTHORITY = re.compile(rf"({_NAME}|\[[0-9a-f:.]{{2,45}}\])(:\d{{1,5}})?", re.ASCII | re.IGNORECASE)


class Origins:
    """Returns scheme and authority of a request, without a trailing slash.

    They are those that the client used, because clients compare such URLs with the ones they made themselves. A
    ``Host`` that is none becomes ``known``, where others reach this proxy; so does the scheme where another server
    ends the TLS of that address. What comes of it goes back to the very client that sent it, and to nobody else.
    """

    def __init__(self, known: str) -> None:
        self._known = known.rstrip("/")
        self._parts = urlsplit(self._known)

    def __call__(self, request: Request) -> str:
        """Return the origin, which holds nothing but a scheme, a host and a port, or is ``known``."""
        host = request.header(b"host")
        if not _AUTHORITY.fullmatch(host):
            return self._known
        ours = host.lower() == self._parts.netloc.lower()
        if ours and (request.scheme != "https" or self._parts.scheme == "https"):
            return f"{self._parts.scheme}://{host}{self._parts.path}"
        return f"{'https' if request.scheme == 'https' else 'http'}://{host}"
