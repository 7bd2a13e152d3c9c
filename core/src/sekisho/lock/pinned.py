"""What an engine answers from a door, held to what is approved there."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated

from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from pydantic import Field

from sekisho.errors import RefusedError
from sekisho.lock.value import Lock
from sekisho.model import (
    EVERYONE,
    Artifact,
    Closure,
    Edge,
    Kind,
    ProjectName,
    Record,
    Sha256,
    Slug,
    Target,
    conda_record,
    node_of,
    spec_name,
)
from sekisho.model.tags import wheel_tags

_NAMED = 10
_MOST = 10_000


class ToLock(Record):
    """What is to be locked, from the door of ``workspace``: requirements, what binds them, match specs.

    ``channels`` are sources in their order. ``names`` says what conda packages are called in the index, where they are
    called otherwise there.
    """

    workspace: Slug = EVERYONE
    target: Target
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    conda: tuple[str, ...] = ()
    channels: tuple[Slug, ...] = ()
    names: Mapping[str, tuple[str, ...]] = {}


class Pinned(Record):
    """One package of an engine's answer: a file of this release with one of these hashes."""

    kind: Kind = "pypi"
    project: ProjectName
    release: Annotated[str, Field(max_length=200)]
    hashes: Annotated[tuple[Sha256, ...], Field(min_length=1, max_length=2000)]

    def __str__(self) -> str:
        return f"{node_of(self.kind, self.project)} {self.release}"


class Answer(Record):
    """An engine's answer. ``text`` is the file that it wrote itself, if it writes one that is worth keeping."""

    resolver: str
    packages: Annotated[tuple[Pinned, ...], Field(max_length=_MOST)]
    text: str | None = None


def hold(asked: ToLock, answer: Answer, admitted: Callable[[Kind, str], Sequence[Artifact]]) -> Closure:
    """Return an answer as a closure of files that are ``admitted``, one for each package: the target's best wheel.

    Raises ``RefusedError`` naming each package of which no admitted file has one of the hashes.
    """
    ranks = {tag: rank for rank, tag in enumerate(wheel_tags(asked.target))}
    found: list[Artifact] = []
    missing: list[str] = []
    for package in answer.packages:
        files = [
            file
            for file in admitted(package.kind, package.project)
            if file.sha256 in package.hashes and file.release == package.release
        ]
        fitting = [(rank, file) for file in files if (rank := _rank(file, ranks)) is not None]
        if fitting:
            found.append(min(fitting, key=lambda row: (row[0], row[1].filename))[1])
        else:
            missing.append(str(package) if not files else f"{package} (has no wheel for the target)")
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise RefusedError(
            f"{len(missing)} packages of the answer are not approved with these hashes:"
            f" {', '.join(missing[:_NAMED])}{more}",
            where=f"workspace {asked.workspace}",
            todo="ask for them with `sekisho request`, and lock again",
        )
    return Closure(
        request=asked.digest(),
        target=asked.target,
        direct=asked.requirements,
        conda=asked.conda,
        resolver=answer.resolver,
        artifacts=tuple(found),
        edges=tuple(_edges(found)),
    )


def bind(answer: Answer, hashes: Mapping[str, Sequence[str]]) -> Answer:
    """Return an answer, without its text, of which only the files with the hashes that are asked for are left.

    Raises ``RefusedError`` naming each project of which none is.
    """
    packages, wrong = [], []
    for package in answer.packages:
        wanted = hashes.get(package.project) if package.kind == "pypi" else None
        left = package.hashes if wanted is None else tuple(one for one in package.hashes if one in wanted)
        if left:
            packages.append(package.model_copy(update={"hashes": left}))
        else:
            wrong.append(str(package))
    if wrong:
        raise RefusedError(
            f"nothing is approved with the hashes that are asked for: {', '.join(wrong[:_NAMED])}",
            todo="ask for them with `sekisho request`, or lock without these hashes",
        )
    return Answer(resolver=answer.resolver, packages=tuple(packages))


def to_pin(lock: Lock) -> ToLock:
    """Return what makes an engine answer exactly with what a lock holds, or not at all."""
    conda = lock.of("conda")
    records = [(package, conda_record(package)) for package in conda]
    return ToLock(
        workspace=lock.workspace,
        target=lock.target,
        requirements=tuple(f"{file.project}=={file.release}" for file in lock.of("pypi")),
        conda=tuple(f"{of.source}::{of.project}=={of.release}={record['build']}" for of, record in records),
        channels=tuple(sorted({package.source for package in conda})),
    )


def check_same(lock: Lock, answer: Answer) -> None:
    """Raise ``RefusedError`` naming every package in which an answer is not what a lock holds."""
    held = {file.node: file for file in lock.artifacts}
    found = {node_of(package.kind, package.project): package for package in answer.packages}
    wrong = [f"{name} is missing" for name in sorted(held.keys() - found.keys())]
    wrong += [f"{found[name]} is not approved for it" for name in sorted(found.keys() - held.keys())]
    for name in sorted(held.keys() & found.keys()):
        if found[name].release != held[name].release:
            wrong.append(f"{found[name]} in place of {held[name].release}")
        elif held[name].sha256 not in found[name].hashes:
            wrong.append(f"{found[name]} has other bytes than those that were approved")
    if wrong:
        more = f"; and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise RefusedError(
            f"{answer.resolver} did not answer with what is approved: {'; '.join(wrong[:_NAMED])}{more}",
            where=f"lock {lock.name}",
            todo="ask again with `sekisho request`, or write the lock without an engine",
        )


def _rank(file: Artifact, ranks: Mapping[Tag, int]) -> int | None:
    """Return how well a file fits a target, the best is the least; nothing if it does not."""
    if file.kind != "pypi":
        return 0
    try:
        _, _, _, tags = parse_wheel_filename(file.filename)
    except InvalidWheelFilename:
        return None
    return min((ranks[tag] for tag in tags if tag in ranks), default=None)


def _edges(artifacts: Sequence[Artifact]) -> Iterator[Edge]:
    """Yield who needs whom among conda packages, whose records say so."""
    packages = {artifact.project: artifact for artifact in artifacts if artifact.kind == "conda"}
    for name, package in packages.items():
        for below in sorted({spec_name(spec) for spec in conda_record(package)["depends"]} & packages.keys()):
            yield Edge(project=node_of("conda", name), needs=node_of("conda", below))
