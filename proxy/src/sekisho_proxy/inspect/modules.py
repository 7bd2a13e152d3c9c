"""Which names a wheel makes importable, from its file list alone."""

import re
from collections.abc import Iterable

_DATA = re.compile(r"^[^/]+\.data/(?:purelib|platlib)/")
_MODULE = re.compile(r"^([^\W\d]\w*)(?:\.py|\.pyc|(?:\.[\w.-]+)?\.(?:so|pyd))$")
_MOST = 500


def importable(names: Iterable[str]) -> tuple[str, ...]:
    """Return the top-level importable names, sorted; of a namespace package (PEP 420) its first importable level."""
    tree: dict[str, set[str]] = {}
    folders: dict[str, set[str]] = {}
    for name in names:
        path = _DATA.sub("", name)
        top = path.partition("/")[0]
        if top.endswith((".dist-info", ".data")):
            continue
        _plant(path.split("/"), tree, folders)
    return tuple(sorted(_visit("", tree, folders)))[:_MOST]


def _plant(parts: list[str], modules: dict[str, set[str]], folders: dict[str, set[str]]) -> None:
    *above, last = parts
    match = _MODULE.match(last)
    if not match or not all(part.isidentifier() for part in above):
        return
    folder = ""
    for part in above:
        folders.setdefault(folder, set()).add(part)
        folder = f"{folder}.{part}" if folder else part
    modules.setdefault(folder, set()).add(match.group(1))


def _visit(folder: str, modules: dict[str, set[str]], folders: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        prefix = f"{here}." if here else ""
        found.update(f"{prefix}{name}" for name in modules.get(here, ()) if name != "__init__")
        for name in folders.get(here, ()):
            below = f"{prefix}{name}"
            if "__init__" in modules.get(below, ()):
                found.add(below)
            else:
                waiting.append(below)
    return found
