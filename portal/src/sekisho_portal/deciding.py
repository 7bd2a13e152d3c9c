"""People decide: approve, deny, ask back and answer, break glass. Whoever asked for something decides none of it."""

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sekisho.errors import BadInputError, ConflictError, NotFoundError, RefusedError
from sekisho.model import Artifact, Judgement, Outcome, Slug
from sekisho.policy.judge import prepare
from sekisho.tokens import Identity
from sekisho_portal.admitting import Admitting
from sekisho_portal.judging import Judging, concerns
from sekisho_portal.means import POLICY, Means
from sekisho_portal.standing import Standing
from sekisho_portal.states import SEARCH, owes_search
from sekisho_portal.words import check_words, require

_LOG = logging.getLogger("sekisho.portal")
LONGEST_BREAK = 72
"""Hours that broken glass holds at most."""

BREAKABLE = frozenset({"inspecting", "judging", "judged", "waiting", "asked", "refused"})
"""States of a request whose closure is known and not approved."""


class Deciding:
    """The acts of approvers, and the answers that they ask for."""

    def __init__(self, means: Means, judging: Judging, admitting: Admitting) -> None:
        self._means = means
        self._judging = judging
        self._admitting = admitting

    def approve(
        self,
        who: Identity,
        request_id: str,
        *,
        reason: str,
        expires: datetime | None,
        closure: str | None = None,
        scope: Collection[Slug] = (),
    ) -> None:
        """Approve a closure, or, where two have to, be the first of them.

        ``closure`` is the digest of the one that the approver saw: another one is a ``ConflictError``, and so are
        verdicts that have become worse since they were shown, or are worse in another workspace of ``scope``. An
        approval that could not be committed, because the disk was full, is finished as it was first given.
        """
        standing = self._may_decide(who, request_id, "approve")
        check_words(reason)
        present = standing.closure()
        if closure is not None and (present is None or closure != present.digest()):
            raise _changed("closure", request_id)
        if standing.state == "approving":
            self._admitting.apply(standing, standing.last["approval-intended"])
            return
        if expires is not None and expires <= self._means.clock():
            raise BadInputError("the approval would have expired already", where="expires", todo="name a later time")
        wide = self._wide(standing, scope)
        for workspace in wide or (standing.request.workspace,):
            self._check(standing, workspace)
        first = self._first(who, standing, reason, expires, wide)
        if first is None:
            return
        self._admitting.admit(
            standing,
            first or who.name,
            reason=reason,
            expires=self._earlier(standing, expires) if first else expires,
            scope=wide,
            seconded_by=who.name if first else None,
        )

    @staticmethod
    def _wide(standing: Standing, scope: Collection[Slug]) -> tuple[Slug, ...]:
        """Return a scope in order, nothing for that of the request; with two approvers it is that of the first."""
        own, given = standing.request.workspace, standing.first_approval
        said = tuple(given.body.get("scope", ())) if given else None
        if scope and own not in scope:
            raise BadInputError(
                f"the scope leaves out {own}, which asked", where="scope", todo=f"name {own}, too, or deny the request"
            )
        wide = () if set(scope) <= {own} else tuple(sorted(set(scope)))
        if given and scope and wide != said:
            agreed = ", ".join(said or (own,))
            raise ConflictError(
                f"{given.actor} approved it for {agreed}", where="scope", todo=f"approve it for {agreed}, or deny it"
            )
        return wide if said is None else said

    def _check(self, standing: Standing, workspace: Slug) -> None:
        """Raise unless a person may approve it for a workspace, by what they were shown."""
        judgement = self._judging.judge(standing, workspace).judgement
        own = workspace == standing.request.workspace
        if judgement.outcome is Outcome.DENY:
            denied = ", ".join(row.purl for row in judgement.verdicts if row.outcome is Outcome.DENY)
            there = "" if own else f" in workspace {workspace}"
            raise RefusedError(f"the policy now denies {denied[:1000]}{there}", todo="ask again without it")
        if self._is_worse(standing, judgement):
            if own:
                self._conclude_anew(standing)
                raise _changed("verdicts", standing.id)
            raise ConflictError(
                f"in workspace {workspace} there is more to know of it than was shown",
                where="scope",
                todo=f"leave {workspace} out; what is asked for there is shown and decided by itself",
            )

    def _first(
        self, who: Identity, standing: Standing, reason: str, expires: datetime | None, wide: tuple[Slug, ...]
    ) -> str | None:
        """Return who approved first, nobody where one is enough, and ``None`` where this is the first of two."""
        policy = self._means.snapshots.current().policy
        if max(map(policy.approvers_for, wide or (standing.request.workspace,))) < 2:
            return ""
        given = standing.first_approval
        if given and given.actor.casefold() != who.name.casefold():
            return given.actor
        if given:
            raise ConflictError(f"{who.name} has approved this already", todo="another approver has to, too")
        policy.check_scope(wide or (standing.request.workspace,), expires, self._means.clock())
        body: dict[str, Any] = {"reason": reason, "expires": expires.isoformat() if expires else None}
        body |= {"scope": list(wide)} if wide else {}
        self._means.ledger.append("approved-first", standing.id, actor=who.name, body=body)
        self._means.keep_checkpoint()
        return None

    @staticmethod
    def _earlier(standing: Standing, expires: datetime | None) -> datetime | None:
        given = standing.first_approval
        said = given.body["expires"] if given else None
        ends = [end for end in (datetime.fromisoformat(said) if said else None, expires) if end]
        return min(ends, default=None)

    def _is_worse(self, standing: Standing, judgement: Judgement) -> bool:
        """Tell whether a person would have to know something that was not shown."""
        shown, policy = standing.judgement(), self._means.snapshots.current().policy
        if shown is None:
            return True
        before = {verdict.sha256: concerns(verdict, policy) for verdict in shown.verdicts}
        return any(concerns(row, policy) - before.get(row.sha256, frozenset()) for row in judgement.verdicts)

    def deny(self, who: Identity, request_id: str, *, reason: str) -> None:
        """Deny a request that waits."""
        self._may_decide(who, request_id, "deny")
        check_words(reason)
        self._means.ledger.append("denied", request_id, actor=who.name, body={"reason": reason})
        self._means.keep_checkpoint()

    def ask_back(self, who: Identity, request_id: str, *, question: str) -> None:
        """Ask the requester something; the request waits for the answer."""
        standing = self._may_decide(who, request_id, "ask-back")
        check_words(question, what="question", todo="ask in a sentence")
        if standing.state == "asked":
            raise ConflictError("a question is open already", where=f"request {request_id}", todo="wait for the answer")
        self._means.ledger.append("asked", request_id, actor=who.name, body={"text": question})

    def answer(self, who: Identity, request_id: str, *, text: str) -> None:
        """Answer the question; only who asked for the packages can."""
        standing = self._means.standing(request_id)
        problem = None
        if who.name.casefold() != standing.request.requester.casefold():
            problem = RefusedError(f"{standing.request.requester} was asked, not {who.name}")
        elif not who.has("requester"):
            problem = RefusedError(f"{who.name} is not a requester")
        if problem:
            self._refuse(who, request_id, "answer", problem)
        check_words(text, what="answer", todo="answer in a sentence")
        if standing.state != "asked":
            raise ConflictError(f"nothing was asked about request {request_id}, it is {standing.state}")
        self._means.ledger.append("answered", request_id, actor=who.name, body={"text": text})

    def break_glass(self, who: Identity, request_id: str, *, project: str, hours: int, reason: str) -> None:
        """Admit one artifact of a request at once, for hours; a hard denial cannot be broken."""
        standing = self._may_decide(who, request_id, "break-glass")
        check_words(reason)
        if not 1 <= hours <= LONGEST_BREAK:
            raise BadInputError(f"glass is broken for 1 to {LONGEST_BREAK} hours", where="hours")
        closure = standing.closure()
        found = [row for row in closure.artifacts if row.node == project] if closure else []
        if not found:
            raise NotFoundError(f"{project[:80]} is not in the closure of request {request_id}")
        self._check_hard(standing, found[0])
        _LOG.warning(
            "break-glass: %s admits %s for %d hours (%s): %s", who.name, found[0].name, hours, request_id, reason
        )
        self._admitting.intend(
            "break-glass-intended",
            standing,
            who.name,
            reason,
            self._means.clock() + timedelta(hours=hours),
            [found[0].sha256],
            policy=self._means.snapshots.current().policy.digest(),
        )

    def _check_hard(self, standing: Standing, artifact: Artifact) -> None:
        """Raise ``RefusedError`` for what no approval can admit."""
        known = self._judging.knowledge(standing.request.workspace, (artifact,))
        policy, now = self._means.snapshots.current().policy, self._means.clock()
        hard = {rule.id for rule in policy.rules if rule.hard}
        bench = prepare(policy, known, now, inspected=False)
        for reason in bench.reasons(artifact, None):
            if reason.rule in hard and reason.outcome is Outcome.DENY:
                raise RefusedError(
                    f"{artifact.name} is denied for good: {reason.evidence}",
                    where=f"rule {reason.rule}",
                    todo="this cannot be broken; use another release",
                )

    def conclude(self, standing: Standing) -> None:
        """Judge an inspected closure, and approve it if nothing in it needs a person."""
        judged = self._judging.judge(standing)
        body = {
            "judgement": judged.judgement.plain(),
            "known": judged.difference["known"],
            "difference": dict(judged.difference),
            "avoidable": list(judged.avoidable),
            "sought": judged.is_sought,
        }
        self._means.ledger.append("judged", standing.id, actor=POLICY, body=body)
        if judged.judgement.outcome is Outcome.ALLOW:
            why = "approved before" if body["known"] == len(judged.judgement.verdicts) else "no rule objects"
            self._admitting.admit(self._means.standing(standing.id), POLICY, reason=why, expires=None)

    def judge_again(self, standing: Standing) -> None:
        """Judge what waits anew, if more or less is to be said of it now."""
        shown, policy = standing.judgement(), self._means.snapshots.current().policy
        now = self._judging.judge(standing).judgement
        said = [concerns(row, policy) for row in now.verdicts]
        if shown is None or said != [concerns(row, policy) for row in shown.verdicts]:
            self._conclude_anew(standing)

    def _conclude_anew(self, standing: Standing) -> None:
        """Judge what waits, and where it still does not pass, have something to have instead looked for once more."""
        self.conclude(standing)
        self.search(standing.id)

    def search(self, request_id: str) -> None:
        """Ask the builder, unless it was or need not be, to look for something instead of what was judged last."""
        if owes_search(self._means.standing(request_id).rows):
            self._means.ledger.append(SEARCH, request_id, actor=POLICY, body={})

    def _may_decide(self, who: Identity, request_id: str, action: str) -> Standing:
        standing = self._means.standing(request_id)
        if who.name.casefold() == standing.request.requester.casefold():
            problem = RefusedError(
                f"{who.name} asked for this and cannot also {action} it",
                where=f"request {request_id}",
                todo="another approver has to decide",
            )
            self._refuse(who, request_id, action, problem)
        if not who.has("approver"):
            problem = RefusedError(f"{who.name} is not an approver", where=f"request {request_id}")
            self._refuse(who, request_id, action, problem)
        states = {"approve": {"waiting", "asked", "approving"}, "break-glass": BREAKABLE}
        if standing.state not in states.get(action, {"waiting", "asked"}):
            raise ConflictError(f"request {request_id} does not wait for a decision, it is {standing.state}")
        return standing

    def _refuse(self, who: Identity, request_id: str, action: str, problem: RefusedError) -> None:
        self._means.ledger.append(
            "attempt-refused", request_id, actor=who.name, body={"action": action, "why": problem.what}
        )
        raise problem

    def retry(self, who: Identity, request_id: str) -> None:
        """Have a failed request worked on again, from the stage that failed."""
        require(who, "requester", "approver", "admin")
        standing = self._means.standing(request_id)
        if standing.state != "failed":
            raise ConflictError(f"request {request_id} has not failed, it is {standing.state}")
        stage = "propose" if "approved" not in standing.last else "build" if standing.is_unbuilt else "deliver"
        self._means.ledger.append("retried", request_id, actor=who.name, body={"stage": stage})


def _changed(what: str, request_id: str) -> ConflictError:
    return ConflictError(
        f"the {what} changed while you were looking",
        where=f"request {request_id}",
        todo="look at it again, then decide",
    )
