"""Members of a conda package that do something by where they lie (CEP 34)."""

import re

_LINK_SCRIPT = re.compile(r"(?:bin|scripts|python-scripts)/\.[^/]+-(?:pre|post)-(?:un)?link\.(?:sh|bat)", re.IGNORECASE)


def is_link_script(path: str) -> bool:
    """Tell whether a client would run a member when it installs or removes the package.

    What lies in ``python-scripts`` of a ``noarch: python`` package goes to ``bin``.
    """
    return bool(_LINK_SCRIPT.fullmatch(path))
