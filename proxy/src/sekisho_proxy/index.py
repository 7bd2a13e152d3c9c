"""What every request needs of a snapshot, made once, before the snapshot comes into force and beside the event loop."""

from sekisho.model import Artifact, Kind
from sekisho.policy import Door, Snapshot
from sekisho.policy.scopes import Scopes


class Index:
    """A snapshot's doors, and its approved artifacts by kind and percent-decoded path; two sources may share a path.

    ``channels`` are the ids of those that are sources, and of those that something was approved from.
    What ``before``, the index of the snapshot before, has of projects that did not change is taken over, and the doors
    that it had are made at once. Others are made when they are asked for.
    """

    def __init__(self, snapshot: Snapshot, before: "Index | None" = None) -> None:
        self.snapshot = snapshot
        self.scopes: Scopes = snapshot.scopes(before.scopes if before else None)
        self._relaxed = snapshot.policy.relaxed()
        self._doors: dict[str, Door] = {}
        for door in before.doors if before else ():
            self._open(door.workspace, door)
        listed = {source.id for source in snapshot.sources if source.kind == "conda"}
        self.channels = frozenset(listed | self.scopes.channels)

    def at(self, kind: Kind, path: str) -> tuple[Artifact, ...]:
        """Return the artifacts at a path, whoever may have them: the newest approval's first, as on pages."""
        return self.scopes.at_path(kind, path)

    @property
    def doors(self) -> tuple[Door, ...]:
        """Return the doors that are kept."""
        return tuple(self._doors.values())

    def names(self, kind: Kind) -> frozenset[str]:
        """Return every name of which anything was approved."""
        return self.scopes.all_names(kind)

    def door(self, workspace: str) -> Door:
        """Return a workspace's door.

        One that nobody knows has no approvals. Names are made up by who asks, so such a door is made anew each time.
        """
        return self._doors.get(workspace) or self._open(workspace)

    def _open(self, workspace: str, before: Door | None = None) -> Door:
        door = Door(self.snapshot, workspace, scopes=self.scopes, before=before)
        if self.scopes.knows(workspace) or workspace in self._relaxed:
            self._doors[workspace] = door
        return door
