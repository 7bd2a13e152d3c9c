"""Image definitions, gate reports, and references by digest."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from sekisho.model.base import Moment, Record, Sha256
from sekisho.model.extra_build import NOTHING, ExtraDependencies, ExtraVariables
from sekisho.model.identity import Slug
from sekisho.model.request import parse_spec
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


class MayReach(Record):
    """What an image is known to try to reach, although it cannot, and why that is accepted.

    ``destination`` is a name that is asked for, or ``address:port``.
    """

    destination: Annotated[str, StringConstraints(pattern=r"^\S+$")]
    reason: Annotated[str, Field(min_length=8)]


class UnrunScripts(Record):
    """A conda package whose link scripts are not run, as none ever is, and why the image does without them."""

    package: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_][a-z0-9_.-]{0,63}$")]
    reason: Annotated[str, Field(min_length=8)]


class Verification(Record):
    """A script of the definition's ``verify/``, and what it may use: seconds, bytes of memory, processes at once."""

    script: Annotated[str, StringConstraints(pattern=r"^\w[\w.-]*\.py$")]
    seconds: Annotated[int, Field(ge=1, le=3600)] = 300
    memory: Annotated[int, Field(ge=64 << 20)] = 2 << 30
    processes: Annotated[int, Field(ge=2, le=4096)] = 256


Profile = Literal["job", "online", "batch", "notebook"]
"""What Azure ML does with an image."""


class Accepted(Record):
    """What one gate may find in this image, and why that is accepted: ``what`` it names, with ``*`` for any part."""

    gate: Literal["privileges", "secrets", "licences", "advisories", "start-up", "sbom", "traced-files", "same-digest"]
    what: Annotated[str, StringConstraints(pattern=r"^[^*?\[].+$")]
    reason: Annotated[str, Field(min_length=8)]


class Budget(Record):
    """What an image may be at most: bytes in a registry and unpacked, layers, and bytes of the largest of them."""

    size: Annotated[int, Field(gt=0)] = 10_000_000_000
    unpacked: Annotated[int, Field(gt=0)] = 30_000_000_000
    layers: Annotated[int, Field(gt=0, le=127)] = 120
    layer: Annotated[int, Field(gt=0)] = 4_000_000_000


def _told(description: str, alias: str | None = None) -> Any:  # noqa: ANN401 (what pydantic's Field returns)
    return Field(description=description, alias=alias)


