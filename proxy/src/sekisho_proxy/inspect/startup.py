"""Which files of a wheel run, or replace what runs, with every start of Python, wherever the wheel puts them.

Members are looked at where they are installed: the root and ``.data/{purelib,platlib}`` in a site folder,
``.data/data`` in the prefix, ``.data/scripts`` in its ``bin`` (binary distribution format, "The .data directory").
"""

import re
from collections.abc import Iterable

_SITE = {"purelib", "platlib"}
_FOLDERS = {"data": (), "scripts": ("bin",), "headers": ("include",)}
_SITE_FOLDER = re.compile(r"(?:site|dist)-packages$")
_CUSTOMIZE = re.compile(r"(?:sitecustomize|usercustomize)(?:\..*)?")
_INTERPRETER = re.compile(r"(?:bin|scripts)/(?:python|pypy)[\w.-]*|pyvenv\.cfg|[^/]*\._pth")
_IN_SITE = re.compile(r"(?:lib[^/]*/(?:(?:python|pypy)[^/]*/)?)?(?:site|dist)-packages/(.+)", re.IGNORECASE)
_OF_THE_INTERPRETER = re.compile(r"(?:^|/)lib[^/]*/(?:python|pypy)")


def startup_files(names: Iterable[str]) -> list[str]:
    """Return the members that run with every start of Python once the wheel is installed, in their order."""
    return [name for name in names if _starts(name)]


def _starts(name: str) -> bool:
    top, _, below = name.partition("/")
    if not top.endswith(".data"):
        return _starts_in_site(name.lower())
    scheme, _, rest = below.partition("/")
    if scheme in _SITE:
        return _starts_in_site(rest.lower())
    return _starts_in_prefix((in_prefix(name) or rest).lower())


def _starts_in_site(path: str) -> bool:
    parts = path.split("/")
    if parts[0] == "__pycache__":
        parts = parts[1:]
    return bool(_CUSTOMIZE.fullmatch(parts[0])) or (path.endswith(".pth") and (len(parts) == 1 or _below_site(path)))


def _starts_in_prefix(path: str) -> bool:
    """Tell whether a file below the prefix starts: all of the interpreter's library counts, ``lib/python3.x/os.py``."""
    if _OF_THE_INTERPRETER.search(path) or _INTERPRETER.fullmatch(path):
        return True
    site = re.search(r"(?:^|/)[^/]*(?:site|dist)-packages/(.+)$", path)
    return bool(site and _starts_in_site(site[1])) or (path.endswith(".pth") and _below_site(path))


def _below_site(path: str) -> bool:
    return bool(_SITE_FOLDER.search(path.rpartition("/")[0]))


def in_prefix(name: str) -> str:
    """Return where a member of a wheel goes below the prefix, or "" for one that goes to a site folder."""
    top, _, below = name.partition("/")
    scheme, _, rest = below.partition("/")
    if not top.endswith(".data") or scheme not in _FOLDERS:
        return ""
    return "/".join((*_FOLDERS[scheme], rest))


def in_site(path: str) -> str:
    """Return where a file of a conda package lies below its ``site-packages``, or "" for one elsewhere.

    That of a ``noarch: python`` package is on top, and goes to the interpreter's when it is installed.
    """
    found = _IN_SITE.fullmatch(path)
    return found[1] if found else ""


def starts_in_environment(path: str, *, interpreter: bool) -> bool:
    """Tell whether a file of a conda package runs with every start of Python, or replaces what runs.

    What lies beside the ``site-packages`` is the interpreter's own, and right in a package that is the ``interpreter``.
    """
    below = in_site(path)
    if below:
        return _starts_in_site(below.lower())
    folded = path.lower()
    folded = folded.replace("python-scripts/", "bin/", 1) if folded.startswith("python-scripts/") else folded
    return not interpreter and _starts_in_prefix(folded)
