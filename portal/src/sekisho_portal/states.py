"""What the rows of a request in the ledger do to it: its state, and whether something to have instead is looked for."""

from collections.abc import Sequence

from sekisho.ledger import Entry
from sekisho.model import Outcome

STATES = {
    "requested": "resolving",
    "resolved": "inspecting",
    "inspected": "judging",
    "built": "judging",
    "approval-intended": "approving",
    "approved": "approved",
    "denied": "denied",
    "locked": "locked",
    "assembled": "assembled",
    "gated": "gated",
    "delivered": "delivered",
    "failed": "failed",
}
SEARCH = "search-again"
"""The row that asks the builder for something to have instead, once more."""


def owes_search(rows: Sequence[Entry]) -> bool:
    """Tell whether the rows of a request lack the one that asks for a search, as after a crash.

    The builder looks by itself after the first judgement of what was inspected. After a later one it has to be asked,
    where the request does not pass and another release may.
    """
    times, last = 0, None
    for row in rows:
        if row.kind == "judged":
            times, last = times + 1, row
        elif row.kind in {"inspected", "built"}:
            times, last = 0, None
        elif row.kind in STATES or row.kind in {SEARCH, "retried"}:
            last = None
    if last is None or times < 2:
        return False
    return last.body["judgement"]["outcome"] != Outcome.ALLOW and is_sought(last)


def is_sought(judged: Entry) -> bool:
    """Tell whether, after this judgement, another answer may do with less: other releases, or fewer approvals."""
    return bool(judged.body.get("sought", judged.body.get("avoidable")))
