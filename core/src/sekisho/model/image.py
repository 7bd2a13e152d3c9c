"""Image definitions, gate reports, and references by digest."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from sekisho.model.base import Moment, Record, Sha256
from sekisho.model.identity import Slug
from sekisho.model.target import Target

AbsolutePath = Annotated[str, StringConstraints(pattern=r"^/[^\x00]*$")]


class BaseDefinition(Record):
    """The image that a curated image stands on.

    ``image`` is a reference by digest (``host/name@sha256:…``), pulled where a registry has it. ``debian`` names a
    folder under ``images/`` whose package lock builds it where none is reachable.
    """

    image: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@sha256:[0-9a-f]{64}$")] | None = None
    debian: Slug | None = None


class FileDefinition(Record):
    """A file of the definition's folder, or a folder of files, that goes into the image.

    ``source`` (``from``) is a path in the definition's folder. ``mode`` counts for every file; folders are 0755.
    ``owner`` is ``uid`` or ``uid:gid``.
    """

    source: Annotated[str, Field(alias="from"), StringConstraints(pattern=r"^[^/\x00][^\x00]*$")]
    to: AbsolutePath
    mode: Annotated[str, StringConstraints(pattern=r"^0?[0-7]{3}$")] = "0644"
    owner: Annotated[str, StringConstraints(pattern=r"^\d{1,9}(:\d{1,9})?$")] = "0:0"

    model_config = Record.model_config | {"populate_by_name": True}


class MayNotImport(Record):
    """A module that is known not to import in this image, and why that is accepted."""

    module: str
    reason: Annotated[str, Field(min_length=8)]


class ImageDefinition(Record):
    """``images/<name>/image.yaml``: everything an image is made from, except the lock beside it.

    ``layers`` bounds the number of package layers, before large ones are divided; ``large-package`` is the size in
    bytes from which a package gets a layer of its own, and ``layer-size`` the most that a layer made here has.
    ``gzip`` is ``spliced`` (the wheels' own deflate streams, many members) or ``plain`` (one member, compressed
    anew). ``labels`` become labels and annotations; ``source`` is the address of what the image is made from.
    ``bytecode: none`` is all that can be had, since compiled files are not the same on each run.
    """

    name: Slug
    description: str = ""
    base: BaseDefinition
    target: Target
    requirements: Annotated[tuple[str, ...], Field(min_length=1)]
    resolve_before: Annotated[Moment | None, Field(alias="resolve-before")] = None
    prefix: AbsolutePath = "/opt/venv"
    environment: Mapping[str, str] = {}
    user: Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,8}(:\d{1,9})?$")] = "1000:1000"
    workdir: AbsolutePath = "/home/job"
    labels: Mapping[str, str] = {}
    source: Annotated[str, StringConstraints(pattern=r"^https?://[^\s@]+$")] | None = None
    files: tuple[FileDefinition, ...] = ()
    bytecode: Literal["none", "hash"] = "none"
    gzip: Literal["spliced", "plain"] = "spliced"
    layers: Annotated[int, Field(ge=1, le=100)] = 60
    large_package: Annotated[int, Field(ge=0, alias="large-package")] = 8_000_000
    layer_size: Annotated[int, Field(ge=100_000, alias="layer-size")] = 2_000_000_000
    may_not_import: Annotated[tuple[MayNotImport, ...], Field(alias="may-not-import")] = ()

    model_config = Record.model_config | {"populate_by_name": True}


class GateResult(Record):
    """One gate's answer. ``evidence`` is what it saw, in a few lines."""

    gate: Slug
    status: Literal["passed", "failed"]
    evidence: tuple[str, ...] = ()
    milliseconds: int = 0


class GateReport(Record):
    """What the gates said of one image, named by its manifest's digest."""

    image: Sha256
    lock: Sha256
    gates: tuple[GateResult, ...]
    at: Moment

    @property
    def passed(self) -> bool:
        """Tell whether every gate passed; no gates at all is a failure."""
        return bool(self.gates) and all(gate.status == "passed" for gate in self.gates)


class ImageReference(Record):
    """An image in a registry. Only ``manifest``, the sha256 of its manifest, names it; ``tag`` is a hint for people."""

    registry: str
    repository: str
    manifest: Sha256
    tag: str = ""
    lock: Sha256
    size: int = 0

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}@sha256:{self.manifest}"
