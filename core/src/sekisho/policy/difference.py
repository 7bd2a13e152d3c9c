"""What a change of the policy means for what is approved: "this change unblocks 14 artifacts and blocks 3"."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sekisho.model import Artifact, Facts, Outcome, Reason
from sekisho.model.verdict import gravest
from sekisho.policy.judge import Bench


class Change(NamedTuple):
    """One file that is judged otherwise. ``reasons`` are those of the graver side."""

    artifact: Artifact
    before: Outcome
    after: Outcome
    reasons: tuple[Reason, ...]

    @property
    def blocks(self) -> bool:
        """Tell whether the change takes something away: it denies, or asks for a person."""
        return self.after.gravity > self.before.gravity


class Benches(NamedTuple):
    """A policy made ready twice: for files with facts, and for those of which only the index entry is known."""

    inspected: Bench
    uninspected: Bench

    def judge(self, artifact: Artifact, facts: Facts | None) -> tuple[Outcome, tuple[Reason, ...]]:
        """Return what the rules say."""
        bench = self.uninspected if facts is None else self.inspected
        reasons = bench.reasons(artifact, facts)
        return gravest([reason.outcome for reason in reasons]), reasons


def compare(
    artifacts: Iterable[Artifact], facts: Mapping[str, Facts], before: Benches, after: Benches
) -> tuple[Change, ...]:
    """Return each distinct file on which two policies differ, what is blocked first."""
    found = []
    for artifact in {one.sha256: one for one in artifacts}.values():
        known = facts.get(artifact.sha256)
        old, old_reasons = before.judge(artifact, known)
        new, new_reasons = after.judge(artifact, known)
        if old is not new:
            found.append(Change(artifact, old, new, new_reasons if new.gravity > old.gravity else old_reasons))
    return tuple(sorted(found, key=lambda one: (not one.blocks, -one.after.gravity, one.artifact.purl)))


def summarise(changes: Iterable[Change]) -> str:
    """Say in one sentence what a change does."""
    rows = list(changes)
    blocked = sum(row.blocks for row in rows)
    if not rows:
        return "this change changes no verdict"
    return f"this change unblocks {len(rows) - blocked} artifacts and blocks {blocked}"
