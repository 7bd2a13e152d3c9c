"""The gate: the one function that every route asks before a byte of a file leaves.

A path names artifacts, an artifact has a sha256, and the workspace's door says whether it admits that sha256 now.
"""

from datetime import datetime
from urllib.parse import quote, unquote

from packaging.utils import canonicalize_name

from sekisho.model import Artifact, Kind
from sekisho.policy import Door, Snapshot
from sekisho_proxy.follow import Held
from sekisho_proxy.refusal import NotAdmittedError, refusal_of

_MOST_DOORS = 64


class Gate:
    """The doors of the snapshot in force, made when first asked for."""

    def __init__(self, held: Held, ask: str) -> None:
        self._held = held
        self._ask = ask
        self._turn = -1
        self._doors: dict[str, Door] = {}
        self._paths: dict[tuple[Kind, str], list[Artifact]] = {}

    def _follow(self) -> Snapshot:
        snapshot = self._held.present()
        if self._turn != self._held.turn:
            self._turn = self._held.turn
            self._doors = {}
            self._paths = index_paths(snapshot)
        return snapshot

    def door(self, workspace: str) -> Door:
        """Return a workspace's door. A workspace that nobody knows is one without approvals."""
        snapshot = self._follow()
        door = self._doors.get(workspace)
        if door is None:
            if len(self._doors) >= _MOST_DOORS:
                self._doors.pop(next(iter(self._doors)))
            door = self._doors[workspace] = Door(snapshot, workspace)
        return door

    def ask(self) -> str:
        """Return where a person asks for what was refused, without a trailing slash."""
        return (self._follow().policy.ask or self._ask).rstrip("/")

    def pass_through(self, workspace: str, kind: Kind, path: str, now: datetime) -> Artifact:
        """Return the artifact at ``path`` (percent-decoded) if the workspace may have it now.

        Raises ``RefusedError`` naming the rule and where to ask.
        """
        door = self.door(workspace)
        for artifact in self._paths.get((kind, path), ()):
            if door.admits(artifact.sha256, now):
                return artifact
        known = self._paths.get((kind, path))
        project = known[0].project if known else _project_of(path)
        raise self.refusal(workspace, kind, project, now, where=path)

    def refusal(self, workspace: str, kind: Kind, project: str, now: datetime, *, where: str = "") -> NotAdmittedError:
        """Return why ``workspace`` may not have a file of ``project``, and what to do about it."""
        door = self.door(workspace)
        rule, sentence = door.why_not(kind, project, now)
        if door.artifacts(kind, project, now):
            rule, sentence = "not-approved", f"this file of {project} is not approved for workspace {workspace}"
        return NotAdmittedError(
            f"Sekisho refused {project}: {sentence} (rule {rule})",
            refusal_of(workspace, kind, project, rule, path=where),
            where=where or f"{kind}/{project}",
            todo=f"ask at {request_link(self.ask(), project)}",
        )


def index_paths(snapshot: Snapshot) -> dict[tuple[Kind, str], list[Artifact]]:
    """Return the approved artifacts by kind and percent-decoded path; two sources may share a path."""
    paths: dict[tuple[Kind, str], list[Artifact]] = {}
    for signed in snapshot.approvals:
        for artifact in signed.approval.artifacts:
            paths.setdefault((artifact.kind, unquote(artifact.path)), []).append(artifact)
    return paths


def request_link(ask: str, project: str) -> str:
    """Return the address of a new request for ``project``."""
    return f"{ask}/requests/new?project={quote(project, safe='')}"


def _project_of(path: str) -> str:
    """Guess the project from a file's name, for the sentence only: nothing is decided by it."""
    name = path.rpartition("/")[2].partition("-")[0]
    return canonicalize_name(name)[:200] or "this file"
