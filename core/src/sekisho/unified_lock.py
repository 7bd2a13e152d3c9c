"""The one way into a ``conda-lock.yml`` of version 1 (CEP 37): its rows, of whatever platform, manager and category."""

from typing import Any

from sekisho.allowlist import load_yaml
from sekisho.errors import BadInputError

VERSION = 1
_TODO = "have conda-lock write it again"


def package_rows(text: str, *, where: str) -> list[dict[str, Any]]:
    """Return the rows; raise ``BadInputError`` for what ``load_yaml`` refuses, another version, and no such list."""
    found = load_yaml(text, where=where)
    rows = found.get("package") if isinstance(found, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadInputError("a conda lock has a list `package`", where=where, todo=_TODO)
    if found.get("version") != VERSION:
        version = str(found.get("version"))[:20]
        raise BadInputError(f"a conda lock of version {version} is not known", where=where, todo=_TODO)
    return rows