class ImageDefinition(Record):
    """``images/<name>/image.yaml``: everything an image is made from, except the locks and files beside it."""

    name: Annotated[Slug, _told("the folder's name; the image's repository ends in it")]
    description: Annotated[str, _told("what it is for, as an annotation and a label")] = ""
    base: Annotated[
        BaseDefinition, _told("`image: host/name@sha256:…`, or `debian:` and a folder of `images/` with its lock")
    ]
    build_base: Annotated[
        BaseDefinition | None,
        _told("what wheels are built on where source needs more than the base has, as a compiler", "build-base"),
    ] = None
    target: Annotated[Target, _told("`python` (full version), `glibc`, `arch`: what the base has")]
    requirements: Annotated[
        tuple[str, ...], _told("the direct requirements of indexes; `requirements.lock` has all")
    ] = ()
    extra_build_dependencies: Annotated[
        ExtraDependencies,
        _told(
            "by project, requirements that its wheel is built with beside what its source names; see"
            " [images](../how-to/images.md)",
            "extra-build-dependencies",
        ),
    ] = NOTHING
    extra_build_variables: Annotated[
        ExtraVariables,
        _told("by project, variables of the environment that its wheel is built in", "extra-build-variables"),
    ] = NOTHING
    conda: Annotated[
        tuple[str, ...],
        _told("match specs of packages of channels, Python among them; `prefix` is then a conda environment"),
    ] = ()
    channels: Annotated[
        tuple[Slug, ...], _told("the channels that `conda` is looked for at, the first one first; without it, all")
    ] = ()
    unrun_scripts: Annotated[
        tuple[UnrunScripts, ...],
        _told("conda packages that have link scripts and do without them: `package`, `reason`", "unrun-scripts"),
    ] = ()
    resolve_before: Annotated[
        Moment | None, _told("no release that was uploaded later; also the image's date", "resolve-before")
    ] = None
    prefix: Annotated[AbsolutePath, _told("where the environment is, virtual or conda")] = "/opt/venv"
    environment: Annotated[Mapping[str, str], _told("variables, over those of the base")] = {}
    user: Annotated[
        str,
        StringConstraints(pattern=r"^[1-9]\d{0,8}(:\d{1,9})?$"),
        _told("`uid` or `uid:gid` that it runs as, never root"),
    ] = "1000:1000"
    workdir: Annotated[AbsolutePath, _told("the working folder, which belongs to the user")] = "/home/job"
    labels: Annotated[Mapping[str, str], _told("labels of the config and annotations of the manifest")] = {}
    source: Annotated[
        str | None,
        StringConstraints(pattern=r"^https?://[^\s@]+$"),
        _told("address of what it is made from, for people"),
    ] = None
    debian: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]+$")], ...],
        _told("Debian packages beyond the base's; `debian.lock` has them all, with hashes"),
    ] = ()
    files: Annotated[
        tuple[FileDefinition, ...], _told("files of this folder: `from`, `to`, `mode` (0644), `owner` (0:0)")
    ] = ()
    bytecode: Annotated[
        Literal["none", "hash"],
        _told("`none`: no `.pyc`; `hash` is refused, since Python does not write the same bytes on each run"),
    ] = "none"
    gzip: Annotated[
        Literal["spliced", "plain"],
        _told("`spliced`: many members, the wheels' own streams; `plain`: one member, for what reads no others"),
    ] = "spliced"
    layers: Annotated[int, Field(ge=1, le=100), _told("most layers of packages, before large ones are divided")] = 60
    large_package: Annotated[
        int, Field(ge=0), _told("size in bytes from which a package has a layer of its own", "large-package")
    ] = 8_000_000
    layer_size: Annotated[
        int, Field(ge=100_000), _told("most bytes of a layer made here; what is larger is divided", "layer-size")
    ] = 2_000_000_000
    profiles: Annotated[
        tuple[Profile, ...], _told("what Azure ML may do with it: `job`, `online`, `batch`, `notebook`; each is tried")
    ] = ()
    verify: Annotated[
        tuple[Verification, ...] | None,
        _told("scripts of `verify/` that it must pass: `script`, `seconds`, `memory`, `processes`; without it, all"),
    ] = None
    may_not_import: Annotated[
        tuple[MayNotImport, ...], _told("modules that need not import: `module`, `reason`", "may-not-import")
    ] = ()
    may_reach: Annotated[
        tuple[MayReach, ...], _told("what it may try to reach, in vain: `destination`, `reason`", "may-reach")
    ] = ()
    budget: Annotated[
        Budget, _told("the most that it may be: `size` and `unpacked` in bytes, `layers`, bytes of the largest `layer`")
    ] = Budget()
    driver: Annotated[
        str | None,
        StringConstraints(pattern=r"^\d{1,4}(\.\d{1,4}){0,2}$"),
        _told("the oldest NVIDIA driver of the machines that it is to run on, as `550.54.14`"),
    ] = None
    accept: Annotated[
        tuple[Accepted, ...], _told("what a gate may find in it: `gate`, `what`, `reason`; see [Gates](gates.md)")
    ] = ()

    model_config = Record.model_config | {"populate_by_name": True}

    @field_validator("conda")
    @classmethod
    def _match_packages(cls, conda: tuple[str, ...]) -> tuple[str, ...]:
        for text in conda:
            parse_spec(text)
        return conda

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not self.requirements and not self.conda:
            raise ValueError("neither `requirements` nor `conda` asks for anything")
        if not self.conda and (self.channels or self.unrun_scripts):
            raise ValueError("`channels` and `unrun-scripts` are for what `conda` asks for")
        return self


class GateResult(Record):
    """One gate's answer. ``evidence`` is what it saw, in a few lines."""

    gate: Slug
    status: Literal["passed", "failed"]
    evidence: tuple[str, ...] = ()
    milliseconds: int = 0


def every_gate_passed(results: Sequence[GateResult]) -> bool:
    """Tell whether every gate passed; no gates at all is a failure."""
    return bool(results) and all(result.status == "passed" for result in results)


class GateReport(Record):
    """What the gates said of one image, named by its manifest's digest."""

    image: Sha256
    lock: Sha256
    gates: tuple[GateResult, ...]
    at: Moment

    @property
    def passed(self) -> bool:
        """Tell whether every gate passed; no gates at all is a failure."""
        return every_gate_passed(self.gates)


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
