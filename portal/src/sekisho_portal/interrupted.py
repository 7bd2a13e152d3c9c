"""What a crash cut short between two rows of the ledger. Pure: it follows from what is on record."""

from collections.abc import Sequence

from sekisho.ledger import Entry
from sekisho.model import Outcome
from sekisho_portal.states import SEARCH, owes_search

CONCLUDED = ("inspected", "built", "judged", "approval-intended", "approved", "denied", "failed", "retried", SEARCH)
"""The rows that tell it."""


def unjudged(rows: Sequence[Entry]) -> list[str]:
    """Return the requests that were inspected and not judged, or that the policy allowed without approving."""
    newest = {row.subject: row for row in rows}
    allowed = str(Outcome.ALLOW)
    return [
        subject
        for subject, row in newest.items()
        if row.kind in {"inspected", "built"} or (row.kind == "judged" and row.body["judgement"]["outcome"] == allowed)
    ]


def unsearched(rows: Sequence[Entry]) -> list[str]:
    """Return the requests for which the builder has to look for something else, and was not asked to."""
    grouped: dict[str, list[Entry]] = {}
    for row in rows:
        grouped.setdefault(row.subject, []).append(row)
    return [subject for subject, found in grouped.items() if owes_search(found)]
