"""The virtual packages of a target. conda-lock hands them over as a channel of files that holds nothing else."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from sekisho.errors import BadInputError


class Virtual(NamedTuple):
    """One virtual package, as ``__glibc 2.36``."""

    name: str
    version: str
    build: str


def split_channels(channels: Sequence[str], subdir: str) -> tuple[tuple[str, ...], tuple[Virtual, ...]]:
    """Return (channels of packages, virtual packages). A channel that states a virtual package is none of packages."""
    kept: list[str] = []
    found: dict[str, Virtual] = {}
    for channel in channels:
        parts = urlsplit(channel)
        stated = list(_stated(Path(unquote(parts.path)), subdir)) if parts.scheme == "file" else []
        if stated:
            found |= {virtual.name: virtual for virtual in stated}
        elif not _is_empty(channel):
            kept.append(channel)
    return tuple(kept), tuple(found.values())


def _is_empty(channel: str) -> bool:
    """Tell whether this is conda-lock's channel of virtual packages, without any for this platform."""
    return channel.startswith("file:") and "conda-lock-fake-repodata" in channel


def _stated(folder: Path, subdir: str) -> Iterator[Virtual]:
    for part in ("noarch", subdir):
        path = folder / part / "repodata.json"
        if not path.is_file():
            continue
        try:
            rows: Iterable[dict[str, Any]] = json.loads(path.read_bytes())["packages"].values()
            for row in rows:
                if row["name"].startswith("__"):
                    yield Virtual(row["name"], row["version"], row.get("build_string") or row.get("build") or "0")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise BadInputError("it is no repodata.json", where=str(path)) from error
