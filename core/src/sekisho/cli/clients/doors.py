"""Which door this place's pip and uv are pointed at already."""

import configparser
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from sekisho.cli.clients.door import Place, inside, read_toml
from sekisho.cli.clients.pip import files_read

_WORKSPACE = re.compile(r"https?://[^/\s]+/w/([a-z0-9][a-z0-9._-]{0,62})/(?:@[^/\s]+/)?pypi/simple/?")
_VARIABLES = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")


def workspaces(place: Place) -> Iterator[tuple[str, str]]:
    """Give each workspace whose door a client asks, and what says so, the strongest first."""
    for where, url in _indexes(place):
        if found := _WORKSPACE.fullmatch(url.strip()):
            yield found[1], where


def _indexes(place: Place) -> Iterator[tuple[str, str]]:
    for name in _VARIABLES:
        yield name, place.environment.get(name, "").rpartition("=")[2]  # uv takes NAME=URL
    named = place.environment.get("PIP_CONFIG_FILE")
    if named != os.devnull:
        for path in reversed(files_read(place, Path(named) if named else None)):
            yield from _in_ini(path)
    for path in [*(folder / "uv.toml" for folder in place.above()), place.config / "uv" / "uv.toml"]:
        yield from _in_table(path, read_toml(path))
    for folder in place.above():
        yield from _in_table(folder / "pyproject.toml", inside(read_toml(folder / "pyproject.toml"), "tool", "uv"))


def _in_ini(path: Path) -> Iterable[tuple[str, str]]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(), source=str(path))
    except (OSError, ValueError, configparser.Error):
        return []
    keys = [(section, key) for section in ("install", "global") for key in ("index-url", "index_url")]
    return [(str(path), parser.get(*pair, fallback="")) for pair in keys]


def _in_table(path: Path, table: object) -> Iterator[tuple[str, str]]:
    rows = inside(table, "index")
    for row in rows if isinstance(rows, list) else ():
        if isinstance(url := inside(row, "url"), str) and inside(row, "default") is True:
            yield str(path), url
    if isinstance(url := inside(table, "index-url"), str):
        yield str(path), url
