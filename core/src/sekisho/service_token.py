"""The token that the rooms use among themselves, kept in a file that only the service user can read."""

import hmac
import secrets
from pathlib import Path

from sekisho.disk import DISK, Disk
from sekisho.errors import NotFoundError
from sekisho.store import write_secret_once


def read_or_create(path: Path, *, disk: Disk = DISK) -> str:
    """Return the service token at ``path``; make one (mode 0600) if there is none."""
    write_secret_once(path, f"skp_service_{secrets.token_urlsafe(32)}\n".encode(), disk=disk)
    return read(path)


def read(path: Path) -> str:
    """Return the service token at ``path``; raise ``NotFoundError`` if there is none."""
    try:
        return path.read_text().strip()
    except FileNotFoundError as error:
        raise NotFoundError("there is no service token", where=str(path), todo="start `sekisho up` once") from error


def same(given: str, expected: str) -> bool:
    """Compare two tokens in constant time."""
    return hmac.compare_digest(given.encode(), expected.encode())
