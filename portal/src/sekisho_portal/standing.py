"""Where a request stands: a fold over its ledger rows. Pure; nothing else keeps a status."""

from collections.abc import Sequence
from typing import Any

from sekisho.allowlist import KINDS
from sekisho.ledger import Entry
from sekisho.model import Alternative, Built, Closure, Facts, Judgement, Newest, Outcome, Request, build_of
from sekisho_portal.built_here import told_of, told_of_build
from sekisho_portal.evidence import measured
from sekisho_portal.states import SEARCH, STATES, is_sought
from sekisho_portal.ways import way_lines

_LONG = ("constraints", "hashes")
"""What of a request a status only counts: a lock has thousands."""

_JUDGED = {"allow": "judged", "review": "waiting", "deny": "refused"}

_OPEN = frozenset({"waiting", "asked", "refused", "denied", "judging", "resolving", "inspecting", "failed"})
"""States in which something stands in a request's way."""

_NOT_TOLD = frozenset({"key", "digests", "statements"})
"""What the record of an approval holds for those who check it, not for those who read a status."""


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
                state = _JUDGED[row.body["judgement"]["outcome"]]
                return "asked" if state == "waiting" and self.question else state
            if row.kind == "retried":
                return {"propose": "resolving", "build": "building"}.get(row.body["stage"], "approved")
            if row.kind == "approved" and row.body.get("build"):
                return "building"
            if row.kind in STATES:
                return STATES[row.kind]
        return "resolving"

    @property
    def question(self) -> Entry | None:
        """Return the question that the requester has not answered yet."""
        asked, answered = self.last.get("asked"), self.last.get("answered")
        return asked if asked and (answered is None or answered.seq < asked.seq) else None

    @property
    def first_approval(self) -> Entry | None:
        """Return the word of the first of two approvers, unless there is more to know since then."""
        given, judged = self.last.get("approved-first"), self.last.get("judged")
        return given if given and judged and judged.seq < given.seq else None

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
        rows = [self.last[kind] for kind in ("resolved", "built") if kind in self.last]
        row = max(rows, key=lambda one: one.seq, default=None)
        return Closure.parse(row.body["closure"], where=f"ledger row {row.seq}") if row else None

    @property
    def is_unbuilt(self) -> bool:
        """Tell whether the closure holds source of which the wheel is still to be built."""
        closure = self.closure()
        return closure is not None and bool(closure.builds)

    def built(self) -> tuple[Built, ...]:
        """Return what the runner says of the wheels that it built for the present closure."""
        row, closure = self.last.get("built"), self.closure()
        if row is None or closure is None or row.body["closure"] != closure.plain():
            return ()
        return tuple(Built.parse(value, where=f"ledger row {row.seq}") for value in row.body["built"])

    def newest(self) -> dict[str, Newest]:
        """Return the newest releases by node, at the time of resolution, of what was asked for by name."""
        row = self.last.get("resolved")
        found = row.body.get("newest", {}) if row else {}
        return {project: Newest.parse(value, where=f"ledger row {self.id}") for project, value in found.items()}

    def alternative(self) -> Alternative | None:
        """Return what the builder found instead of the closure, if it found anything."""
        found = self.last["suggested"].body["alternative"] if self._is_suggested() else None
        return Alternative.parse(found, where=f"alternative of {self.id}") if found else None

    def _is_suggested(self) -> bool:
        """Tell whether somebody has looked for something else than the present closure, since it was asked for."""
        closure, row, again = self.closure(), self.last.get("suggested"), self.last.get(SEARCH)
        if closure is None or row is None or (again is not None and row.seq < again.seq):
            return False
        return bool(row.body["closure"] == closure.digest())

    def _is_fewest(self) -> bool:
        """Tell whether the builder proved that no other answer needs approvals of fewer conda packages."""
        return self._is_suggested() and bool(self.last["suggested"].body.get("fewest"))

    def _is_sought(self) -> bool:
        """Tell whether the builder is to look for something else: other releases, or fewer approvals."""
        return "judged" in self.last and is_sought(self.last["judged"])

    def _is_searched(self) -> bool:
        """Tell whether the builder looks, or has looked: after an inspection, and whenever it was asked to again."""
        since = self.last["inspected"].seq if "inspected" in self.last else 0
        judged = [row.seq for row in self.rows if row.kind == "judged" and row.seq > since]
        again = self.last.get(SEARCH)
        return len(judged) == 1 or (again is not None and again.seq > max(judged, default=again.seq))

    def avoidable(self) -> tuple[str, ...]:
        """Return by sha256 the exceptions that another release may not share."""
        return tuple(self.last["judged"].body.get("avoidable", ())) if "judged" in self.last else ()

    def facts(self) -> dict[str, Facts]:
        """Return the facts by sha256."""
        rows = [self.last[kind] for kind in ("inspected", "built") if kind in self.last]
        found = (Facts.parse(value, where=f"ledger row {row.seq}") for row in rows for value in row.body["facts"])
        return {facts.sha256: facts for facts in found}

    def judgement(self) -> Judgement | None:
        """Return the judgement made last."""
        row = self.last.get("judged")
        return Judgement.parse(row.body["judgement"], where=f"ledger row {row.seq}") if row else None

    def exceptions(self) -> list[dict[str, Any]]:
        """Return what a person has to look at, denials first: verdict, file, and who needs it."""
        closure, judgement = self.closure(), self.judgement()
        if closure is None or judgement is None:
            return []
        files = {artifact.sha256: artifact for artifact in closure.files}
        facts, found = self.facts(), []
        for verdict in sorted(judgement.verdicts, key=lambda row: -row.outcome.gravity):
            if verdict.outcome is not Outcome.ALLOW and verdict.sha256 in files:
                file = files[verdict.sha256]
                about = {key: getattr(file, key) for key in ("kind", "project", "node", "name", "filename")}
                if file.kind == "conda":
                    about |= {"build": build_of(file), "subdir": file.path.partition("/")[0]}
                about |= {"source": file.source, "facts": measured(file, facts.get(file.sha256))}
                found.append({**verdict.plain(), **about, "needed_by": list(closure.why(file.node))})
        return found

    def plain(self, link: str, *, verdicts: bool = False) -> dict[str, Any]:
        """Return the status as the API gives it: of the verdicts the exceptions, or with ``verdicts`` all."""
        asked = self.rows[0].body["request"]
        status: dict[str, Any] = {
            "id": self.id,
            "seq": self.seq,
            "state": self.state,
            "request": {key: value for key, value in asked.items() if key not in _LONG},
            "link": link,
            "events": [
                {"seq": row.seq, "at": row.at.isoformat(), "kind": row.kind, "actor": row.actor} for row in self.rows
            ],
        }
        if any(key in asked for key in _LONG):
            status["bound"] = {"constraints": len(self.request.constraints), "hashed": len(self.request.hashes)}
        if judgement := self.judgement():
            judged = self.last["judged"].body
            status["counts"] = judgement.count()
            status["known"] = judged["known"]
            status["difference"] = judged.get("difference", {"known": judged["known"]})
            status["exceptions"] = self.exceptions()
            status |= self._ways()
            if verdicts:
                status["verdicts"] = [verdict.plain() for verdict in judgement.verdicts]
        if closure := self.closure():
            status["closure"] = {
                "digest": closure.digest(),
                "packages": len(closure.artifacts),
                "kinds": {kind: len(files) for kind in KINDS if (files := closure.of(kind))},
                "bytes": sum(artifact.size for artifact in closure.artifacts),
                "resolver": closure.resolver,
            }
            if closure.builds:
                status["closure"]["builds"] = [told_of_build(one) for one in closure.builds]
        return status | self._decisions() | self._made()

    def _ways(self) -> dict[str, Any]:
        """Return what would make the request pass: which approvals, and what to have instead.

        ``searching`` tells that the builder still has to look for the latter.
        """
        found = self.exceptions()
        if not found:
            return {}
        names = {outcome: [row["name"] for row in found if row["outcome"] == outcome] for outcome in ("review", "deny")}
        alternative = self.alternative()
        looked = self.last["suggested"].at if self._is_suggested() else None
        searching = self._is_sought() and looked is None and self._is_searched()
        lines = way_lines(
            names, alternative, self.request, searching=searching, fewest=self._is_fewest(), looked=looked
        )
        return {
            "needs": names,
            "searching": searching,
            "ways": lines if self.state in _OPEN else [],
            **({"alternative": alternative.model_dump(mode="json")} if alternative else {}),
        }

    def _decisions(self) -> dict[str, Any]:
        """Return what people said, and what was decided."""
        found: dict[str, Any] = {}
        if said := [row for row in self.rows if row.kind in {"asked", "answered"}]:
            found["conversation"] = [
                {"kind": row.kind, "by": row.actor, "at": row.at.isoformat(), "text": row.body["text"]} for row in said
            ]
        if first := self.first_approval:
            found["first_approval"] = {"by": first.actor, **first.body}
        if "approved" in self.last:
            found["approval"] = _told(self.last["approved"])
        if "denied" in self.last:
            found["denied"] = {"by": self.last["denied"].actor, "reason": self.last["denied"].body["reason"]}
        for kind, key in (("break-glass", "break_glass"), ("revoked", "revocations")):
            if rows := [row for row in self.rows if row.kind == kind]:
                found[key] = [{"by": row.actor, "at": row.at.isoformat(), **_told(row)} for row in rows]
        return found

    def _made(self) -> dict[str, Any]:
        """Return what was made of it, or what it failed with."""
        found: dict[str, Any] = {}
        for kind, key in (("locked", "lock"), ("gated", "gates"), ("delivered", "image"), ("assembled", "assembly")):
            if kind in self.last:
                found[key] = self.last[kind].body[key]
        if "rebased" in self.last:
            found |= {key: self.last["rebased"].body[key] for key in ("gates", "image", "assembly")}
        if (kept := self.last.get("not-rebased")) and kept.seq > self.last.get("rebased", self.last["delivered"]).seq:
            found["not_rebased"] = {"at": kept.at.isoformat(), **kept.body}
        if built := self.built():
            found["built"] = [told_of(one) for one in built]
        if self.state == "failed":
            found["problem"] = self.last["failed"].body["problem"]
            found["failed_stage"] = self.last["failed"].body["stage"]
        return found


def _told(row: Entry) -> dict[str, Any]:
    return {key: part for key, part in row.body.items() if key not in _NOT_TOLD}
