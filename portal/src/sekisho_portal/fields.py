"""What people type into the fields of a form. Pure."""

import re
from datetime import UTC, datetime

from sekisho.errors import BadInputError

_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")  # as core's Slug


def scope_of(text: str) -> list[str]:
    """Read workspaces, with commas or blanks between them."""
    names = text.replace(",", " ").split()
    if odd := next((name for name in names if not _SLUG.fullmatch(name)), None):
        raise BadInputError(f"{odd[:80]!r} is no name of a workspace", where="scope", todo="write it as team-a, team-b")
    return names


def end_of(text: str) -> datetime | None:
    """Read the day on which an approval ends, at its beginning in UTC."""
    if not text.strip():
        return None
    try:
        return datetime.strptime(text.strip(), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise BadInputError(f"{text[:40]!r} is not a day", where="until", todo="write it as 2027-05-01") from error
