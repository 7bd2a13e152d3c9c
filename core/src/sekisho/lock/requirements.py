"""The requirements file: what pip and uv install with ``--require-hashes``, one hash per project, the approved one."""

import re

from sekisho.errors import BadInputError
from sekisho.lock.value import Lock, requirement_lines

LOCK_FILE = "requirements.lock"
"""The name of a lock beside its image definition."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


def to_requirements(lock: Lock) -> str:
    """Write what a lock has of an index as hash-pinned requirements.

    The header names the target and what was asked for, never a host.
    """
    return "\n".join(requirement_lines(lock)) + "\n"


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
