"""The desk: people ask and decide here, the rooms report here, and the ledger remembers.

An approval enters the tree in three steps: intent in the ledger, one commit that carries the intent's number as a
trailer, and the ledger row that says it was applied. ``reconcile`` finishes what a crash cut short.
"""

import logging
import threading
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from sekisho.allowlist import SignedApproval, add_approvals, project_path, sign_approval
from sekisho.errors import (
    BadInputError,
    ConflictError,
    CorruptError,
    NotFoundError,
    RefusedError,
    SekishoError,
)
from sekisho.ledger import ORIGIN, Entry, Ledger
from sekisho.model import Approval, Artifact, Closure, Judgement, Outcome, Request
from sekisho.policy import Door, judge
from sekisho.signing import Signer, Trust
from sekisho.store import write_atomically
from sekisho.tokens import Identity, Role
from sekisho_portal.demand import Demand
from sekisho_portal.history import History
from sekisho_portal.mentions import Mentions
from sekisho_portal.reports import check_answers, check_fits, check_report, is_repeated
from sekisho_portal.snapshots import Snapshots
from sekisho_portal.standing import Standing
from sekisho_portal.tree import GitTree

_LOG = logging.getLogger("sekisho.portal")
POLICY = "policy"
"""The actor of what the policy decides by itself."""

_CONCLUDED = ("inspected", "judged", "approval-intended", "approved", "denied", "failed", "retried")
_COMMIT_TRIES = 5
_LONGEST_REASON = 2000
_WORK = ("requested", "retried", "approved")


