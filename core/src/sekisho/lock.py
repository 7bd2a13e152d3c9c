"""A lock: an approved closure as a file.

One internal record, a writer for each format. The requirements file is what pip and uv install with
``--require-hashes``: one hash per project, the approved one.
"""

import re
from collections.abc import Iterable
from datetime import datetime

from sekisho.errors import BadInputError, RefusedError
from sekisho.model import Approval, Artifact, Closure, Moment, Record, Sha256, Slug, Target, sha256_hex

LOCK_FILE = "requirements.lock"
"""The name of a lock beside its image definition."""

_HEADER = "# sekisho-lock: "
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Lock(Record):
    """The exact files of an image, each covered by an approval."""

    name: Slug
    closure: Sha256
    workspace: Slug
    target: Target
    direct: tuple[str, ...]
    resolve_before: Moment | None = None
    approvals: tuple[str, ...]
    artifacts: tuple[Artifact, ...]


def make_lock(name: str, closure: Closure, approvals: Iterable[Approval], *, workspace: str, now: datetime) -> Lock:
    """Turn a closure into a lock; raise ``RefusedError`` naming what no approval in force covers."""
    covered: dict[str, str] = {}
    for approval in sorted(approvals, key=lambda approval: (approval.at, approval.id)):  # the oldest is named
        if approval.admits(workspace, now):
            for artifact in approval.artifacts:
                covered.setdefault(artifact.sha256, approval.id)
    missing = [artifact.name for artifact in closure.artifacts if artifact.sha256 not in covered]
    if missing:
        raise RefusedError(
            f"{len(missing)} artifacts have no approval in force: {', '.join(missing[:10])}",
            todo="ask again with `sekisho request`",
        )
    artifacts = tuple(sorted(closure.artifacts, key=lambda artifact: artifact.project))
    return Lock(
        name=name,
        closure=closure.digest(),
        workspace=workspace,
        target=closure.target,
        direct=closure.direct,
        resolve_before=closure.resolve_before,
        approvals=tuple(sorted({covered[artifact.sha256] for artifact in artifacts})),
        artifacts=artifacts,
    )


def to_requirements(lock: Lock) -> str:
    """Write a lock as hash-pinned requirements. Its header names the target and what was asked for, never a host."""
    lines = [
        f"{_HEADER}{lock.name}",
        f"# target: {lock.target}",
        f"# requirements: {', '.join(lock.direct)}",
    ]
    if lock.resolve_before:
        lines.append(f"# resolve-before: {lock.resolve_before.isoformat().replace('+00:00', 'Z')}")
    for artifact in lock.artifacts:
        lines.append(f"{artifact.project}=={artifact.release} \\")
        lines.append(f"    --hash=sha256:{artifact.sha256}")
    return "\n".join(lines) + "\n"


def lock_digest(lock: Lock) -> str:
    """Return the sha256 of the lock as a file.

    It depends on what is locked and on nothing else: not on who asked, who approved, or when. Images carry it.
    """
    return sha256_hex(to_requirements(lock).encode())


def pins(text: str, *, where: str) -> dict[str, tuple[str, str]]:
    """Read a requirements lock back as {project: (release, sha256)}; raise ``BadInputError`` naming the line."""
    found: dict[str, tuple[str, str]] = {}
    lines = enumerate(text.splitlines(), 1)
    for number, line in lines:
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        project, equals, rest = stripped.partition("==")
        _, follow = next(lines, (0, ""))
        prefix, hash_is, sha256 = follow.strip().partition("--hash=sha256:")
        if not equals or prefix or not hash_is or not rest.endswith(" \\") or not _SHA256.fullmatch(sha256):
            raise BadInputError(
                "not a line of a lock: `name==release \\` and `--hash=…`", where=f"{where}, line {number}"
            )
        if project in found:
            raise BadInputError(f"{project} is locked twice", where=f"{where}, line {number}")
        found[project] = (rest.removesuffix(" \\"), sha256)
    return found
