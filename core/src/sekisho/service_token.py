"""The token that the rooms use among themselves, kept in a file that only the service user can read."""

import hmac
import os
import secrets
from pathlib import Path

from sekisho.errors import NotFoundError


def read_or_create(path: Path) -> str:
    """Return the service token at ``path``; make one (mode 0600) if there is none."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(f".{secrets.token_hex(8)}.tmp")
        half.touch(mode=0o600)
        half.write_text(f"skp_service_{secrets.token_urlsafe(32)}\n")
        try:
            os.link(half, path)
        except FileExistsError:
            pass
        finally:
            half.unlink()
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
