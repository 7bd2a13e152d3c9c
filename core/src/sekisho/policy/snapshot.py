"""A policy snapshot: one commit of the allowlists tree, compiled into an immutable signed value.

Proxies and replicas share nothing but this. ``sekisho.policy.door`` is the index over it that every route asks.
"""

from bisect import bisect_right
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, NamedTuple, Self

from pydantic import Field, model_validator

from sekisho.advisories import AdvisoryIndex
from sekisho.allowlist import Allowlist, RefusedEntry, SignedApproval
from sekisho.errors import BadInputError, CorruptError
from sekisho.model import Moment, Reason, Record, Sha256, Slug
from sekisho.policy.document import Policy
from sekisho.policy.knowledge import NOTHING_KNOWN, Knowledge
from sekisho.policy.scopes import Scopes
from sekisho.policy.weaknesses import Weakness
from sekisho.sources import Ownership, Source
from sekisho.vex import SignedVex

Sequence = Annotated[int, Field(ge=0, strict=True)]


class InForce(NamedTuple):
    """A snapshot that was in force: of which commit, as which number, and since when."""

    revision: Annotated[str, Field(min_length=1, max_length=200)]
    sequence: Sequence
    made: Moment


class Denial(Record):
    """A file that was approved and that the rules deny in ``scope`` by what is known now.

    Doors have no advisories, so the portal tells them. ``hard`` is a denial that nothing beats.
    """

    sha256: Sha256
    reason: Reason
    scope: Annotated[tuple[Slug, ...], Field(min_length=1)]
    hard: bool = False


class Lapse(Record):
    """An approved file that is not shown in ``scope`` any more from ``at`` on: what it needs may not be had."""

    sha256: Sha256
    project: str
    at: Moment
    reason: Reason
    scope: Annotated[tuple[Slug, ...], Field(min_length=1)]


class Head(Record):
    """All of a snapshot but its approvals.

    ``sequence`` only grows, so that an old snapshot cannot be played back. ``history`` names every snapshot that was in
    force before this one, oldest first. ``vex`` only matters to those who judge. ``denied`` are files that approvals
    name and that may not be had all the same. ``weaknesses`` say what is known against approved releases, and decide
    nothing; ``None`` is that nobody looked.

    ``lapses`` say which approved files no door shows, because what they need is gone; their bytes are still had.

    ``reports`` is the part of the advisories that names malicious code, as ``AdvisoryIndex.dump`` writes it: only there
    while a workspace does not enforce, since what is not approved is served there by nothing but the hard denials.
    """

    revision: str
    sequence: int
    made: Moment
    policy: Policy
    sources: tuple[Source, ...] = ()
    refused: tuple[RefusedEntry, ...] = ()
    history: tuple[InForce, ...] = ()
    vex: tuple[SignedVex, ...] = ()
    denied: tuple[Denial, ...] = ()
    weaknesses: tuple[Weakness, ...] | None = None
    reports: str = ""
    lapses: tuple[Lapse, ...] = ()


class Snapshot(Head):
    """What one revision of the tree admits.

    ``approvals`` keep their signatures: whoever serves by a snapshot can check each one again. ``since`` says of each,
    and in it of each artifact, since which sequence it has been admitted without a break; 0 is one that the policy
    denies now. Without ``since`` that is this very snapshot for all. So what was admitted then, and still is, needs no
    second store.
    """

    approvals: tuple[SignedApproval, ...] = ()
    since: tuple[tuple[Sequence, ...], ...] = ()

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        """Refuse a history that does not lead here, numbers that belong to nothing, and a name with two owners."""
        try:
            Ownership(self.sources)
        except BadInputError as error:
            message = f"sources: {error.what}"
            raise ValueError(message) from error
        line = self.line()
        for before, after in pairwise(line):
            if before.sequence >= after.sequence or before.made >= after.made:
                message = f"history: {after.sequence} does not come after {before.sequence}"
                raise ValueError(message)
        if self.since and [len(row) for row in self.since] != [len(one.approval.artifacts) for one in self.approvals]:
            message = "since: it has not one number for each artifact of each approval"
            raise ValueError(message)
        unknown = {number for row in self.since for number in row} - {0, *(entry.sequence for entry in line)}
        if unknown:
            message = f"since: there was no snapshot {min(unknown)}"
            raise ValueError(message)
        try:
            self.known()
        except CorruptError as error:
            message = f"reports: {error.what}"
            raise ValueError(message) from error
        return self

    def known(self) -> Knowledge:
        """Return what those who serve know of files that nobody judged: the reports of malicious code."""
        return _known(self.reports) if self.reports else NOTHING_KNOWN

    def line(self) -> tuple[InForce, ...]:
        """Return every snapshot that was ever in force, oldest first; the last is this one."""
        return (*self.history, InForce(self.revision, self.sequence, self.made))

    def was(self, sequence: int) -> InForce:
        """Return the newest snapshot that was in force by ``sequence``, or the oldest that is known."""
        line = self.line()
        return line[max(bisect_right(line, sequence, key=lambda entry: entry.sequence) - 1, 0)]

    def admitted_since(self) -> tuple[tuple[int, ...], ...]:
        """Return ``since``, written out."""
        return self.since or tuple((self.sequence,) * len(signed.approval.artifacts) for signed in self.approvals)

    def scopes(self, before: Scopes | None = None) -> Scopes:
        """Return the approvals sorted for doors; who opens several doors keeps it. ``before`` as in ``Scopes``."""
        return Scopes(zip(self.approvals, self.admitted_since(), strict=True), self.sources, before=before)


@lru_cache(maxsize=2)
def _known(reports: str) -> Knowledge:
    return Knowledge(advisories=AdvisoryIndex.load(reports.encode(), where="reports"))


def compile_snapshot(
    allowlist: Allowlist,
    policy: Policy,
    sources: tuple[Source, ...],
    *,
    revision: str,
    sequence: int,
    now: datetime,
    vex: tuple[SignedVex, ...] = (),
    denied: tuple[Denial, ...] = (),
) -> Snapshot:
    """Put what a commit says, and what is known against what it approves, into one value."""
    return Snapshot(
        revision=revision,
        sequence=sequence,
        made=now,
        policy=policy,
        sources=sources,
        approvals=allowlist.approvals,
        refused=allowlist.refused,
        vex=vex,
        denied=denied,
    )
