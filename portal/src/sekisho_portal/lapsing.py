"""Which approved files are shown no more because what they need is gone: by the closures that were approved.

A closure is looked at again only when something in it, or in its place, changes: a new approval costs what it names.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from packaging.version import InvalidVersion, Version

from sekisho.errors import BadInputError
from sekisho.ledger import Ledger
from sekisho.model import Artifact, Closure, CondaVersion, Outcome, Reason, conda_record, conda_version
from sekisho.policy import Snapshot
from sekisho.policy.document import UNMET
from sekisho.policy.snapshot import Lapse
from sekisho.policy.whole import ALWAYS, Answer, Found, Held, Until, alone, mend, whole
from sekisho.sources import Ownership
from sekisho_portal.sightings import Sightings

_OLDEST = Version("0.dev0")
_OLDEST_PACKAGE = conda_version("0dev")
_MOST_TRIES = 3
"""Answers that a file is looked at in by itself: the last ones."""

_PATIENCE = 0.2
"""Seconds for looking what may stay shown: a revocation waits for it."""

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_Had = dict[str, Held]


class _Looked(NamedTuple):
    """What was found of an answer in a workspace: by which ends, and until when each file is whole."""

    ends: tuple[datetime | None, ...]
    until: Mapping[str, Until]

    def ends_by(self, now: datetime) -> bool:
        """Tell whether something in it is whole no more."""
        return any(until.end <= now for until in self.until.values())


class Lapsing:
    """Keeps the approved closures in a small form, and what was found of each in each workspace."""

    def __init__(self, sightings: Sightings, ledger: Ledger) -> None:
        self._sightings = sightings
        self._ledger = ledger
        self._lock = threading.Lock()
        self._mark = 0
        self._answers: dict[str, Answer] = {}
        self._requires: dict[str, tuple[str, ...] | None] = {}
        self._had: dict[str, _Had] = {}
        self._looked: dict[tuple[str, str], _Looked] = {}
        self._replaced: dict[tuple[str, str], Found] = {}
        self._among: dict[str, tuple[Answer, ...]] = {}
        self.unfinished = False
        """Whether some file is not shown only because nobody has looked yet what could stand in for what is gone."""

    def find(self, snapshot: Snapshot, now: datetime) -> tuple[Lapse, ...]:
        """Return what lapses by now or will by itself, given what the snapshot approves and denies."""
        with self._lock:
            self.unfinished = False
            self._follow()
            lapses: dict[tuple[str, str, datetime, str], list[str]] = {}
            for workspace, had in sorted(_held(snapshot, now).items()):
                for sha256, until in self._lapsed(workspace, had, now):
                    at = until.end if until.end > now else _LONG_AGO
                    project = had[sha256].artifact.project
                    lapses.setdefault((sha256, project, at, until.needs), []).append(workspace)
                self._had[workspace] = had
            return tuple(_lapse(*key, scope=scope) for key, scope in sorted(lapses.items()))

    def _follow(self) -> None:
        """Take up the closures that were approved since the last time."""
        for row in self._ledger.entries(after=self._mark, kinds=("approval-intended",)):
            self._mark = row.seq
            resolved = self._ledger.entries(subject=row.subject, kinds=("resolved", "built"))
            for last in [one for one in resolved if one.seq < row.seq][-1:]:
                closure = Closure.parse(last.body["closure"], where=f"ledger row {last.seq}")
                if not closure.builds:  # what is still source installs nowhere
                    self.add(closure.digest(), _answer(closure))

    def add(self, digest: str, answer: Answer) -> None:
        """Take up an answer; of those that a file is in, the last few are looked at again."""
        self._answers[digest] = answer
        for sha256 in answer.files.values():
            self._among[sha256] = (*self._among.get(sha256, ()), answer)[-_MOST_TRIES:]

    def _lapsed(self, workspace: str, had: _Had, now: datetime) -> Iterator[tuple[str, Until]]:
        """Yield what ends before its own approval does, whatever answer it is in."""
        changed = _changed(self._had.get(workspace, {}), had)
        best: dict[str, Until] = {}
        broken: list[tuple[str, Answer]] = []
        for digest, answer in self._answers.items():
            ends = tuple(had[sha256].end if sha256 in had else None for sha256 in answer.files.values())
            if not any(ends):
                continue
            looked = self._looked.get((workspace, digest))
            if looked is None or looked.ends != ends:
                if len(set(ends)) > 1:
                    self._learn(answer.files.values())
                looked = self._looked[workspace, digest] = _Looked(ends, whole(answer, had, self._requires.get))
            if None in ends or looked.ends_by(now):
                broken.append((digest, answer))
            _better(best, looked.until)
        if broken:
            self._replace(workspace, had, broken, best, changed, now)
        return ((sha256, until) for sha256, until in best.items() if until.end < had[sha256].end)

    def _replace(
        self,
        workspace: str,
        had: _Had,
        broken: Iterable[tuple[str, Answer]],
        best: dict[str, Until],
        changed: frozenset[str],
        now: datetime,
    ) -> None:
        """Find out what other releases can stand in for what is gone: in whole answers, and then for files alone.

        That takes no longer than ``_PATIENCE``, because a revocation waits for it. What is left is looked at next time.
        """
        others, end = _by_project(had), time.monotonic() + _PATIENCE

        def look(key: str, among: Iterable[Answer], work: Callable[[], Found]) -> None:
            known = self._replaced.get((workspace, key))
            if known is None or not changed.isdisjoint(known.depends):
                self._replaced.pop((workspace, key), None)
                if time.monotonic() > end:
                    self.unfinished = True
                    return
                for answer in among:
                    self._learn(answer.files.values())
                    self._learn(row.artifact.sha256 for name in answer.files for row in others.get(name, ()))
                known = self._replaced[workspace, key] = work()
            _better(best, known.until)

        for digest, answer in broken:
            look(digest, (answer,), partial(mend, answer, had, others, self._requires.get, now))
        for sha256 in [sha256 for sha256, until in best.items() if until.end <= now]:
            among = self._among[sha256]
            look(sha256, among, partial(self._alone, sha256, among, had, others, now))

    def _alone(
        self, sha256: str, among: Iterable[Answer], had: _Had, others: Mapping[str, list[Held]], now: datetime
    ) -> Found:
        """Look at one file by itself, on the target of each answer that it is in."""
        node = had[sha256].artifact.node
        tried = [alone(answer, node, had, others, self._requires.get, now) for answer in among]
        until = max((one.until[sha256] for one in tried), key=lambda one: one.end)
        depends = frozenset[str]().union(*(one.depends for one in tried), *(answer.files for answer in among))
        return Found({sha256: until}, depends)

    def _learn(self, hashes: Iterable[str]) -> None:
        """Read what the METADATA of files requires, as far as they were inspected here."""
        missing = set(hashes) - self._requires.keys()
        if missing:
            facts = self._sightings.facts(missing)
            for sha256 in missing:
                self._requires[sha256] = facts[sha256].requires if sha256 in facts else None


def _better(best: dict[str, Until], found: Mapping[str, Until]) -> None:
    for sha256, until in found.items():
        known = best.get(sha256)
        if known is None or known.end < until.end:
            best[sha256] = until


def _answer(closure: Closure) -> Answer:
    needs: dict[str, tuple[str, ...]] = {}
    for edge in closure.edges:
        needs[edge.project] = (*needs.get(edge.project, ()), edge.needs)
    return Answer(closure.target, {one.node: one.sha256 for one in closure.artifacts}, needs)


def _held(snapshot: Snapshot, now: datetime) -> dict[str, _Had]:
    """Return by workspace and sha256 what may be had now, and until when."""
    ownership = Ownership(snapshot.sources)
    foreign: dict[tuple[str, str, str], bool] = {}
    anywhere = all(source.serves_any and not source.owns for source in snapshot.sources)
    denied: dict[str, dict[str, bool]] = {}
    for one in snapshot.denied:
        for workspace in one.scope:
            known = denied.setdefault(workspace, {})
            known[one.sha256] = known.get(one.sha256, False) or one.hard

    def barred(artifact: Artifact, workspace: str, *, break_glass: bool) -> bool:
        key = artifact.kind, artifact.project, artifact.source
        if not anywhere and key not in foreign:
            foreign[key] = ownership.objection(artifact) is not None
        hard = denied.get(workspace, {}).get(artifact.sha256)
        return foreign.get(key, False) or (hard is not None and (hard or not break_glass))

    found: dict[str, _Had] = {}
    for signed in snapshot.approvals:
        approval = signed.approval
        end = approval.expires or ALWAYS
        if end <= now:
            continue
        for workspace in approval.scope:
            had = found.setdefault(workspace, {})
            for artifact in approval.artifacts:
                before = had.get(artifact.sha256)
                if (before is None or before.end < end) and not barred(
                    artifact, workspace, break_glass=approval.break_glass
                ):
                    had[artifact.sha256] = Held(artifact, end)
    return found


def _changed(before: _Had, after: _Had) -> frozenset[str]:
    """Return the nodes of which something came, went, or ends at another time."""
    rows = [held for sha256, held in before.items() if after.get(sha256) != held]
    rows += [held for sha256, held in after.items() if sha256 not in before]
    return frozenset(held.artifact.node for held in rows)


def _by_project(had: _Had) -> dict[str, list[Held]]:
    """Return what may be had by node, the newest release first."""
    found: dict[str, list[Held]] = {}
    for row in had.values():
        found.setdefault(row.artifact.node, []).append(row)
    for rows in found.values():
        rows.sort(key=_order, reverse=True)
    return found


def _order(row: Held) -> tuple[Version | CondaVersion, int]:
    """Return the order of a kind's own resolver: of channels also by the number of the build."""
    release = row.artifact.release
    if row.artifact.kind != "conda":
        try:
            return Version(release), 0
        except InvalidVersion:
            return _OLDEST, 0
    try:
        return conda_version(release), int(conda_record(row.artifact)["build_number"])
    except (ValueError, BadInputError):
        return _OLDEST_PACKAGE, 0


def _lapse(sha256: str, project: str, at: datetime, needs: str, *, scope: Iterable[str]) -> Lapse:
    said = f"it needs {needs}, and nothing of that which fits may be had any more"
    reason = Reason(rule=UNMET, outcome=Outcome.DENY, evidence=said)
    return Lapse(sha256=sha256, project=project, at=at, reason=reason, scope=tuple(scope))
