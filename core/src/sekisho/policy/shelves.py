"""What a door has of each project: made when it is asked for, and taken over from the door before if it is the same."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from typing import NamedTuple
from weakref import ref

from sekisho.allowlist import KINDS
from sekisho.model import Approval, Artifact, Kind, Reason, Slug
from sekisho.policy.scopes import Key, Scopes
from sekisho.policy.snapshot import Denial, Lapse, Snapshot


class Entry(NamedTuple):
    """One file of one approval, and since which sequence it has been admitted without a break.

    ``objection`` is why it may not be had all the same: its source may not provide its name, or rules deny it.
    ``lapse`` is why it is not shown although it may be had.
    """

    approval: Approval
    artifact: Artifact
    since: int
    objection: Reason | None
    lapse: Lapse | None


class Shelf:
    """What a door has of a project."""

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        self.entries = entries

    @cached_property
    def by_hash(self) -> Mapping[str, Sequence[Entry]]:
        """Return the entries by sha256."""
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.artifact.sha256, []).append(entry)
        return found


class Shelves:
    """What one workspace has by one snapshot. ``denied`` are the snapshot's denials that concern it, by sha256."""

    def __init__(self, snapshot: Snapshot, workspace: Slug, scopes: Scopes, before: "Shelves | None" = None) -> None:
        self._workspace = workspace
        self._scopes = scopes
        self.denied = denied = dict[str, Denial]()
        for one in snapshot.denied:
            if workspace in one.scope and (one.hard or one.sha256 not in denied):
                denied[one.sha256] = one
        self._lapses = {(one.sha256, one.project): one for one in snapshot.lapses if workspace in one.scope}
        self._names: dict[Kind, tuple[str, ...]] = {}
        self._made: dict[Key, Shelf] = {}
        self._before: ref[Shelves] | None = None
        self._changed: Set[Key] = frozenset()
        changed = self._changed_since(before) if before else None
        if before and changed is not None:
            self._before, self._changed = ref(before), changed
            self._made = before._made.copy()  # noqa: SLF001 (requests may add to it meanwhile)
            for key in changed:
                self._made.pop(key, None)

    def _changed_since(self, before: "Shelves") -> Set[Key] | None:
        """Return the projects of which approvals, denials or lapses are others than before; nothing if any may be."""
        changed = self._scopes.changed_since(before._scopes)  # noqa: SLF001
        if changed is None or self._workspace != before._workspace:  # noqa: SLF001
            return None
        hashes = {sha256 for sha256, _ in self.denied.items() ^ before.denied.items()}
        lapsed = {project for (_, project), _ in self._lapses.items() ^ before._lapses.items()}  # noqa: SLF001
        denied = {key for sha256 in hashes for key in self._scopes.holders(sha256)}
        return changed | denied | {(kind, project) for kind in KINDS for project in lapsed}

    def names(self, kind: Kind) -> tuple[str, ...]:
        """Return every name of which anything was approved here."""
        found = self._names.get(kind)
        if found is None:
            found = self._names[kind] = self._scopes.names(kind, self._workspace)
        return found

    def of(self, kind: Kind, project: str) -> Shelf:
        """Return what was approved of a project. Of a name that nobody knows nothing is kept."""
        found = self._made.get((kind, project))
        if found is None:
            found = Shelf(tuple(self._entries(kind, project)))
            if found.entries:
                self._made[kind, project] = found
        return found

    def of_bytes(self, sha256: str) -> Iterator[Entry]:
        """Yield all that approvals name of these bytes."""
        for key in self._scopes.holders(sha256):
            yield from self.of(*key).by_hash.get(sha256, ())

    def alike(self, other: "Shelves") -> Callable[[Kind, str], bool]:
        """Return what tells of a project whether ``other`` has the same of it."""

        def same(kind: Kind, project: str) -> bool:
            mine, theirs = self.of(kind, project), other.of(kind, project)
            return mine is theirs or mine.entries == theirs.entries

        if self._before and self._before() is other:
            return lambda kind, project: (kind, project) not in self._changed or same(kind, project)
        return same

    def _entries(self, kind: Kind, project: str) -> Iterator[Entry]:
        known = self._scopes.project(kind, project)
        for signed, numbers in known.rows if known else ():
            if self._workspace not in signed.approval.scope:
                continue
            for artifact, since in zip(signed.approval.artifacts, numbers, strict=True):
                if (artifact.kind, artifact.project) == (kind, project):
                    yield self._entry(signed.approval, artifact, since)

    def _entry(self, approval: Approval, artifact: Artifact, since: int) -> Entry:
        objection = self._scopes.ownership.objection(artifact)
        objection = objection or _denial(approval, self.denied.get(artifact.sha256))
        lapse = None if approval.break_glass else self._lapses.get((artifact.sha256, artifact.project))
        return Entry(approval, artifact, since, objection, lapse)


def _denial(approval: Approval, found: Denial | None) -> Reason | None:
    """Return why an approval does not count for a file that is denied; broken glass gives way to hard denials only."""
    return None if found is None or (approval.break_glass and not found.hard) else found.reason
