"""Who may pass where only Sekisho's own rooms do: the service token, as Basic or Bearer."""

import base64
import binascii

from sekisho.errors import UnauthenticatedError
from sekisho.service_token import same
from sekisho_proxy.exchange import Request


def require_service(request: Request, token: str) -> None:
    """Return quietly for the service token (Bearer, or either half of Basic); raise ``UnauthenticatedError`` else."""
    scheme, _, value = request.header(b"authorization").partition(" ")
    given = [value.strip()] if scheme.lower() == "bearer" else _basic(value) if scheme.lower() == "basic" else []
    if not any([same(part, token) for part in given]):  # noqa: C419 (no short cut: constant time)
        raise UnauthenticatedError(
            "this route is for Sekisho's own services",
            where=request.path,
            todo="send the service token as the password of user __token__",
        )


def _basic(value: str) -> list[str]:
    try:
        text = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return []
    user, _, password = text.partition(":")
    return [user, password]
