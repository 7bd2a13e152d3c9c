"""Members of a conda package that do something by where they lie (CEP 34): scripts that clients run, and settings."""

import re
from collections.abc import Mapping

from sekisho.conda_archive import is_link_script
from sekisho_proxy.inspect.conda_paths import Paths

_ACTIVATION = re.compile(r"etc/conda/(?:(?:de)?activate|env_vars)\.d/.+")
_MENU = re.compile(r"menu/[^/]+\.json")
_SETTINGS = re.compile(r"\.?condarc(?:\.d/.+|\.ya?ml)?|(?:etc/)?pip\.(?:conf|ini)|\.mambarc|\.pixi/.+")
_RESERVED = re.compile(r"conda-meta/.+")
_FOLDER = re.compile(
    r"bin|scripts|python-scripts|etc(?:/conda(?:/[^/]+\.d)?)?|menu|conda-meta|\.?condarc\.d|\.pixi"
    r"|lib(?:/(?:python|pypy)(?!3\.1$)[^/]*(?:/site-packages)?)?|site-packages"
)
"""Folders in which a file does something by lying there, and those above them; ``lib/python3.1`` is CPython's own."""

_PRIVILEGED = 0o6000


def noticed_places(paths: Paths, info: frozenset[str]) -> Mapping[str, list[str]]:
    """Return what was noticed, by the code of its finding.

    ``link_script``: clients run it when they install or remove the package (``python-scripts`` becomes ``bin``);
    ``activation_script``: shells run it with the environment; ``menu``: it makes shortcuts; ``client_settings``: conda
    or pip read it, and may be led to another channel or index; ``privileged_mode``: it runs as another user;
    ``archive_confusion``: it is the client's own, or a link in place of a folder, so files lie where none is listed.
    """
    found: dict[str, list[str]] = {}
    for path, kind in paths.kinds.items():
        if is_link_script(path):
            found.setdefault("link_script", []).append(path)
        if is_client_settings(path):
            found.setdefault("client_settings", []).append(path)
        folded = path.lower()
        for code, pattern in _BY_CODE.items():
            if pattern.fullmatch(folded):
                found.setdefault(code, []).append(path)
        if kind == "softlink" and _FOLDER.fullmatch(folded):
            found.setdefault("archive_confusion", []).append(f"{path} is a link, and clients take it for a folder")
        if kind != "softlink" and paths.modes[path] & _PRIVILEGED:
            found.setdefault("privileged_mode", []).append(f"{path} has mode {paths.modes[path]:04o}")
    if "info/repodata_record.json" in info:
        found.setdefault("archive_confusion", []).append("info/repodata_record.json is the client's to write")
    return found


def is_client_settings(path: str) -> bool:
    """Tell whether conda, pip or pixi read their settings at this path below a prefix."""
    return bool(_SETTINGS.fullmatch(path.lower()))


_BY_CODE = {
    "activation_script": _ACTIVATION,
    "menu": _MENU,
    "archive_confusion": _RESERVED,
}
