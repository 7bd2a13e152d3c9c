"""Who is calling, for the API (a bearer token) and for the pages (the same token in a cookie)."""

import hashlib
import hmac

from fastapi import Request

from sekisho.errors import RefusedError, UnauthenticatedError
from sekisho.tokens import Identity, Tokens

COOKIE = "sekisho_token"


def bearer(request: Request) -> str | None:
    """Return the token of an ``Authorization: Bearer`` header (RFC 6750)."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def identify(request: Request, tokens: Tokens) -> Identity:
    """Return who calls the API; raise ``UnauthenticatedError`` if nobody says so. Cookies do not count here."""
    token = bearer(request)
    if token is None:
        raise UnauthenticatedError(
            "who are you?", todo="send `Authorization: Bearer TOKEN`; the CLI reads SEKISHO_TOKEN"
        )
    return tokens.identify(token)


def visitor(request: Request, tokens: Tokens) -> Identity | None:
    """Return who looks at a page, or ``None`` for somebody who has not logged in."""
    token = request.cookies.get(COOKIE)
    try:
        return tokens.identify(token) if token else None
    except UnauthenticatedError:
        return None


def form_key(request: Request) -> str:
    """Return what a form must carry so that another site cannot post it in a visitor's name."""
    token = request.cookies.get(COOKIE, "")
    return hmac.new(token.encode(), b"sekisho form", hashlib.sha256).hexdigest()


def check_form(request: Request, key: str) -> None:
    """Raise ``RefusedError`` unless the form came from one of our own pages."""
    if not hmac.compare_digest(form_key(request).encode(), key.encode()):
        raise RefusedError("the form is not from this page", todo="reload the page and send it again")
