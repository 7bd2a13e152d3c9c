"""What git remembers of the allowlists tree: which commit took an approval away, or brought a denial.

An approval is looked for by bisection along the first parents, and only then by a search inside one step: with
thousands of commits and project files, `git log -S` over all of them takes seconds.
"""

import re
from collections.abc import Sequence
from datetime import datetime

from sekisho.errors import SekishoError
from sekisho.model import Record
from sekisho_portal.tree import GitTree

_REVISION = re.compile(r"[0-9a-f]{40,64}")
_FORMAT = "--format=%H%x00%cI%x00%an%x00%s"
_MOST_VERSIONS = 30


class Commit(Record):
    """A commit as a person is told of it."""

    revision: str
    at: datetime
    author: str
    subject: str


class History:
    """Questions to the repository of the tree. What git cannot answer is nothing, not an error."""

    def __init__(self, tree: GitTree) -> None:
        self._tree = tree

    def removal(self, path: str, approval: str, *, given: str, now: str) -> Commit | None:
        """Return the commit between revisions ``given`` and ``now`` in which ``approval`` left the file ``path``."""
        if not (_REVISION.fullmatch(given) and _REVISION.fullmatch(now)):
            return None
        try:
            steps = self._git("rev-list", "--first-parent", "--ancestry-path", f"{given}..{now}").split()[::-1]
            holds = re.compile(rf"\bid[\"']?: *[\"']?{re.escape(approval)}\b")
            if not steps or holds.search(self._text(now, path)):
                return None
            low, high = -1, len(steps) - 1
            while high - low > 1:
                middle = (low + high) // 2
                held = holds.search(self._text(steps[middle], path))
                low, high = (middle, high) if held else (low, middle)
            return self._inside(steps[low] if low >= 0 else given, steps[high], path, approval)
        except SekishoError:
            return None

    def _inside(self, before: str, after: str, path: str, approval: str) -> Commit | None:
        """Return who removed it inside one step, which may be a merge of many commits."""
        search = ("--no-merges", "--pickaxe-regex", f"-S{re.escape(approval)}([^0-9]|$)", f"{before}..{after}")
        found = self._log(*search, "--", path) or self._log(after)
        return found[0] if found else None

    def versions(self, path: str, now: str) -> list[tuple[Commit, str]]:
        """Return the newest versions of a file that changes seldom, newest first, with who committed each."""
        try:
            commits = self._log(now, "--", path, most=_MOST_VERSIONS)
            return [(commit, self._text(commit.revision, path)) for commit in commits]
        except SekishoError:
            return []

    def _text(self, revision: str, path: str) -> str:
        name = f"{revision}:{self._tree.prefix}{path}\n"
        header, _, rest = self._tree.git("cat-file", "--batch", stdin=name.encode()).partition(b"\n")
        return "" if header.endswith(b"missing") else rest.decode(errors="replace")

    def _log(self, *arguments: str, most: int = 1) -> Sequence[Commit]:
        rows = [row.split("\0") for row in self._git("log", f"-{most}", _FORMAT, *arguments).split("\n")]
        return [
            Commit(revision=row[0], at=datetime.fromisoformat(row[1]), author=row[2], subject=row[3])
            for row in rows
            if len(row) == 4
        ]

    def _git(self, *arguments: str) -> str:
        return self._tree.git(*arguments).decode(errors="replace")
