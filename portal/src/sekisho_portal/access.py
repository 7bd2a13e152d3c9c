"""Who is calling, for the API (a bearer token) and for the pages (the same token in a cookie)."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from sekisho.errors import RefusedError, UnauthenticatedError
from sekisho.tokens import Identity, Tokens
from sekisho_portal.desk import Desk
from sekisho_portal.snapshots import Snapshots

COOKIE = "sekisho_token"

Ending = Callable[[], bool]
"""Tells whether the portal has been told to stop."""


@dataclass(frozen=True, slots=True)
class House:
    """What every route works with. Who waits for news is answered at once when the portal is ``ending``.

    ``progress`` is shown while a stage runs, by request, and kept nowhere.
    """

    desk: Desk
    snapshots: Snapshots
    tokens: Tokens
    ending: Ending
    progress: dict[str, dict[str, Any]] = field(default_factory=dict)


def house(request: Request) -> House:
    """Return what the application was put together from."""
    found: House = request.app.state.house
    return found


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


def caller(request: Request) -> Identity:
    """Return who calls a route of the API."""
    return identify(request, house(request).tokens)


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
