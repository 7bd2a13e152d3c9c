"""The gate: the one function that every route asks before a byte of a file leaves.

A path names artifacts, an artifact has a sha256, and the workspace's door says whether it admits that sha256 now.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote, unquote

from packaging.utils import canonicalize_name

from sekisho.model import Artifact, Kind
from sekisho.policy import Door, Snapshot
from sekisho.policy.frozen import find
from sekisho.policy.scopes import Scopes
from sekisho_proxy.follow import Held
from sekisho_proxy.refusal import NotAdmittedError, refusal_of, release_of

_MOST_ADDRESSES = 1024


class View(NamedTuple):
    """What a route looks at: a workspace's door, the present one or frozen as of a sequence."""

    workspace: str
    as_of: int | None = None


class Gate:
    """The doors of the snapshot in force, made when first asked for."""

    def __init__(self, held: Held, ask: str) -> None:
        self._held = held
        self._ask = ask
        self._turn = -1
        self._doors: dict[str, Door] = {}
        self._scopes: Scopes | None = None
        self._paths: dict[tuple[Kind, str], list[Artifact]] = {}
        self._addresses: dict[str, int] = {}

    def _follow(self) -> Snapshot:
        snapshot = self._held.present()
        if self._turn != self._held.turn:
            self._turn = self._held.turn
            self._doors = {}
            self._scopes = snapshot.scopes()
            self._addresses = {}
            self._paths = index_paths(snapshot)
        return snapshot

    def frozen(self, workspace: str, address: str) -> View:
        """Return the view that ``@<address>`` names; one of the present policy is the present view.

        Raises what ``sekisho.policy.frozen.find`` raises.
        """
        snapshot = self._follow()
        sequence = self._addresses.get(address)
        if sequence is None:
            sequence = find(snapshot, address, known=self._held.known())
            while len(self._addresses) >= _MOST_ADDRESSES:
                self._addresses.pop(next(iter(self._addresses)))
            self._addresses[address] = sequence
        return View(workspace, sequence if sequence < snapshot.sequence else None)

    def door(self, view: View) -> Door:
        """Return a view's door. A workspace that nobody knows is one without approvals."""
        present = self._present(view.workspace)
        return present if view.as_of is None else present.at(view.as_of)

    def _present(self, workspace: str) -> Door:
        snapshot = self._follow()
        door = self._doors.get(workspace)
        if door is None:
            scopes = self._scopes or snapshot.scopes()
            door = Door(snapshot, workspace, scopes=scopes)
            if scopes.of(workspace):  # any other name is made up by who asks: made anew, it costs nothing
                self._doors[workspace] = door
        return door

    def ask(self) -> str:
        """Return where a person asks for what was refused, without a trailing slash."""
        return (self._follow().policy.ask or self._ask).rstrip("/")

    def pass_through(self, view: View, kind: Kind, path: str, now: datetime) -> Artifact:
        """Return the artifact at ``path`` (percent-decoded) if the view has it now.

        Raises ``RefusedError`` naming the rule and where to ask.
        """
        door = self.door(view)
        known = self._paths.get((kind, path), ())
        for artifact in known:
            if door.has(artifact, now):
                return artifact
        project = known[0].project if known else _project_of(path)
        release = known[0].release if known else ""
        raise self.refusal(view, kind, project, now, where=path, release=release, of=known)

    def leads_to(self, view: View, artifact: Artifact, now: datetime) -> bool:
        """Tell whether the path of a file that the view has is answered with it: another source may share the path."""
        known = self._paths[artifact.kind, unquote(artifact.path)]
        if all(one.sha256 == artifact.sha256 for one in known):
            return True
        door = self.door(view)
        return next((one.sha256 for one in known if door.has(one, now)), "") == artifact.sha256

    def refusal(
        self,
        view: View,
        kind: Kind,
        project: str,
        now: datetime,
        *,
        where: str = "",
        release: str = "",
        of: Iterable[Artifact] = (),
    ) -> NotAdmittedError:
        """Return why ``view`` does not have a file of ``project``, and what to do about it.

        ``release`` and ``of``, the artifacts that were meant, are given where they are known.
        """
        door = self.door(view)
        release = release or (release_of(where.rpartition("/")[2]) if kind == "pypi" else "")
        rule, sentence = door.why_not(kind, project, now)
        offered = {artifact.release for artifact in door.artifacts(kind, project, now)}
        if any(self._present(view.workspace).has(artifact, now) for artifact in of):
            rule, sentence = door.not_then(f"this file of {project}")
        elif release and (offered or door.snapshot.policy.denial(kind, project, release)) and release not in offered:
            rule, sentence = door.why_not_releases(kind, project, [release], now)[release]
        elif offered:
            rule, sentence = "not-approved", f"this file of {project} is not approved for workspace {view.workspace}"
        return NotAdmittedError(
            f"Sekisho refused {project}: {sentence} (rule {rule})",
            refusal_of(view.workspace, kind, project, rule, path=where, release=release),
            where=where or f"{kind}/{project}",
            todo=f"ask at {request_link(self.ask(), project)}",
        )


def index_paths(snapshot: Snapshot) -> dict[tuple[Kind, str], list[Artifact]]:
    """Return the approved artifacts by kind and percent-decoded path; two sources may share a path."""
    paths: dict[tuple[Kind, str], list[Artifact]] = {}
    for signed in sorted(snapshot.approvals, key=lambda signed: signed.approval.at, reverse=True):  # as pages do
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
