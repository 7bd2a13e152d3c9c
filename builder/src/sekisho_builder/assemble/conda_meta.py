"""What an environment records of its packages under ``conda-meta/``, so that clients and scanners see them.

One JSON file for each package, in the shape that conda and py-rattler write and read (``PrefixRecord``), and
``history``, which makes a folder a conda environment in their eyes.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sekisho.conda_archive import PathEntry
from sekisho.model import canonical_json, clean_record
from sekisho_builder.assemble.conda_archive import CondaArchive

META = "conda-meta"
_COPIED = 3
"""conda's number for a package whose files were copied (``LinkType.copy``)."""

_NOWHERE = "https://conda.invalid"
"""A record must hold a URL, and an image names no host: this one can be nobody's (RFC 2606, 2)."""


@dataclass(frozen=True)
class LaidPath:
    """One path as it was laid: below the prefix, with the package's word on it, or of ``path_type`` and made by rule.

    ``sha256`` has the hash of what lies there, once all of it was read.
    """

    inside: str
    entry: PathEntry | None
    path_type: str = ""
    size: int = 0
    sha256: list[str] = field(default_factory=list)

    def stated(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Pass pieces on that end with an error if they are not what the package states, and remember that."""
        if self.entry is None or not self.entry.sha256:
            yield from self.hashed(chunks)
            return
        yield from chunks
        self.sha256.append(self.entry.sha256)

    def hashed(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Pass pieces on, and remember their hash at the end."""
        found = hashlib.sha256()
        for chunk in chunks:
            found.update(chunk)
            yield chunk
        self.sha256.append(found.hexdigest())

    def row(self) -> dict[str, Any]:
        """Return the line in ``paths_data``."""
        entry = self.entry
        if entry is None:
            return {
                "_path": self.inside,
                "path_type": self.path_type,
                "sha256": self.sha256[0],
                "sha256_in_prefix": self.sha256[0],
                "size_in_bytes": self.size,
            }
        found: dict[str, Any] = {"_path": self.inside, "path_type": entry.path_type}
        found |= {"sha256": entry.sha256} if entry.sha256 else {}
        found |= {"size_in_bytes": entry.size} if entry.size >= 0 else {}
        if entry.prefix_placeholder:
            found |= {"prefix_placeholder": entry.prefix_placeholder, "file_mode": entry.file_mode}
        found |= {"sha256_in_prefix": self.sha256[0]} if self.sha256 else {}
        return found


def prefix_record(archive: CondaArchive, paths: Iterable[LaidPath]) -> bytes:
    """Return the file of one package: what it says of itself, never what a channel said of it at some time."""
    package = archive.package
    subdir = package.path.partition("/")[0]
    stated = {**archive.info.index, "sha256": package.sha256, "size": package.size}
    rows = sorted((path.row() for path in paths), key=lambda row: str(row["_path"]))
    found: dict[str, Any] = {
        **clean_record(package.filename, stated, subdir=subdir),
        "fn": package.filename,
        "channel": package.source,
        "url": f"{_NOWHERE}/{package.source}/{package.path}",
        "files": [row["_path"] for row in rows],
        "paths_data": {"paths": rows, "paths_version": 1},
        "link": {"source": "", "type": _COPIED},
    }
    if package.requested:
        found |= {"requested_spec": package.requested[0], "requested_specs": list(package.requested)}
    return canonical_json(found) + b"\n"


def history(specs: Sequence[str], date: str) -> bytes:
    """Return ``conda-meta/history``: what was asked for. Which packages that gave is said by their own records."""
    moment = date.replace("T", " ").removesuffix("Z")
    asked = ", ".join(f"'{spec}'" for spec in specs)
    return f"==> {moment} <==\n# cmd: sekisho\n# update specs: [{asked}]\n".encode()
