"""A lock: an approved closure as one record, from which files of several formats are written."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from sekisho.errors import RefusedError
from sekisho.model import (
    Approval,
    Artifact,
    Closure,
    Edge,
    Kind,
    Moment,
    Record,
    Sha256,
    Slug,
    Target,
    sha256_hex,
)

_HEADER = "# sekisho-lock: "


class Lock(Record):
    """The exact files of an image, each covered by an approval.

    ``direct`` are the requirements that were asked for, ``conda`` the match specs. ``edges`` say who needs whom, by the
    nodes of the closure.
    """

    name: Slug
    closure: Sha256
    workspace: Slug
    target: Target
    direct: tuple[str, ...]
    conda: tuple[str, ...] = ()
    resolve_before: Moment | None = None
    approvals: tuple[str, ...]
    artifacts: tuple[Artifact, ...]
    edges: tuple[Edge, ...] = ()

    def of(self, kind: Kind) -> tuple[Artifact, ...]:
        """Return the artifacts of one kind of source."""
        return tuple(artifact for artifact in self.artifacts if artifact.kind == kind)


def make_lock(name: str, closure: Closure, approvals: Iterable[Approval], *, workspace: str, now: datetime) -> Lock:
    """Turn a closure into a lock; raise ``RefusedError`` naming what no approval in force covers.

    What was let in for hours, by breaking glass, enters no lock; nor does a closure whose wheels are not built yet.
    """
    if closure.builds:
        raise RefusedError(
            f"{closure.builds[0].project} is still source", where=f"lock {name}", todo="wait until its wheel was built"
        )
    covered: dict[str, str] = {}
    for approval in sorted(approvals, key=lambda approval: (approval.at, approval.id)):  # the oldest is named
        if approval.admits(workspace, now) and not approval.break_glass:
            for artifact in approval.artifacts:
                covered.setdefault(artifact.sha256, approval.id)
    missing = [artifact.name for artifact in closure.artifacts if artifact.sha256 not in covered]
    if missing:
        raise RefusedError(
            f"{len(missing)} artifacts have no approval in force: {', '.join(missing[:10])}",
            todo="ask again with `sekisho request`",
        )
    artifacts = sorted_artifacts(closure)
    return Lock(
        name=name,
        closure=closure.digest(),
        workspace=workspace,
        target=closure.target,
        direct=closure.direct,
        conda=closure.conda,
        resolve_before=closure.resolve_before,
        approvals=tuple(sorted({covered[artifact.sha256] for artifact in artifacts})),
        artifacts=artifacts,
        edges=tuple(sorted(closure.edges, key=lambda edge: (edge.project, edge.needs))),
    )


def sorted_artifacts(closure: Closure) -> tuple[Artifact, ...]:
    """Return the artifacts of a closure as a lock has them: those of an index by name, then those of channels."""
    return tuple(sorted(closure.artifacts, key=lambda artifact: (artifact.kind == "conda", artifact.project)))


def requirement_lines(lock: Lock) -> Iterator[str]:
    """Yield the lines of the requirements file, see ``sekisho.lock.requirements``."""
    yield f"{_HEADER}{lock.name}"
    yield f"# target: {lock.target}"
    yield f"# requirements: {', '.join(lock.direct)}"
    if lock.resolve_before:
        yield f"# resolve-before: {lock.resolve_before.isoformat().replace('+00:00', 'Z')}"
    for artifact in lock.of("pypi"):
        yield f"{artifact.project}=={artifact.release} \\"
        yield f"    --hash=sha256:{artifact.sha256}"


def lock_digest(lock: Lock) -> str:
    """Return the digest of what is locked: of the lines of its requirements file, and of its conda packages.

    It depends on nothing else: not on who asked, who approved, or when, and not on where a door is. Images carry it.
    """
    lines = list(requirement_lines(lock))
    if packages := lock.of("conda"):
        lines.append(f"# conda: {', '.join(lock.conda)}")
        lines += [f"{package.source}/{package.path} sha256:{package.sha256}" for package in packages]
    return sha256_hex(("\n".join(lines) + "\n").encode())
