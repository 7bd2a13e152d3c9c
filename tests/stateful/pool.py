"""The files of the world outside: each bears marks by which a leak is seen in any body, and a name for traces."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from urllib.parse import quote, unquote

from sekisho.model import Artifact
from tests.wheels import Wheel, metadata_text, pack, wheel_files

MARK = re.compile(rb"(FILE|META|PROV|EVIL)-MARK\[([a-z0-9.-]+)\]")
LARGE = 1_300_000
"""More than a file from which on clients read along while it arrives."""

OUTSIDE, INSIDE = "outside", "inside"


@dataclass(frozen=True)
class Item:
    """One file. ``path`` is percent-encoded, as an index writes it; ``stated`` is the METADATA hash it states."""

    key: str
    source: str
    project: str
    release: str
    filename: str
    path: str
    data: bytes
    metadata: bytes | None
    stated: str | None
    size: int
    attested: bool = False
    ranges: bool = True
    sound: bool = True
    """Whether the METADATA in it is what its name and the index say, so that it may be had."""

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def where(self) -> str:
        """The path as a server sees it."""
        return unquote(self.path)

    @cached_property
    def provenance(self) -> bytes:
        """Return a provenance object (PEP 740) about the file."""
        wheel = Wheel(self.project, self.release, self.filename, self.data, b"")
        mark = f"PROV-MARK[{_marked(self.key)}]".encode()
        return wheel.provenance().replace(b'"kind": "test"', b'"kind": "%s"' % mark)

    @cached_property
    def provenance_path(self) -> str:
        return f"integrity/{quote(self.key)}/provenance"

    @cached_property
    def artifact(self) -> Artifact:
        index = {"core-metadata": self.stated} if self.stated else {}
        return Artifact(
            source=self.source,
            project=self.project,
            release=self.release,
            filename=self.filename,
            path=self.path,
            sha256=self.sha256,
            size=self.size,
            uploaded=datetime(2026, 1, 1, tzinfo=UTC),
            index=index | ({"provenance": self.provenance_path} if self.attested else {}),
        )

    def __repr__(self) -> str:
        return self.key


def _marked(key: str) -> str:
    return key.replace("+", "-").replace("_", "-")


def _item(key, *, folder="packages/x", source=OUTSIDE, like=None, stated="right", large=False, **more):
    """Make a wheel from its name; ``like`` has the same bytes, ``stated`` is right, wrong or none."""
    project, release = key.split("_")[0].rsplit("-", 1)
    name = f"{project}-{release}-py3-none-any.whl"
    mark = f"FILE-MARK[{_marked(key)}]".encode()
    metadata = metadata_text(project, release, extra=f"Keywords: META-MARK[{_marked(key)}]\n")
    files = {f"{project}/mark.txt": mark, f"{project}/data.bin": hashlib.shake_128(mark).digest(LARGE if large else 64)}
    data = pack(wheel_files(project, release, files=files, metadata=metadata), method=0)
    if like:
        data, metadata = like.data, like.metadata
    more.setdefault("sound", like is None and stated != "wrong")
    hashed = hashlib.sha256(metadata).hexdigest()
    known = {"right": hashed, "wrong": hashlib.sha256(b"other").hexdigest(), "none": None}[stated]
    return Item(
        key=key,
        source=source,
        project=project,
        release=release,
        filename=name,
        path=f"{folder}/{more.pop('quoted', name)}",
        data=data,
        metadata=metadata,
        stated=known,
        size=more.pop("size", len(data)),
        **more,
    )


def _sdist(key):
    project, release = key.split("_")[0].rsplit("-", 1)
    data = b"FILE-MARK[%s] not really packed" % key.replace("_", "-").encode()
    name = f"{project}-{release}.tar.gz"
    return Item(key, OUTSIDE, project, release, name, f"packages/s/{name}", data, None, None, len(data))


def _pool():
    yield _item("alpha-1.0", attested=True)
    yield (newer := _item("alpha-1.1"))
    yield _item("alpha-1.2", large=True, attested=True)
    yield _sdist("alpha-1.1_sdist")
    yield _item("alpha-9.9")
    yield _item("beta-2.0+cu118", quoted="beta-2.0%2Bcu118-py3-none-any.whl")
    yield _item("beta-2.0+cpu", folder="packages/a%20b", attested=True)
    yield _item("gamma-1.0_composed", folder="packages/caf%C3%A9")
    yield _item("gamma-1.0_decomposed", folder="packages/cafe%CC%81")
    yield _item("twin-1.1", like=newer)
    yield _item("delta-1.0", stated="wrong")
    yield _item("delta-1.1", stated="none")
    yield _item("delta-1.2", stated="none", size=0)
    yield _item("delta-1.3", stated="none", ranges=False)
    yield _item("gamma-1.1", stated="none", ranges=False)
    yield _item("inhouse-1.0", source=INSIDE, attested=True)
    yield _item("inhouse-2.0", source=INSIDE, large=True, stated="none", ranges=False)
    yield _item("shared-1.0_outside", folder="packages/shared")
    yield _item("shared-1.0_inside", folder="packages/shared", source=INSIDE)
    yield _item("ghost-1.0")


POOL = {item.key: item for item in _pool()}
NEVER = frozenset({"alpha-9.9", "ghost-1.0"})
"""What upstreams list and nobody ever approves."""

APPROVABLE = sorted(POOL.keys() - NEVER)
PROJECTS = sorted({item.project for item in POOL.values()})
BY_MARK = {_marked(key): item for key, item in POOL.items()}
BY_SHA256 = {item.sha256: item for item in POOL.values()}
BY_PATH = {path: [item for item in POOL.values() if item.where == path] for path in {i.where for i in POOL.values()}}
HASH = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


def marks(body: bytes) -> set[tuple[str, str]]:
    """Return (kind of mark, sha256 of the file that bears it) of every mark in a body."""
    return {(kind.decode(), BY_MARK[name.decode()].sha256) for kind, name in MARK.findall(body)}


def hashes(body: bytes) -> set[str]:
    """Return the sha256 of every file that a body names."""
    return {found.decode() for found in HASH.findall(body)} & BY_SHA256.keys()


def other_bytes(item: Item) -> bytes:
    """Return what a source sends that has begun to serve something else under the same name: as long, and marked."""
    return item.data.replace(b"FILE-MARK[", b"EVIL-MARK[").replace(b"META-MARK[", b"EVIL-MARK[")
