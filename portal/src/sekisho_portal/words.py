"""What people may do and say here: roles, and words that can be shown, signed and kept."""

import unicodedata

from sekisho.errors import BadInputError, RefusedError
from sekisho.tokens import Identity, Role

LONGEST_REASON = 2000
_TURNING = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
"""Directions that a reader does not see (Unicode UAX 9): with them a signed reason reads as another one."""


def has_controls(text: str, *, but: str = "") -> bool:
    """Tell whether a text holds characters that cannot be printed, or that turn around or break what stands there."""
    return any(
        letter not in but
        and (unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} or unicodedata.bidirectional(letter) in _TURNING)
        for letter in text
    )


def check_words(text: str, *, what: str = "reason", todo: str = "say in a sentence why") -> None:
    """Raise ``BadInputError`` unless somebody says something, in words that can be shown and signed."""
    if not text.strip() or len(text) > LONGEST_REASON or has_controls(text):
        raise BadInputError(
            f"the {what} must be one line of 1 to {LONGEST_REASON} printable characters", where=what, todo=todo
        )


def require(who: Identity, *roles: Role) -> None:
    """Raise ``RefusedError`` unless somebody has one of ``roles``."""
    if not who.has(*roles):
        raise RefusedError(f"{who.name} has none of the roles {', '.join(roles)}", todo="ask an operator for a token")
