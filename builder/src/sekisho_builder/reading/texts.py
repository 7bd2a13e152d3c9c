"""Which files of an image gates read the text of."""

import re

_EXECUTABLE = 0o111
_TEXTS = re.compile(
    r"(?:^|/)(?:METADATA|entry_points\.txt|[^/]+\.pth|(?:site|user)customize\.py|run|finish)$"
    r"|\.(?:sh|bash)$"
    r"|(?:^|/)etc/conda/(?:activate|env_vars)\.d/[^/]+$"
    r"|^var/lib/dpkg/(?:status$|status\.d/)"
    r"|^usr/share/doc/[^/]+/copyright$"
    r"|^etc/(?:profile|bash\.bashrc|os-release|environment)$|^usr/lib/os-release$"
    r"|/\.(?:profile|bashrc|bash_profile)$"
)


def wanted(path: str, mode: int) -> bool:
    """Tell whether some gate reads the text of a file: what describes packages, and what may run at start-up."""
    return _TEXTS.search(path) is not None or bool(mode & _EXECUTABLE and "/site-packages/" not in path)
