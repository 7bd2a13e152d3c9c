"""What an image is made from must fit together: definition, lock and base. Checked before a byte is written."""

from collections.abc import Iterator

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sekisho.errors import BadInputError
from sekisho.lock import Lock
from sekisho.model import ImageDefinition, MatchSpec, extra_of
from sekisho.model.conda import NOARCH
from sekisho_builder.assemble.environment import locked_python
from sekisho_builder.oci.layout import ARCHITECTURES, Layout

_PREFIX = 127 - len("#!/bin/python")
_LINKS = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"}
_ENGINES = {"dev", "proc", "sys", "run", "tmp", "var/run", "var/lock", "var/tmp"}
"""What an engine mounts over, what is a link in a base, and what a folder of a layer would take the sticky bit from."""

_SYSTEM = {"boot", "etc", "usr"}
_SHARED = {"home", "media", "mnt", "opt", "root", "srv", "var"}
"""Folders that are not the image's user's, with and without all that is in them."""

_LABELS_OF_OURS = (
    "org.opencontainers.image.created",
    "org.opencontainers.image.title",
    "org.opencontainers.image.description",
    "org.opencontainers.image.source",
    "org.opencontainers.image.revision",
    "org.opencontainers.image.base.",
    "dev.sekisho.",
)


def check(definition: ImageDefinition, lock: Lock, base: Layout) -> None:
    """Raise ``BadInputError`` for the first thing that does not fit."""
    where = f"images/{definition.name}/image.yaml"
    _check_words(definition, where)
    check_lock(definition, lock, where)
    _check_base(definition, base)


def _check_words(definition: ImageDefinition, where: str) -> None:
    for path in (definition.prefix, definition.workdir, *(file.to for file in definition.files)):
        if fault := path_fault(path.strip("/")):
            raise BadInputError(f"{path} cannot be a path in an image: {fault}", where=where, todo="take another path")
    if len(definition.prefix) > _PREFIX or not definition.prefix.isascii() or " " in definition.prefix:
        raise BadInputError(
            "the prefix does not fit into the first line of a script",
            where=where,
            todo=f"take one of at most {_PREFIX} letters, without spaces, as /opt/venv",
        )
    home, prefix = f"{definition.workdir.strip('/')}/", f"{definition.prefix.strip('/')}/"
    if home.partition("/")[0] in _SYSTEM or home[:-1] in _SHARED or home.startswith(prefix) or prefix.startswith(home):
        raise BadInputError(
            f"{definition.workdir} cannot be the working folder: its user may write it, and others depend on it",
            where=where,
            todo="take a folder that holds nothing else, as /home/job",
        )
    if definition.bytecode != "none":
        raise BadInputError(
            "`bytecode: hash` cannot be had: Python does not compile a file to the same bytes on each run",
            where=where,
            todo="write `bytecode: none`, or leave the line out",
        )
    taken = [name for name in sorted(definition.labels) if name.startswith(_LABELS_OF_OURS)]
    if taken:
        raise BadInputError(
            f"the label {taken[0]} is made from the definition itself",
            where=where,
            todo="leave it out; `source` and `description` have keys of their own",
        )


def path_fault(path: str) -> str | None:
    """Return why a file or folder cannot stand at ``path`` (no leading slash) in an image, or nothing if it can."""
    parts = path.split("/")
    if {"", ".", ".."} & set(parts):
        return "it is empty or climbs out of its folder"
    if any(part.startswith(".wh.") for part in parts):
        return ".wh. is a whiteout in a layer"
    if parts[0] in _LINKS:
        return f"/{parts[0]} is a link in many bases"
    if {parts[0], "/".join(parts[:2])} & _ENGINES:
        return "an engine has its own there"
    if any(len(part.encode()) > 255 for part in parts) or not path.isprintable():
        return "a part of it is too long, or holds a character that cannot be shown"
    return None


def check_lock(definition: ImageDefinition, lock: Lock, where: str) -> None:
    """Raise ``BadInputError`` for the first thing in which a lock is not its definition's."""
    for fault in _differences(definition, lock):
        raise BadInputError(
            f"the lock does not match the definition: {fault}",
            where=where,
            todo=f"ask for it anew with `sekisho request --image {definition.name}`",
        )
    for artifact in lock.artifacts:
        if artifact.kind != "conda" and not artifact.filename.endswith(".whl"):
            raise BadInputError(f"{artifact.name} is no wheel", where=where, todo="lock wheels and conda packages only")


def _differences(definition: ImageDefinition, lock: Lock) -> Iterator[str]:
    if definition.target != lock.target:
        yield f"the lock is for {lock.target}, not {definition.target}"
    if lock.name != definition.name:
        yield f"it is the lock of {lock.name}"
    if definition.resolve_before != lock.resolve_before:
        yield f"`resolve-before` is {lock.resolve_before or 'not given'} in the lock"
    for text in sorted(set(definition.requirements) ^ set(lock.direct)):
        yield f"{text!r} is asked for by {'the lock' if text in lock.direct else 'the definition'} alone"
    yield from _conda_differences(definition, lock)
    for artifact in lock.of("pypi"):
        extra = extra_of(definition.extra_build_dependencies, definition.extra_build_variables, artifact.project)
        if extra.recipe and artifact.recipe != extra.recipe:
            yield f"{artifact.filename} was not built with what `extra-build-…` of {artifact.project} says"
    known = {artifact.project: artifact.release for artifact in lock.of("pypi")}
    for asked in map(Requirement, definition.requirements):
        release = known.get(str(canonicalize_name(asked.name)))
        if release is None and definition.target.fits(asked.marker):
            yield f"{asked.name} is not locked"
        if release is not None and not asked.specifier.contains(release, prereleases=True):
            yield f"{asked.name} is locked as {release}, and {asked} is asked for"


def _conda_differences(definition: ImageDefinition, lock: Lock) -> Iterator[str]:
    packages = lock.of("conda")
    for text in sorted(set(definition.conda) ^ set(lock.conda)):
        yield f"{text!r} is asked for by {'the lock' if text in lock.conda else 'the definition'} alone"
    for spec in map(MatchSpec.parse, definition.conda):
        if not any(spec.matches(package) for package in packages):
            yield f"no locked conda package is what {spec.name} is asked for as"
    for package in packages:
        subdir = package.path.partition("/")[0]
        if subdir not in {NOARCH, definition.target.subdir}:
            yield f"{package.name} is for {subdir}"
        if definition.channels and package.source not in definition.channels:
            yield f"{package.name} is of the channel {package.source}"
    if definition.conda:
        python = locked_python(lock)
        if python is None:
            yield "no Python is among the conda packages; name `python` under `conda`"
        elif python.release != definition.target.python:
            yield f"Python is locked as {python.release}, and the target is {definition.target.python}"
    names = {package.project for package in packages}
    for entry in definition.unrun_scripts:
        if entry.package not in names:
            yield f"`unrun-scripts` names {entry.package}, which is not locked"


def _check_base(definition: ImageDefinition, base: Layout) -> None:
    told = base.config
    found = f"{told.get('os')}/{told.get('architecture')}"
    wanted = f"{definition.target.os}/{ARCHITECTURES[definition.target.arch]}"
    if found != wanted:
        raise BadInputError(
            f"the base is made for {found}, and the image's target is {wanted}",
            where=f"{definition.base.image or definition.base.debian} of images/{definition.name}/image.yaml",
            todo="name the digest of the base for that platform, or correct `target`",
        )
