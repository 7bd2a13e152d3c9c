"""A lock: an approved closure as a file.

One internal record, a writer for each format. The requirements file is what pip and uv install with
``--require-hashes``: one hash per project, the approved one.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from packaging.requirements import InvalidRequirement, Requirement

from sekisho.errors import BadInputError, RefusedError
from sekisho.model import (
    Approval,
    Artifact,
    Closure,
    Moment,
    Record,
    Sha256,
    Slug,
    Target,
    normalize_project,
    sha256_hex,
)

LOCK_FILE = "requirements.lock"
"""The name of a lock beside its image definition."""

_HEADER = "# sekisho-lock: "
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OPTION = re.compile(r"\s--?[a-z]")


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


class HashPin(Record):
    """One line of a hash-pinned requirements file: any file of ``project`` with one of these hashes will do."""

    project: str
    release: str
    hashes: tuple[Sha256, ...]

    def __str__(self) -> str:
        return f"{self.project}=={self.release}"


def hash_pins(text: str, *, where: str) -> tuple[HashPin, ...]:
    """Read a requirements file of which every line pins a release and its hashes, as pip-compile and uv write them.

    Markers are not looked at, and options that name an index are left out. Raises ``BadInputError`` naming the line.
    """
    found = [pin for number, line in _logical_lines(text) if (pin := _hash_pin(line, f"{where}, line {number}"))]
    if not found:
        raise BadInputError("there is nothing in it", where=where, todo="name a lock, as `sekisho lock` writes it")
    return tuple(found)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines joined where a backslash ends them, without comments, each with the number of its first."""
    whole, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        bare = "" if line.lstrip().startswith("#") else line.partition(" #")[0].rstrip()
        first = first or number
        whole += bare.removesuffix("\\")
        if not bare.endswith("\\"):
            if whole.strip():
                yield first, whole.strip()
            whole, first = "", 0
    if whole.strip():
        yield first, whole.strip()


def _hash_pin(line: str, where: str) -> HashPin | None:
    if line.startswith("-"):
        if line.startswith(("-r", "-c", "-e", "--requirement", "--constraint", "--editable")):
            raise BadInputError("the file names another file", where=where, todo="give one lock that holds everything")
        return None
    option = _OPTION.search(line)
    words = line[option.start() :].split() if option else []
    try:
        wanted = Requirement(line[: option.start()] if option else line)
    except InvalidRequirement as error:
        raise BadInputError(f"not a requirement: {line[:80]!r}", where=where) from error
    pins = [spec for spec in wanted.specifier if spec.operator in {"==", "==="} and not spec.version.endswith(".*")]
    hashes = [word.removeprefix("--hash=sha256:") for word in words if word.startswith("--hash=sha256:")]
    if wanted.url or len(pins) != 1 or len(wanted.specifier) != 1 or not hashes:
        raise BadInputError(
            f"{wanted.name} is not pinned by release and sha256", where=where, todo="lock it, as with `sekisho lock`"
        )
    return HashPin.parse(
        {"project": normalize_project("pypi", wanted.name), "release": pins[0].version, "hashes": hashes}, where=where
    )