class Desk:
    """All that the portal does, without HTTP."""

    def __init__(
        self,
        ledger: Ledger,
        tree: GitTree,
        snapshots: Snapshots,
        signer: Signer,
        clock: Callable[[], datetime],
        url: str,
        *,
        checkpoint: Path,
        trust: Callable[[], Trust],
        demand: Demand,
        mentions: Mentions,
        history: History,
    ) -> None:
        self.ledger = ledger
        self._tree = tree
        self._snapshots = snapshots
        self._signer = signer
        self.clock = clock
        self._url = url
        self._deciding = threading.Lock()
        self.unfinished = False
        self._checkpoint = checkpoint
        self._trust = trust
        self.demand = demand
        self.mentions = mentions
        self.history = history

    # People ask.

    def ask(self, who: Identity, body: dict[str, Any]) -> Standing:
        """Record a request; raise ``BadInputError`` for one that could not be resolved or must not be."""
        _require(who, "requester")
        if unknown := set(body) - {"workspace", "requirements", "target", "image", "resolve_before", "reason", "kind"}:
            raise BadInputError(f"unknown keys in the request: {', '.join(sorted(unknown))}", where="request")
        if _has_controls(str(body.get("reason", "")), but="\n\r\t"):
            raise BadInputError("the reason holds characters that cannot be printed", where="reason")
        request = Request.parse({**body, "requester": who.name, "at": self.clock()}, where="request")
        row = self.ledger.append(
            "requested", f"r{request.digest()[:12]}", actor=who.name, body={"request": request.plain()}
        )
        return self.standing(row.subject)

    def standing(self, request_id: str) -> Standing:
        """Return where a request stands; raise ``NotFoundError`` for an unknown one."""
        rows = self.ledger.entries(subject=request_id)
        if not rows or rows[0].kind != "requested":
            raise NotFoundError(f"there is no request {request_id[:80]}", todo="list them with `sekisho status`")
        return Standing(rows)

    def all(self) -> list[Standing]:
        """Return every request, newest first, without closures and facts."""
        grouped: dict[str, list[Entry]] = {}
        for row in self.ledger.entries(without=("resolved", "inspected")):
            grouped.setdefault(row.subject, []).append(row)
        standings = [Standing(rows) for rows in grouped.values() if rows[0].kind == "requested"]
        return sorted(standings, key=lambda standing: standing.rows[0].seq, reverse=True)

    def link(self, request_id: str) -> str:
        """Return where a person sees the request."""
        return f"{self._url}/requests/{request_id}"

    # People decide.

    def approve(
        self, who: Identity, request_id: str, *, reason: str, expires: datetime | None, closure: str | None = None
    ) -> Standing:
        """Approve a closure. The requester of it is refused, whatever roles they have.

        ``closure`` is the digest of the one that the approver saw: another one is a ``ConflictError``. An approval that
        could not be committed, because the disk was full, is finished as it was first given.
        """
        with self._deciding:
            standing = self._may_decide(who, request_id, "approve")
            _check_words(reason)
            present = standing.closure()
            if closure is not None and (present is None or closure != present.digest()):
                raise ConflictError(
                    "the closure changed while you were looking",
                    where=f"request {request_id}",
                    todo="look at it again, then decide",
                )
            if standing.state == "approving":
                self._apply(standing, standing.last["approval-intended"])
                return self.standing(request_id)
            if expires is not None and expires <= self.clock():
                raise BadInputError(
                    "the approval would have expired already", where="expires", todo="name a later time"
                )
            judgement, _ = self._judge(standing)
            if judgement.outcome is Outcome.DENY:
                denied = [verdict.purl for verdict in judgement.verdicts if verdict.outcome is Outcome.DENY]
                raise RefusedError(f"the policy now denies {', '.join(denied[:5])}", todo="ask again without it")
            self._admit(standing, who.name, reason=reason, expires=expires)
        return self.standing(request_id)

    def deny(self, who: Identity, request_id: str, *, reason: str) -> Standing:
        """Deny a request that waits."""
        with self._deciding:
            self._may_decide(who, request_id, "deny")
            _check_words(reason)
            self.ledger.append("denied", request_id, actor=who.name, body={"reason": reason})
            self.keep_checkpoint()
        return self.standing(request_id)

    def retry(self, who: Identity, request_id: str) -> Standing:
        """Have a failed request worked on again, from the stage that failed."""
        _require(who, "requester", "approver", "admin")
        with self._deciding:
            standing = self.standing(request_id)
            if standing.state != "failed":
                raise ConflictError(f"request {request_id} has not failed, it is {standing.state}")
            stage = "deliver" if "approved" in standing.last else "propose"
            self.ledger.append("retried", request_id, actor=who.name, body={"stage": stage})
        return self.standing(request_id)

    def _may_decide(self, who: Identity, request_id: str, action: str) -> Standing:
        standing = self.standing(request_id)
        problem = None
        if who.name.casefold() == standing.request.requester.casefold():
            problem = RefusedError(
                f"{who.name} asked for this and cannot also {action} it",
                where=f"request {request_id}",
                todo="another approver has to decide",
            )
        elif not who.has("approver"):
            problem = RefusedError(f"{who.name} is not an approver", where=f"request {request_id}")
        if problem:
            self.ledger.append(
                "attempt-refused", request_id, actor=who.name, body={"action": action, "why": problem.what}
            )
            raise problem
        if standing.state != "waiting" and (standing.state, action) != ("approving", "approve"):
            raise ConflictError(f"request {request_id} does not wait for a decision, it is {standing.state}")
        return standing

    # The rooms report.

    def report(self, who: Identity, request_id: str, kind: str, body: dict[str, Any]) -> Standing:
        """Record a stage's result; an ``inspected`` closure is judged at once."""
        _require(who, "service")
        check_report(kind, body)
        with self._deciding:
            standing = self.standing(request_id)
            if is_repeated(standing, kind, body):
                return standing
            check_fits(standing, kind)
            if kind == "resolved":
                check_answers(Closure.parse(body["closure"], where="report"), standing)
            self.ledger.append(kind, request_id, actor=who.name, body=body)
            if kind == "inspected":
                self._conclude(self.standing(request_id))
        return self.standing(request_id)

    def work(self, after: int) -> list[Entry]:
        """Return the rows that ask a worker to do something."""
        return self.ledger.entries(after=after, kinds=_WORK)

    def _judge(self, standing: Standing) -> tuple[Judgement, frozenset[str]]:
        closure = standing.closure()
        if closure is None:
            raise ConflictError(f"request {standing.id} is not resolved yet")
        now = self.clock()
        snapshot = self._snapshots.current()
        approved = Door(snapshot, standing.request.workspace).hashes(now)
        return judge(closure, standing.facts(), snapshot.policy, approved=approved, now=now), approved

    def _conclude(self, standing: Standing) -> None:
        judgement, approved = self._judge(standing)
        known = sum(verdict.sha256 in approved for verdict in judgement.verdicts)
        self.ledger.append("judged", standing.id, actor=POLICY, body={"judgement": judgement.plain(), "known": known})
        if judgement.outcome is Outcome.ALLOW:
            why = "approved before" if known == len(judgement.verdicts) else "no rule objects"
            self._admit(self.standing(standing.id), POLICY, reason=why, expires=None)

    def keep_checkpoint(self) -> None:
        """Sign what the ledger says now, for ``sekisho audit verify``; one that the ledger contradicts is kept."""
        try:
            if self._checkpoint.exists():
                self.ledger.check(self._checkpoint.read_text(), self._trust())
            write_atomically(self._checkpoint, self.ledger.checkpoint(ORIGIN, self._signer).encode())
        except CorruptError as error:
            _LOG.critical("the ledger is not what was signed, see `sekisho audit verify`: %s", error)
        except (OSError, SekishoError):
            _LOG.exception("no checkpoint of the ledger could be written; the decision stands")

    # Approvals enter the tree.

    def _admit(self, standing: Standing, approver: str, *, reason: str, expires: datetime | None) -> None:
        judgement, approved = self._judge(standing)
        fresh = [verdict.sha256 for verdict in judgement.verdicts if verdict.sha256 not in approved]
        intent = self.ledger.append(
            "approval-intended",
            standing.id,
            actor=approver,
            body={
                "approved_by": approver,
                "reason": reason,
                "expires": expires.isoformat() if expires else None,
                "policy": judgement.policy,
                "artifacts": fresh,
            },
        )
        self._apply(standing, intent)

    def _apply(self, standing: Standing, intent: Entry) -> None:
        signed = self._sign(standing, intent)
        message = f"Approve {len(signed)} projects for {standing.request.workspace} ({standing.id})"
        revision = self._commit(signed, message, f"Sekisho-Ledger: {intent.seq}")
        self._snapshots.refresh()
        body = {
            **intent.body,
            "id": f"a{intent.seq}",
            "revision": revision,
            "artifacts": len(intent.body["artifacts"]),
            "image": standing.request.image,
        }
        self.ledger.append("approved", standing.id, actor=intent.actor, body=body)
        self.keep_checkpoint()

    def _commit(self, signed: Sequence[SignedApproval], message: str, trailer: str) -> str:
        """Commit approvals on top of whatever people have committed meanwhile, unless they are there already.

        Only the tree says so: anybody can write a commit message. The trailer is for people.
        """
        if not signed:
            return self._tree.revision()
        for _ in range(_COMMIT_TRIES):
            base, files = self._tree.read()
            changes = add_approvals(files, signed)
            if not changes:
                firsts = [row.approval.artifacts[0] for row in signed]
                self._tree.show([project_path(first.kind, first.project) for first in firsts])
                return base
            with suppress(ConflictError):
                return self._tree.commit(changes, base=base, message=message, trailers=[trailer])
        raise ConflictError("the allowlists tree is committed to all the time", todo="approve again")

    def _sign(self, standing: Standing, intent: Entry) -> list[SignedApproval]:
        then = Standing([row for row in standing.rows if row.seq < intent.seq])
        closure, facts = then.closure(), then.facts()
        if closure is None:
            raise ConflictError(f"request {standing.id} is not resolved yet")
        wanted = set(intent.body["artifacts"])
        by_project: dict[str, list[Artifact]] = {}
        for artifact in closure.artifacts:
            if artifact.sha256 in wanted:
                measured = facts.get(artifact.sha256)
                complete = measured.complete(artifact) if measured else artifact
                by_project.setdefault(artifact.project, []).append(complete)
        return [
            sign_approval(
                Approval(
                    id=f"a{intent.seq}",
                    request=standing.id,
                    closure=closure.digest(),
                    policy=intent.body["policy"],
                    requested_by=standing.request.requester,
                    approved_by=intent.body["approved_by"],
                    reason=intent.body["reason"],
                    scope=(standing.request.workspace,),
                    at=intent.at,
                    expires=intent.body["expires"],
                    artifacts=tuple(artifacts),
                ),
                self._signer,
            )
            for artifacts in by_project.values()
        ]

    def reconcile(self) -> int:
        """Apply every intended approval that a crash kept from being applied; return how many."""
        intents = self.ledger.entries(kinds=("approval-intended",))
        applied = {row.body["id"] for row in self.ledger.entries(kinds=("approved",))}
        left = [intent for intent in intents if f"a{intent.seq}" not in applied]
        done = sum(self._finish(intent.subject, partial(self._apply, intent=intent)) for intent in left)
        unjudged = self._interrupted(self.ledger.entries(kinds=_CONCLUDED))
        done += sum(self._finish(request_id, self._conclude) for request_id in unjudged)
        self.unfinished = done < len(left) + len(unjudged)
        return done

    def _finish(self, request_id: str, step: Callable[[Standing], None]) -> bool:
        """Take an interrupted step; one that cannot be taken now, as with a tree that cannot be read, stays open."""
        try:
            with self._deciding:
                step(self.standing(request_id))
        except Exception:  # noqa: BLE001 (whatever it is, the portal has to start)
            _LOG.exception("request %s was cut short and cannot be finished yet", request_id)
            return False
        return True

    @staticmethod
    def _interrupted(rows: Sequence[Entry]) -> list[str]:
        """Return the requests that were inspected and not judged, or that the policy allowed without approving."""
        newest = {row.subject: row for row in rows}
        allowed = str(Outcome.ALLOW)
        return [
            subject
            for subject, row in newest.items()
            if row.kind == "inspected" or (row.kind == "judged" and row.body["judgement"]["outcome"] == allowed)
        ]


def _has_controls(text: str, *, but: str = "") -> bool:
    return any(unicodedata.category(letter) in {"Cc", "Cs"} and letter not in but for letter in text)


def _check_words(reason: str) -> None:
    """Raise ``BadInputError`` unless an approver says why, in words that can be shown and signed."""
    if not reason.strip() or len(reason) > _LONGEST_REASON or _has_controls(reason):
        raise BadInputError(
            f"the reason must be one line of 1 to {_LONGEST_REASON} printable characters",
            where="reason",
            todo="say in a sentence why",
        )


def _require(who: Identity, *roles: Role) -> None:
    if not who.has(*roles):
        raise RefusedError(f"{who.name} has none of the roles {', '.join(roles)}", todo="ask an operator for a token")
