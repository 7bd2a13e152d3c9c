"""How a conda package may be called. It loads nothing else: who reads a channel starts often."""

import re

_NAME = re.compile(r"(?=.{1,64}$)[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?", re.ASCII)


def is_name(text: str) -> bool:
    """Tell whether ``text`` can name a package (CEP 26)."""
    return bool(_NAME.fullmatch(text))
