"""Where a request stands: a fold over its ledger rows. Pure; nothing else keeps a status."""

from collections.abc import Sequence
from typing import Any

from sekisho.ledger import Entry
from sekisho.model import Closure, Facts, Judgement, Request

_STATES = {
    "requested": "resolving",
    "resolved": "inspecting",
    "inspected": "judging",
    "approval-intended": "approving",
    "approved": "approved",
    "denied": "denied",
    "locked": "locked",
    "assembled": "assembled",
    "gated": "gated",
    "delivered": "delivered",
    "failed": "failed",
}
_JUDGED = {"allow": "judged", "review": "waiting", "deny": "refused"}


class Standing:
    """What the rows say of one request. Later rows override earlier ones of their kind."""

    def __init__(self, rows: Sequence[Entry]) -> None:
        self.rows = rows
        self.last: dict[str, Entry] = {row.kind: row for row in rows}
        self.id = rows[0].subject
        self.request = Request.parse(rows[0].body["request"], where=f"ledger row {rows[0].seq}")

    @property
    def seq(self) -> int:
        """Return the newest row's number."""
        return self.rows[-1].seq

    @property
    def state(self) -> str:
        """Return the state in one word; rows that only record an attempt change nothing."""
        for row in reversed(self.rows):
            if row.kind == "judged":
                return _JUDGED[row.body["judgement"]["outcome"]]
            if row.kind == "retried":
                return "resolving" if row.body["stage"] == "propose" else "approved"
            if row.kind in _STATES:
                return _STATES[row.kind]
        return "resolving"

    @property
    def is_judged(self) -> bool:
        """Tell whether there is a judgement since the request was made, or since it was worked on anew."""
        for row in reversed(self.rows):
            if row.kind == "requested" or (row.kind == "retried" and row.body["stage"] == "propose"):
                return False
            if row.kind == "judged":
                return True
        return False

    def closure(self) -> Closure | None:
        """Return the closure that was resolved last."""
        row = self.last.get("resolved")
        return Closure.parse(row.body["closure"], where=f"ledger row {row.seq}") if row else None

    def facts(self) -> dict[str, Facts]:
        """Return the facts by sha256."""
        row = self.last.get("inspected")
        found = (Facts.parse(value, where=f"ledger row {row.seq}") for value in row.body["facts"]) if row else ()
        return {facts.sha256: facts for facts in found}

    def judgement(self) -> Judgement | None:
        """Return the judgement made last."""
        row = self.last.get("judged")
        return Judgement.parse(row.body["judgement"], where=f"ledger row {row.seq}") if row else None

    def plain(self, link: str) -> dict[str, Any]:
        """Return the status as the API gives it."""
        body = {kind: row.body for kind, row in self.last.items()}
        status: dict[str, Any] = {
            "id": self.id,
            "seq": self.seq,
            "state": self.state,
            "request": self.rows[0].body["request"],
            "link": link,
            "events": [
                {"seq": row.seq, "at": row.at.isoformat(), "kind": row.kind, "actor": row.actor} for row in self.rows
            ],
        }
        if judgement := self.judgement():
            status["counts"] = judgement.count()
            status["verdicts"] = [verdict.plain() for verdict in judgement.verdicts]
            status["known"] = body["judged"]["known"]
        if closure := self.closure():
            status["closure"] = {
                "digest": closure.digest(),
                "packages": len(closure.artifacts),
                "bytes": sum(artifact.size for artifact in closure.artifacts),
                "resolver": closure.resolver,
            }
        if "approved" in body:
            status["approval"] = body["approved"]
        if "denied" in body:
            status["denied"] = {"by": self.last["denied"].actor, "reason": body["denied"]["reason"]}
        for kind, key in (("locked", "lock"), ("gated", "gates"), ("delivered", "image"), ("assembled", "assembly")):
            if kind in body:
                status[key] = body[kind][key]
        if self.state == "failed":
            status["problem"] = body["failed"]["problem"]
            status["failed_stage"] = body["failed"]["stage"]
        return status
