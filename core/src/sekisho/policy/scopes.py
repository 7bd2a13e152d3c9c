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

    def releases(self, kind: Kind, project: str, source: Slug | None = None) -> frozenset[str]:
        """Return the releases of which anybody has a file, of one source if any is named."""
        found = self._releases.get((kind, project), {})
        return frozenset(release for release, sources in found.items() if source is None or source in sources)

    @cached_property
    def _releases(self) -> Mapping[tuple[Kind, str], Mapping[str, set[Slug]]]:
        found: dict[tuple[Kind, str], dict[str, set[Slug]]] = {}
        for signed in self._approvals:
            for artifact in signed.approval.artifacts:
                releases = found.setdefault((artifact.kind, artifact.project), {})
                releases.setdefault(artifact.release, set()).add(artifact.source)
        return found
