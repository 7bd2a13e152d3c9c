"""Which releases of Python projects lie in a conda package, by the METADATA that installers left there (PEP 376)."""

import re
from collections.abc import Mapping

from sekisho.errors import BadInputError, CorruptError
from sekisho.model import Contained, normalize_project
from sekisho_proxy.inspect.metadata import stated

_METADATA = re.compile(
    r"(?:.*/)?(?:site|dist)-packages/[^/]+(?:\.dist-info/METADATA|\.egg-info/PKG-INFO|\.egg-info)", re.IGNORECASE
)
_MOST = 500


def is_metadata(path: str) -> bool:
    """Tell whether a member is the METADATA of an installed project."""
    return bool(_METADATA.fullmatch(path))


def contained(metadata: Mapping[str, bytes]) -> tuple[tuple[Contained, ...], list[str]]:
    """Return the releases that METADATA files name, and what is wrong with those that name none."""
    found: set[tuple[str, str]] = set()
    wrong = []
    for path, data in metadata.items():
        try:
            said = stated(data)
            name, release = str(said["name"] or ""), str(said["version"] or "").strip()
            project = normalize_project("pypi", name)
        except (CorruptError, BadInputError) as error:
            wrong.append(f"{path} cannot be read: {error.what}")
            continue
        if 0 < len(release) <= 200 and release.isprintable():
            found.add((project, release))
        else:
            wrong.append(f"{path} states no version")
    rows = sorted(found)
    if len(rows) > _MOST:
        wrong.append(f"it holds {len(rows)} projects, more than are looked at")
    return tuple(Contained(project=project, release=release) for project, release in rows[:_MOST]), wrong
