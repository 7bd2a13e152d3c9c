"""Frozen views: how a snapshot carries on from the one before it, and which of them an address names.

``@<revision>`` is a commit that was in force, ``@2026-11-24`` what was in force at the end of that day in UTC, and
``@2026-11-24T12:00:00Z`` at that moment. What such an address once named, it names for ever.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta

from sekisho.errors import BadInputError, ConflictError, NotFoundError
from sekisho.model import Approval, Artifact, Moment
from sekisho.policy.snapshot import Snapshot
from sekisho.sources import Ownership

_REVISION = re.compile(r"[0-9a-f]{7,64}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z)?")
_TICK = timedelta(microseconds=1)


def same_content(one: Snapshot, other: Snapshot) -> bool:
    """Tell whether two snapshots are of one commit and say the same, whenever made and whatever came before."""
    kept = {"made": one.made, "sequence": one.sequence, "history": one.history, "since": one.since}
    return other.model_copy(update=kept) == one


def succeed(previous: Snapshot | None, new: Snapshot, *, gap: int = 0) -> Snapshot:
    """Return ``new`` as it comes into force after ``previous``: its number, its history, and what was never broken.

    Its number is the next one, or ``gap`` more, for numbers that were given and forgotten.

    ``made`` is later than that of any snapshot before, even where a clock was set back, so that a moment never comes to
    mean something else.
    """
    sequence = (previous.sequence if previous else 0) + 1 + gap
    return new.model_copy(
        update={
            "sequence": sequence,
            "made": max(new.made, previous.made + _TICK) if previous else new.made,
            "history": previous.line() if previous else (),
            "since": tuple(_since(previous, new, sequence)),
        }
    )


def _since(previous: Snapshot | None, new: Snapshot, sequence: int) -> Iterator[tuple[int, ...]]:
    """Yield, for each approval of ``new``, since when its artifacts have been admitted without a break.

    An approval goes on if the very same one was there before, whoever signed it again. What the policy denied then, or
    another source owned, starts anew; what is so now has no number, which ``since`` of ``previous`` tells of then.
    """
    denied = _denier(new, new.made)
    before: dict[tuple[str, str], list[tuple[Approval, tuple[int, ...]]]] = {}
    for signed, numbers in zip(previous.approvals, previous.admitted_since(), strict=True) if previous else ():
        before.setdefault(_handle(signed.approval), []).append((signed.approval, numbers))
    for signed in new.approvals:
        approval = signed.approval
        fresh = (0,) * len(approval.artifacts)
        old = before.get(_handle(approval), ())
        numbers = next((found for one, found in old if one is approval or one == approval), fresh)
        yield tuple(
            0 if denied(artifact, approval) else number or sequence
            for artifact, number in zip(approval.artifacts, numbers, strict=True)
        )


def _denier(snapshot: Snapshot, now: datetime) -> Callable[[Artifact, Approval], bool]:
    """Return what tells whether a snapshot denies a file, wherever an approval holds."""
    ownership = Ownership(snapshot.sources)
    scopes = {one.sha256: frozenset(one.scope) for one in snapshot.denied}
    nowhere: frozenset[str] = frozenset()
    return lambda artifact, approval: bool(
        ownership.objection(artifact)
        or snapshot.policy.hard_denial(artifact, now)
        or not scopes.get(artifact.sha256, nowhere).isdisjoint(approval.scope)
    )


def _handle(approval: Approval) -> tuple[str, str]:
    return approval.id, approval.artifacts[0].sha256


def parse_address(text: str) -> str | Moment:
    """Read what stands behind the ``@``: the beginning of a revision, or the last instant that counts.

    Raises ``BadInputError`` for anything else.
    """
    if _REVISION.fullmatch(text):
        return text
    try:
        moment = datetime.fromisoformat(text if _MOMENT.fullmatch(text) else "")
    except ValueError as error:
        raise BadInputError(
            f"{text[:80]!r} is neither a revision nor a date",
            where="@",
            todo="write 7 or more digits of a revision, 2026-11-24, or 2026-11-24T12:00:00Z",
        ) from error
    return moment if moment.tzinfo else datetime.combine(moment.date(), time.max, UTC)


def check_address(text: str) -> str:
    """Return ``text`` if it can stand behind an ``@``; raise ``BadInputError`` if not."""
    parse_address(text)
    return text


def find(snapshot: Snapshot, text: str, *, known: datetime) -> int:
    """Return the sequence that ``text`` names.

    ``known`` is the moment up to which it is certain what was in force. A later one could still come to mean something
    else, so it is refused (``ConflictError``). An unknown revision, an ambiguous one, and a moment before the first
    snapshot raise ``NotFoundError``. A commit that was in force twice is named by its first time.
    """
    address = parse_address(text)
    if isinstance(address, str):
        return _by_revision(snapshot, address)
    if address > known:
        raise ConflictError(
            f"what was in force by {text} is not certain yet: the policy is known here up to"
            f" {known.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
            where=f"@{text}",
            todo=f"name the policy that is in force now: @{present_address(snapshot)}",
        )
    line = snapshot.line()
    before = bisect_right(line, address, key=lambda entry: entry.made)
    if not before:
        raise NotFoundError(
            f"no policy is known to have been in force by {text}: the first is of {line[0].made:%Y-%m-%d %H:%M} UTC",
            where=f"@{text}",
            todo=f"name a later moment, or that policy: @{line[0].revision}",
        )
    return line[before - 1].sequence


def present_address(snapshot: Snapshot) -> str:
    """Return what names this very snapshot: its revision, or its moment if that commit was in force before."""
    if any(entry.revision == snapshot.revision for entry in snapshot.history):
        return snapshot.made.isoformat().replace("+00:00", "Z")
    return snapshot.revision


def _by_revision(snapshot: Snapshot, start: str) -> int:
    found: dict[str, int] = {}
    for entry in snapshot.line():
        if entry.revision.startswith(start):
            found.setdefault(entry.revision, entry.sequence)
    if len(found) == 1:
        return next(iter(found.values()))
    raise NotFoundError(
        f"{len(found)} revisions begin with {start}" if found else f"no policy of a revision {start} was in force here",
        where=f"@{start}",
        todo="write more of its digits"
        if found
        else f"see /api/policy for the one in force now (@{present_address(snapshot)}), and the allowlists' git log"
        " for earlier ones",
    )
