"""A door: what one workspace may have by one snapshot."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from datetime import datetime
from typing import NamedTuple, Self

from sekisho.allowlist import KINDS
from sekisho.model import Artifact, Kind, Reason, Slug
from sekisho.policy.scopes import Scopes
from sekisho.policy.shelves import Entry, Shelves
from sekisho.policy.snapshot import Snapshot


class Door:
    """What one workspace may have by one snapshot: the only place that says yes.

    Denials of the policy beat approvals; an approval that has expired admits nothing; a hash that nobody approved
    is not admitted; nor is a file whose name another source owns than the one it was approved from, nor one that the
    snapshot lists as denied. A door that is
    frozen ``as_of`` a sequence admits of that what one approval has admitted without a break since then or earlier:
    never more than the present door, and less and less. ``scopes`` are the snapshot's own, if somebody has them; of
    ``before``, the door by the snapshot before, what is the same in both is taken over.

    Indexes are shown as one, so a project of theirs is asked for by its name. Each channel is shown by itself: who asks
    for a project of one names it as ``source``, and sees nothing of another channel that has the same names and paths.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        workspace: Slug,
        as_of: int | None = None,
        *,
        scopes: Scopes | None = None,
        before: "Door | None" = None,
    ) -> None:
        self.snapshot = snapshot
        self.workspace = workspace
        self.as_of = as_of
        self._scopes = scopes or snapshot.scopes()
        self._shelves: Shelves = Shelves(snapshot, workspace, self._scopes, before._shelves if before else None)  # noqa: SLF001
        self._changes: dict[tuple[Kind, str, Slug | None], tuple[int, ...]] = {}

    def at(self, as_of: int | None) -> Self:
        """Return the same door frozen as of a sequence, or the present one; both stand on one index."""
        door = copy(self)
        door.as_of = as_of
        return door

    def admits(self, sha256: str, now: datetime) -> Artifact | None:
        """Return the artifact if the workspace may have these bytes now."""
        return next((entry.artifact for entry in self._shelves.of_bytes(sha256) if self._holds(entry, now)), None)

    def has(self, artifact: Artifact, now: datetime) -> bool:
        """Tell whether the workspace may have this file now by its own name: what is denied stays so as a twin."""
        return any(
            entry.artifact.path == artifact.path and entry.artifact.source == artifact.source
            for entry in self._shelves.of_bytes(artifact.sha256)
            if self._holds(entry, now)
        )

    def barred(self, artifact: Artifact, now: datetime) -> Reason | None:
        """Return why a file may be had in no mode, approved or not; nothing if a workspace may relax.

        Its source does not provide its name, or a rule that holds everywhere denies it.
        """
        denial = self._shelves.denied.get(artifact.sha256)
        return (
            self._scopes.ownership.objection(artifact)
            or self.snapshot.policy.hard_denial(artifact, now, self.snapshot.known())
            or (denial.reason if denial and denial.hard else None)
        )

    def at_path(self, source: Slug, project: str, path: str, now: datetime) -> Artifact | None:
        """Return the file of a channel that stands at ``path``, if the workspace may have it now.

        Where approvals name several files for one path, it is the one that is shown, of several the newest.
        """
        held = [
            (self._shows(entry, now), entry.approval.at, entry.artifact)
            for entry in self._entries("conda", project, source)
            if entry.artifact.path == path and self._holds(entry, now)
        ]
        return max(held, key=lambda row: row[:2])[2] if held else None

    def artifacts(self, kind: Kind, project: str, now: datetime, *, source: Slug | None = None) -> tuple[Artifact, ...]:
        """Return the files of ``project`` that the workspace may have now, each once, sorted by file name."""
        return tuple(row.artifact for row in self.admitted(kind, project, now, source=source))

    def admitted(
        self, kind: Kind, project: str, now: datetime, *, source: Slug | None = None
    ) -> tuple["Admitted", ...]:
        """Return the files of ``project`` that are shown to the workspace now, each once, sorted by file name.

        That is what it may have and can install: of what has lapsed only the bytes are had. Where several approvals
        hold for a file, the newest says what is known of it.
        """
        found: dict[tuple[str, ...], Admitted] = {}
        for entry in self._entries(kind, project, source):
            if self._shows(entry, now):
                at, handle = entry.approval.at, _handle(entry.artifact)
                known = found.get(handle)
                if known is None:
                    found[handle] = Admitted(entry.artifact, at, at)
                else:
                    artifact = entry.artifact if at >= known.newest else known.artifact
                    found[handle] = Admitted(artifact, min(at, known.first), max(at, known.newest))
        return tuple(sorted(found.values(), key=lambda row: (row.artifact.filename, row.artifact.path)))

    def projects(self, kind: Kind, now: datetime, *, source: Slug | None = None) -> tuple[str, ...]:
        """Return the names of which the workspace is shown at least one file now."""
        return tuple(
            sorted(
                name
                for name in self.names(kind)
                if any(self._shows(entry, now) for entry in self._entries(kind, name, source))
            )
        )

    def alike(self, other: "Door") -> Callable[[Kind, str], bool]:
        """Return what tells of a project whether ``other`` has the same of it at any time."""
        same = self.snapshot.policy.denies_as(other.snapshot.policy)
        if self.as_of != other.as_of or self.workspace != other.workspace:
            return lambda kind, project: False  # noqa: ARG005 (whatever it is)
        as_before = self._shelves.alike(other._shelves)  # noqa: SLF001
        return lambda kind, project: as_before(kind, project) and same(kind, project)

    def names(self, kind: Kind) -> tuple[str, ...]:
        """Return every name of which anything was approved here, whether it may be had now or not."""
        return self._shelves.names(kind)

    def _entries(self, kind: Kind, project: str, source: Slug | None) -> Sequence[Entry]:
        """Return all that approvals name of a project, of one source if any is named."""
        found = self._shelves.of(kind, project).entries
        return found if source is None else [entry for entry in found if entry.artifact.source == source]

    def hashes(self, now: datetime) -> frozenset[str]:
        """Return every sha256 that the workspace may have now."""
        found = (entry for kind in KINDS for name in self.names(kind) for entry in self._entries(kind, name, None))
        return frozenset(entry.artifact.sha256 for entry in found if self._holds(entry, now))

    def next_expiry(self, kind: Kind, project: str, now: datetime, *, source: Slug | None = None) -> datetime | None:
        """Return when the answer for ``project`` changes by itself, if it does."""
        entries = self._entries(kind, project, source)
        ends = [entry.approval.expires for entry in entries if entry.approval.expires]
        ends += [entry.lapse.at for entry in entries if entry.lapse]
        return min((end for end in ends if end > now), default=None)

    def settled(self, kind: Kind, project: str, *, source: Slug | None = None) -> int | None:
        """Return the oldest sequence whose frozen door has the same of ``project``: 0 if nothing was there yet.

        ``None`` if nothing came later, so that the present door has the same. So a thousand dates share a few pages.
        """
        if self.as_of is None:
            return None
        key = kind, project, source
        changes = self._changes.get(key)
        if changes is None and (entries := self._entries(*key)):
            changes = self._changes[key] = tuple(sorted({entry.since for entry in entries} - {0}))
        return _settled(changes, self.as_of)

    def settled_channel(self, source: Slug) -> int | None:
        """Return the same of everything that a channel gives."""
        if self.as_of is None:
            return None
        key: tuple[Kind, str, Slug | None] = "conda", "", source
        changes = self._changes.get(key)
        if changes is None:
            entries = (self._entries("conda", name, source) for name in self.names("conda"))
            changes = self._changes[key] = tuple(sorted({entry.since for each in entries for entry in each} - {0}))
        return _settled(changes, self.as_of)

    def why_not(self, kind: Kind, project: str, now: datetime, *, source: Slug | None = None) -> tuple[str, str]:
        """Return (rule id, sentence) for a project that has nothing to offer."""
        entries = self._entries(kind, project, source)
        if self.as_of is not None and any(self._holds_now(entry, now) for entry in entries):
            return self.not_then(project)
        denied = self.snapshot.policy.denial(kind, project)
        if denied:
            return denied.rule, denied.evidence
        for entry in entries:
            approval, artifact = entry.approval, entry.artifact
            denial = self.snapshot.policy.hard_denial(artifact, now) or entry.objection
            if denial:
                return denial.rule, denial.evidence
            if not approval.admits(self.workspace, now):
                return "expired", f"the approval of {artifact.name} expired"
            if entry.lapse and entry.lapse.at <= now:
                return entry.lapse.reason.rule, entry.lapse.reason.evidence
        return self._not_approved(project, elsewhere=bool(self._scopes.releases(kind, project, source)))

    def why_not_releases(
        self, kind: Kind, project: str, releases: Iterable[str], now: datetime, *, source: Slug | None = None
    ) -> dict[str, tuple[str, str]]:
        """Return (rule id, sentence) for each of ``releases``, of which there is nothing to offer.

        No sentence names its release, so that a thousand releases share a few.
        """
        entries: dict[str, list[Entry]] = {}
        for entry in self._entries(kind, project, source):
            entries.setdefault(entry.artifact.release, []).append(entry)
        anywhere = self._scopes.releases(kind, project, source)
        found = {}
        for release in releases:
            here = entries.get(release, [])
            denial = self.snapshot.policy.denial(kind, project, release) or (here[0].objection if here else None)
            if denial:
                found[release] = denial.rule, denial.evidence
            elif any(self._holds(entry, now) for entry in here):
                lapse = next((entry.lapse for entry in here if entry.lapse and entry.lapse.at <= now), None)
                found[release] = (lapse.reason.rule, lapse.reason.evidence) if lapse else self.not_then("this release")
            elif any(self._holds_now(entry, now) for entry in here):
                found[release] = self.not_then("this release")
            elif here:
                found[release] = "expired", "the approval of this release expired"
            else:
                found[release] = self._not_approved("this release", elsewhere=release in anywhere)
        return found

    def _not_approved(self, name: str, *, elsewhere: bool) -> tuple[str, str]:
        how = "approved, but not" if elsewhere else "not approved"
        return "not-approved", f"{name} is {how} for workspace {self.workspace}"

    def not_then(self, name: str) -> tuple[str, str]:
        """Return (rule id, sentence) for what the present door admits and this frozen one does not."""
        then = self.snapshot.was(self.snapshot.sequence if self.as_of is None else self.as_of)
        when = f"at revision {then.revision[:12]} of {then.made:%Y-%m-%d}"
        return "not-approved-then", f"{name} is approved now, but was not approved {when}, or not all the time since"

    def _shows(self, entry: Entry, now: datetime) -> bool:
        if entry.artifact.build_only:  # or a client would build it, outside the runner
            return False
        return (entry.lapse is None or now < entry.lapse.at) and self._holds(entry, now)

    def _holds(self, entry: Entry, now: datetime) -> bool:
        then = self.as_of is None or 0 < entry.since <= self.as_of
        return then and self._holds_now(entry, now)

    def _holds_now(self, entry: Entry, now: datetime) -> bool:
        denial = entry.objection or self.snapshot.policy.hard_denial(entry.artifact, now)
        return denial is None and entry.approval.admits(self.workspace, now)


def _settled(changes: tuple[int, ...] | None, as_of: int) -> int | None:
    if not changes or changes[-1] <= as_of:
        return None
    before = bisect_right(changes, as_of)
    return changes[before - 1] if before else 0


def _handle(artifact: Artifact) -> tuple[str, ...]:
    """Return what is shown once: bytes on an index, a path of a channel."""
    return (artifact.source, artifact.path) if artifact.kind == "conda" else (artifact.sha256,)


class Admitted(NamedTuple):
    """A file that may be had, and when the approvals that hold for it were given: the first and the newest."""

    artifact: Artifact
    first: datetime
    newest: datetime
