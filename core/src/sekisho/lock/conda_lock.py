"""``conda-lock.yml``, version 1 (CEP 37): the unified lock, conda packages and wheels in one file."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from sekisho.errors import BadInputError, RefusedError
from sekisho.lock.addresses import DoorAddress
from sekisho.lock.in_order import in_order
from sekisho.lock.value import Lock
from sekisho.model import Artifact, canonical_json, conda_record, normalize_project, sha256_hex, spec_name
from sekisho.unified_lock import VERSION, package_rows

UNIFIED_FILE = "conda-lock.yml"
"""What the file is called."""


class LockedRow(NamedTuple):
    """One package of a unified lock: which manager installs it from where, and the sha256 that its bytes must have."""

    manager: str
    name: str
    release: str
    url: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.manager} {self.name} {self.release}"


def to_conda_lock(lock: Lock, door: DoorAddress) -> str:
    """Write a whole lock, conda packages first; raise ``RefusedError`` where a channel states no md5.

    The format demands one of each conda package, and its readers check the sha256 beside it.
    """
    subdir = lock.target.subdir
    asked = {"specs": lock.conda, "requirements": lock.direct, "target": lock.target.plain()}
    channels = sorted({package.source for package in lock.of("conda")})
    document = {
        "version": VERSION,
        "metadata": {
            "content_hash": {subdir: sha256_hex(canonical_json(asked))},
            "channels": [{"url": door.channel(source), "used_env_vars": []} for source in channels],
            "platforms": [subdir],
            "sources": [lock.name],
        },
        "package": [
            *(_conda_row(package, door, subdir) for package in in_order(lock)),
            *(_pip_row(artifact, door, lock) for artifact in lock.of("pypi")),
        ],
    }
    return _header(lock) + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000)


def under_header(lock: Lock, text: str) -> str:
    """Return what conda-lock wrote under our own first lines, in place of its own words on how to use it."""
    lines = text.splitlines(keepends=True)
    while lines and lines[0].startswith("#"):
        del lines[0]
    return _header(lock) + "".join(lines)


def _header(lock: Lock) -> str:
    asked = ", ".join((*lock.conda, *lock.direct))
    return f"# sekisho-lock: {lock.name}\n# target: {lock.target}\n# asked for: {asked}\n"


def _conda_row(package: Artifact, door: DoorAddress, subdir: str) -> dict[str, Any]:
    record = conda_record(package)
    if "md5" not in record:
        raise RefusedError(
            f"the channel states no md5 of {package.filename}, and this format demands one",
            where=UNIFIED_FILE,
            todo="write the lock as pixi.lock or as an explicit file, which need none",
        )
    return {
        "name": package.project,
        "version": package.release,
        "manager": "conda",
        "platform": subdir,
        "dependencies": dict(_versions(record["depends"])),
        "url": door.file(package),
        "hash": {"md5": record["md5"], "sha256": package.sha256},
        "category": "main",
        "optional": False,
    }


def _versions(depends: list[str]) -> Mapping[str, str]:
    """Return by name which versions are needed; of a spec's build this format knows nothing."""
    found: dict[str, str] = {}
    for spec in depends:
        name, words = spec_name(spec), spec.split()
        version = words[1] if len(words) > 1 else ""
        found[name] = ",".join(filter(None, (found.get(name, ""), version)))
    return found


def _pip_row(artifact: Artifact, door: DoorAddress, lock: Lock) -> dict[str, Any]:
    here = {other.project for other in lock.of("pypi")}
    needs = sorted({edge.needs for edge in lock.edges if edge.project == artifact.project} & here)
    return {
        "name": artifact.project,
        "version": artifact.release,
        "manager": "pip",
        "platform": lock.target.subdir,
        "dependencies": dict.fromkeys(needs, "*"),
        "url": door.file(artifact),
        "hash": {"sha256": artifact.sha256},
        "category": "main",
        "optional": False,
    }


def read_conda_lock(text: str, *, platform: str, where: str) -> tuple[LockedRow, ...]:
    """Read the packages of a unified lock for one platform; raise ``BadInputError`` naming what is wrong with it.

    Every package must have a sha256: what has none cannot be held to an approval.
    """
    return tuple(_read(package_rows(text, where=where), platform, where))


def _read(rows: list[dict[str, Any]], platform: str, where: str) -> Iterator[LockedRow]:
    seen: set[tuple[str, str]] = set()
    for number, row in enumerate(rows, 1):
        at = f"{where}, package {number}"
        if row.get("manager") not in {"conda", "pip"}:
            raise BadInputError("a package is of neither conda nor pip", where=at)
        if row.get("platform") != platform:
            continue
        hashes = row.get("hash")
        sha256 = hashes.get("sha256") if isinstance(hashes, dict) else None
        texts = [row.get(key) for key in ("name", "version", "url")] + [sha256]
        if not all(isinstance(text, str) and text and text.isprintable() for text in texts):
            raise BadInputError(
                f"{str(row.get('name'))[:80]} has no name, version, address or sha256", where=at, todo="lock it again"
            )
        name, release, url, digest = map(str, texts)
        manager = str(row["manager"])
        found = LockedRow(manager, normalize_project("pypi", name) if manager == "pip" else name, release, url, digest)
        if (manager, found.name) in seen:
            raise BadInputError(f"{found} is locked twice", where=at)
        seen.add((manager, found.name))
        yield found
