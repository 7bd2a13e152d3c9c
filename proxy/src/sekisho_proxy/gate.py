"""The gate: the one function that every route asks before a byte of a file leaves.

A path names artifacts, an artifact has a sha256, and the workspace's door says whether it admits that sha256 now. How
strict it is, the mode of the workspace, is part of the answer, and comes from the signed snapshot alone.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote, unquote

from packaging.utils import canonicalize_name

from sekisho.model import Artifact, Kind, node_of
from sekisho.policy import Door, Snapshot
from sekisho.policy.document import Mode
from sekisho.policy.frozen import find
from sekisho_proxy.follow import Held
from sekisho_proxy.refusal import NotAdmittedError, Refusal, refusal_of, release_of

_LOG = logging.getLogger("sekisho.proxy")
_MOST_ADDRESSES = 1024


class View(NamedTuple):
    """What a route looks at: a workspace's door, the present one or frozen as of a sequence.

    ``strict`` is a frozen one of the present policy, where the present door itself does not enforce.
    """

    workspace: str
    as_of: int | None = None
    strict: bool = False


class Passed(NamedTuple):
    """The gate's yes. ``refusal`` is what mode ``enforce`` would have refused, where the mode is ``audit``."""

    artifact: Artifact
    refusal: Refusal | None = None


class Gate:
    """Answers by the snapshot in force. ``strict`` knows no mode but ``enforce``."""

    def __init__(self, held: Held, ask: str, *, strict: bool = True) -> None:
        self._held = held
        self._ask = ask
        self._strict = strict
        self._relaxed: Mapping[str, Mode] = {}
        self._addresses: dict[str, int] = {}
        self._turn = -1

    def _follow(self) -> Snapshot:
        snapshot = self._held.present()
        if self._turn != self._held.turn:
            self._turn, self._addresses = self._held.turn, {}
            self._relax({} if self._strict else snapshot.policy.relaxed())
        return snapshot

    def _relax(self, relaxed: Mapping[str, Mode]) -> None:
        if relaxed != self._relaxed:
            told = ", ".join(f"{name} ({mode})" for name, mode in sorted(relaxed.items()))
            _LOG.warning("workspaces that serve what nobody approved: %s", told or "none any more")
        self._relaxed = relaxed

    def relaxed(self) -> Mapping[str, Mode]:
        """Return the workspaces that do not enforce, and their modes."""
        self._follow()
        return self._relaxed

    def mode(self, view: View) -> Mode:
        """Return how strict a view is. A frozen one always enforces: what sources offer has no history here."""
        strict = view.strict or view.as_of is not None
        return "enforce" if strict else self.relaxed().get(view.workspace, "enforce")

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
        as_of = sequence if sequence < snapshot.sequence else None
        return View(workspace, as_of, strict=as_of is None and workspace in self._relaxed)

    def door(self, view: View) -> Door:
        """Return a view's door. A workspace that nobody knows is one without approvals."""
        present = self._held.index().door(view.workspace)
        return present if view.as_of is None else present.at(view.as_of)

    def ask(self) -> str:
        """Return where a person asks for what was refused, without a trailing slash."""
        return (self._held.present().policy.ask or self._ask).rstrip("/")

    def pass_through(
        self, view: View, kind: Kind, path: str, now: datetime, *, listed: Artifact | None = None, source: str = ""
    ) -> Passed:
        """Return the artifact at ``path`` (percent-decoded) if the view has it now.

        Of a channel, ``source``, it is a path of that alone. ``listed`` is what a source lists at this path: where the
        workspace does not enforce, that is had as well, unless something bars it in every mode. Raises
        ``NotAdmittedError`` naming the rule and where to ask.
        """
        door = self.door(view)
        known: Sequence[Artifact] = self._held.index().at(kind, path)
        if source:
            known = [artifact for artifact in known if artifact.source == source]
            found = door.at_path(source, known[0].project, path, now) if known else None
        else:
            found = next((artifact for artifact in known if door.has(artifact, now)), None)
        if found is not None:
            return Passed(found)
        if listed is not None and self.mode(view) != "enforce":
            return self._pass_unapproved(view, listed, now, path)
        project = known[0].project if known else _project_of(kind, path)
        release = known[0].release if known else ""
        raise self.refusal(view, kind, project, now, where=path, release=release, of=known, source=source)

    def _pass_unapproved(self, view: View, listed: Artifact, now: datetime, path: str) -> Passed:
        """Let through what nobody approved, with what is recorded of that; or say what bars it."""
        kind, project, release = listed.kind, listed.project, listed.release
        if barred := self.door(view).barred(listed, now):
            raise self._error(view, kind, project, path, release, barred.rule, barred.evidence)
        if self.mode(view) == "off":
            return Passed(listed)
        source = listed.source if kind == "conda" else ""
        error = self.refusal(view, kind, project, now, where=path, release=release, of=(listed,), source=source)
        return Passed(listed, error.refusal._replace(served=True))

    def leads_to(self, view: View, artifact: Artifact, now: datetime) -> bool:
        """Tell whether the path of a file that the view has is answered with it: another index may share the path."""
        known = self._held.index().at(artifact.kind, unquote(artifact.path))
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
        source: str = "",
    ) -> NotAdmittedError:
        """Return why ``view`` does not have a file of ``project``, and what to do about it.

        ``release`` and ``of``, the artifacts that were meant, are given where they are known; ``source`` for a channel.
        """
        door, only = self.door(view), source or None
        release = release or release_of(where.rpartition("/")[2], kind)
        rule, sentence = door.why_not(kind, project, now, source=only)
        offered = {artifact.release for artifact in door.artifacts(kind, project, now, source=only)}
        if any(self._held.index().door(view.workspace).has(artifact, now) for artifact in of):
            rule, sentence = door.not_then(f"this file of {project}")
        elif release and (offered or door.snapshot.policy.denial(kind, project, release)) and release not in offered:
            rule, sentence = door.why_not_releases(kind, project, [release], now, source=only)[release]
        elif offered:
            rule, sentence = "not-approved", f"this file of {project} is not approved for workspace {view.workspace}"
        return self._error(view, kind, project, where, release, rule, sentence)

    def _error(
        self, view: View, kind: Kind, project: str, where: str, release: str, rule: str, sentence: str
    ) -> NotAdmittedError:
        return NotAdmittedError(
            f"Sekisho refused {project}: {sentence} (rule {rule})",
            refusal_of(view.workspace, kind, project, rule, path=where, release=release),
            where=where or f"{kind}/{project}",
            todo=f"ask at {request_link(self.ask(), project, kind)}",
        )


def request_link(ask: str, project: str, kind: Kind = "pypi") -> str:
    """Return the address of a new request for ``project``."""
    return f"{ask}/requests/new?project={quote(node_of(kind, project), safe='')}"


def _project_of(kind: Kind, path: str) -> str:
    """Guess the project from a file's name, for the sentence only: nothing is decided by it."""
    name = path.rpartition("/")[2]
    if kind == "conda":
        return name.rsplit("-", 2)[0][:64] or "this file"
    return canonicalize_name(name.partition("-")[0])[:200] or "this file"
