"""A snapshot's approvals, sorted once for all doors: a door costs what is behind it, and a refusal next to nothing."""

from collections.abc import Iterable, Mapping
from functools import cached_property

from sekisho.allowlist import SignedApproval
from sekisho.model import Kind, Slug
from sekisho.sources import Ownership, Source

Row = tuple[SignedApproval, tuple[int, ...]]
"""An approval, and since which sequence each of its artifacts has been admitted."""


class Scopes:
    """Which approvals each workspace has, and of which releases anybody has a file."""

    def __init__(self, rows: Iterable[Row], sources: Iterable[Source]) -> None:
        self.ownership = Ownership(sources)
        self._rows: dict[Slug, list[Row]] = {}
        self._approvals: list[SignedApproval] = []
        for row in rows:
            self._approvals.append(row[0])
            for workspace in set(row[0].approval.scope):
                self._rows.setdefault(workspace, []).append(row)

    def of(self, workspace: Slug) -> list[Row]:
        """Return a workspace's approvals; one that nobody knows has none."""
        return self._rows.get(workspace, [])

    def releases(self, kind: Kind, project: str) -> frozenset[str]:
        """Return the releases of which anybody has a file."""
        return self._releases.get((kind, project), frozenset())

    @cached_property
    def _releases(self) -> Mapping[tuple[Kind, str], frozenset[str]]:
        found: dict[tuple[Kind, str], set[str]] = {}
        for signed in self._approvals:
            for artifact in signed.approval.artifacts:
                found.setdefault((artifact.kind, artifact.project), set()).add(artifact.release)
        return {name: frozenset(releases) for name, releases in found.items()}
