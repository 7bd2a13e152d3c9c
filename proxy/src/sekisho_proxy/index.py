"""What every request needs of a snapshot, made once, before the snapshot comes into force and beside the event loop."""

from collections.abc import Iterable
from urllib.parse import unquote

from sekisho.model import Artifact, Kind
from sekisho.policy import Door, Snapshot


class Index:
    """A snapshot's doors, and its approved artifacts by kind and percent-decoded path; two sources may share a path.

    ``channels`` are the ids of those that are sources, and of those that something was approved from.
    The doors of ``workspaces`` are made at once, others when they are asked for.
    """

    def __init__(self, snapshot: Snapshot, workspaces: Iterable[str] = ()) -> None:
        self.snapshot = snapshot
        self._scopes = snapshot.scopes()
        self._relaxed = snapshot.policy.relaxed()
        self.paths: dict[tuple[Kind, str], list[Artifact]] = {}
        for signed in sorted(snapshot.approvals, key=lambda signed: signed.approval.at, reverse=True):  # as pages do
            for artifact in signed.approval.artifacts:
                self.paths.setdefault((artifact.kind, unquote(artifact.path)), []).append(artifact)
        listed = {source.id for source in snapshot.sources if source.kind == "conda"}
        approved = {one.source for (kind, _), there in self.paths.items() if kind == "conda" for one in there}
        self.channels = frozenset(listed | approved)
        self._doors: dict[str, Door] = {}
        for workspace in workspaces:
            self.door(workspace)

    @property
    def workspaces(self) -> tuple[str, ...]:
        """Return whose doors there are."""
        return tuple(self._doors)

    def door(self, workspace: str) -> Door:
        """Return a workspace's door.

        One that nobody knows has no approvals. Names are made up by who asks, so such a door is made anew each time.
        """
        door = self._doors.get(workspace)
        if door is None:
            door = Door(self.snapshot, workspace, scopes=self._scopes)
            if self._scopes.of(workspace) or workspace in self._relaxed:
                self._doors[workspace] = door
        return door
