"""The desk: people ask here, the rooms report here, and every act of the portal is reached through it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from sekisho.attestation import ENDING, read_statements
from sekisho.channels import check_channels
from sekisho.errors import BadInputError, ConflictError, NotFoundError
from sekisho.ledger import Entry, Ledger
from sekisho.model import Artifact, Newest, Request, Slug, Verdict
from sekisho.tokens import Identity
from sekisho_portal.admitting import Admitting
from sekisho_portal.affected import Affected
from sekisho_portal.deciding import Deciding
from sekisho_portal.demand import Demand
from sekisho_portal.feeds import Feeds
from sekisho_portal.history import History
from sekisho_portal.judging import Judging
from sekisho_portal.lock_index import LockIndex
from sekisho_portal.means import Means
from sekisho_portal.mentions import Mentions
from sekisho_portal.reconciling import reconcile
from sekisho_portal.rejudging import Rejudging
from sekisho_portal.reports import check_fits, check_report, is_repeated
from sekisho_portal.revoking import Revoking
from sekisho_portal.sightings import Sightings
from sekisho_portal.standing import Standing
from sekisho_portal.states import SEARCH
from sekisho_portal.stating import stated, words_of
from sekisho_portal.usual import usual
from sekisho_portal.witness import Witness
from sekisho_portal.words import has_controls, require

_ASKABLE = frozenset(Request.model_fields) - {"requester", "at"}
_WORK = ("requested", "retried", "approved", SEARCH)


class Desk:
    """All that the portal does, without HTTP. Acts are in rooms of their own; the desk takes them one at a time."""

    def __init__(
        self,
        means: Means,
        *,
        feeds: Feeds,
        sightings: Sightings,
        again: Rejudging,
        demand: Demand,
        mentions: Mentions,
        locks: LockIndex,
        history: History,
    ) -> None:
        self.means = means
        self.feeds = feeds
        self.sightings = sightings
        self.again = again
        self.demand = demand
        self.mentions = mentions
        self.locks = locks
        self.history = history
        self.unfinished = False
        self._affected = Affected(means, again, feeds, sightings, locks)
        self._judging = Judging(means, feeds, sightings)
        self._admitting = Admitting(means, self._judging)
        self._deciding = Deciding(means, self._judging, self._admitting)
        self._revoking = Revoking(means)
        self._witness = Witness(means.ledger, means.trust)

    @property
    def ledger(self) -> Ledger:
        """Return the record of everything."""
        return self.means.ledger

    @property
    def clock(self) -> Callable[[], datetime]:
        """Return what tells the time."""
        return self.means.clock

    def link(self, request_id: str) -> str:
        """Return where a person sees the request."""
        return f"{self.means.url}/requests/{request_id}"

    def standing(self, request_id: str) -> Standing:
        """Return where a request stands; raise ``NotFoundError`` for an unknown one."""
        return self.means.standing(request_id)

    def all(self) -> list[Standing]:
        """Return every request, newest first, without closures and facts."""
        return self.means.all()

    # People ask.

    def ask(self, who: Identity, body: dict[str, Any]) -> Standing:
        """Record a request; raise ``BadInputError`` for one that could not be resolved or must not be.

        Without a target it has the one of the requester's newest request, or that of the shipped base image.
        """
        require(who, "requester")
        if unknown := set(body) - _ASKABLE:
            raise BadInputError(f"unknown keys in the request: {', '.join(sorted(unknown))}", where="request")
        if has_controls(str(body.get("reason", "")), but="\n\r\t"):
            raise BadInputError("the reason holds characters that cannot be printed", where="reason")
        if "target" not in body:
            body = {**body, "target": usual(self.all(), who.name)[1].plain()}
        request = Request.parse({**body, "requester": who.name, "at": self.clock()}, where="request")
        request.check_names()
        with suppress(NotFoundError):  # without a policy in force nothing is approved either
            snapshot = self.means.snapshots.current()
            snapshot.policy.check_image(request.workspace, request.image)
            check_channels(request, snapshot.sources)
        row = self.ledger.append(
            "requested", f"r{request.digest()[:12]}", actor=who.name, body={"request": request.plain()}
        )
        return self.standing(row.subject)

    # People decide.

    def approve(
        self,
        who: Identity,
        request_id: str,
        *,
        reason: str,
        expires: datetime | None,
        closure: str | None = None,
        scope: Sequence[Slug] = (),
    ) -> Standing:
        """Approve a closure, see ``Deciding.approve``."""
        with self.means.deciding:
            self._deciding.approve(who, request_id, reason=reason, expires=expires, closure=closure, scope=scope)
        return self.standing(request_id)

    def deny(self, who: Identity, request_id: str, *, reason: str) -> Standing:
        """Deny a request that waits."""
        with self.means.deciding:
            self._deciding.deny(who, request_id, reason=reason)
        return self.standing(request_id)

    def ask_back(self, who: Identity, request_id: str, *, question: str) -> Standing:
        """Ask the requester something."""
        with self.means.deciding:
            self._deciding.ask_back(who, request_id, question=question)
        return self.standing(request_id)

    def answer(self, who: Identity, request_id: str, *, text: str) -> Standing:
        """Answer what was asked."""
        with self.means.deciding:
            self._deciding.answer(who, request_id, text=text)
        return self.standing(request_id)

    def break_glass(self, who: Identity, request_id: str, *, project: str, hours: int, reason: str) -> Standing:
        """Admit one artifact at once, for hours."""
        with self.means.deciding:
            self._deciding.break_glass(who, request_id, project=project, hours=hours, reason=reason)
        return self.standing(request_id)

    def retry(self, who: Identity, request_id: str) -> Standing:
        """Have a failed request worked on again, from the stage that failed."""
        with self.means.deciding:
            self._deciding.retry(who, request_id)
        return self.standing(request_id)

    def approval(self, request_id: str) -> str:
        """Return the id of the approval of a request."""
        row = self.standing(request_id).last.get("approved")
        if row is None:
            raise ConflictError(f"request {request_id} was not approved")
        return str(row.body["id"])

    def statements(self, approval: str) -> list[dict[str, Any]]:
        """Return the signed statements of an approval, as they were kept; raise ``NotFoundError`` if there is none."""
        path = self.means.statements / f"{approval}{ENDING}"
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError(f"there are no statements of an approval {approval[:40]}") from error
        return [envelope.plain() for envelope in read_statements(data, where=str(path))]

    def revoke(self, who: Identity, what: str, *, reason: str, workspace: str | None = None) -> list[dict[str, Any]]:
        """Take back approvals, see ``Revoking.revoke``."""
        with self.means.deciding:
            found = self._revoking.revoke(who, what, reason=reason, workspace=workspace)
        return [row.plain() for row in found]

    def state(self, who: Identity, words: dict[str, Any]) -> dict[str, Any]:
        """Say that an advisory does not matter for some releases; what is affected is looked at again."""
        with self.means.deciding:
            said = self._revoking.state(who, words)
        self.look_again()
        return next((row for row in self.stated() if row["id"] == said.id), said.plain())

    def state_the_same(self, who: Identity, digest: str) -> dict[str, Any]:
        """Say the same as a statement in force, so that it counts where two people have to."""
        return self.state(who, words_of(self.means.snapshots.current(), digest))

    def stated(self) -> list[dict[str, Any]]:
        """Return the statements in force, and in which workspaces more people have to say the same."""
        return list(stated(self.means.snapshots.current(), self.feeds.index, self.clock()))

    # What is known changes.

    def take_feed(self, who: Identity, feed: Any, data: bytes, name: str, *, smaller: bool = False) -> dict[str, Any]:  # noqa: ANN401
        """Import advisories, or what is exploited, and judge everything by it."""
        edition = self.feeds.take(who, feed, data, name, smaller=smaller)
        self.look_again()
        return edition.model_dump(mode="json")

    def look_again(self) -> bool:
        """Judge what is approved and what waits by what is known now; tell whether that changed anything.

        What is denied is out of every door with the snapshot, before it is on record who is affected.
        """
        self.means.snapshots.refresh()
        with self.means.deciding:
            changed = self._affected.record(self.means.snapshots.current())
            for standing in self.all():
                if standing.state in {"waiting", "asked"}:
                    self._deciding.judge_again(self.standing(standing.id))
        return changed

    def affected(self) -> list[dict[str, Any]]:
        """Return what is approved and has something against it that was not known then, with everybody who has it."""
        snapshot = self.means.snapshots.current()
        return list(self._affected.told(snapshot, self._affected.find(snapshot)))

    # The rooms report.

    def report(self, who: Identity, request_id: str, kind: str, body: dict[str, Any]) -> Standing:
        """Record a stage's result; a closure that was ``inspected``, or got a wheel that was ``built``, is judged."""
        require(who, "service")
        check_report(kind, body)
        with self.means.deciding:
            standing = self.standing(request_id)
            if is_repeated(standing, kind, body):
                return standing
            check_fits(standing, kind, body)
            self.ledger.append(kind, request_id, actor=who.name, body=body)
            if kind in {"inspected", "built"}:
                self._deciding.conclude(self.standing(request_id))
        return self.standing(request_id)

    def foresee(
        self, who: Identity, request_id: str, artifacts: Sequence[Artifact], newest: Mapping[str, Newest]
    ) -> Mapping[str, Verdict]:
        """Foretell verdicts, see ``Judging.foresee``."""
        require(who, "service")
        return self._judging.foresee(self.standing(request_id), artifacts, newest)

    def judged(self, who: Identity, request_id: str) -> dict[str, Any]:
        """Return what is to be said of a request's closure now, see ``Judging.told``."""
        require(who, "service")
        return self._judging.told(self.standing(request_id))

    def work(self, after: int) -> list[Entry]:
        """Return the rows that ask a worker to do something."""
        return self.ledger.entries(after=after, kinds=_WORK)

    def bear_witness(self) -> None:
        """Put on record what other people's keys signed and what is in force."""
        snapshot = self.means.snapshots.current()
        if self._witness.unseen(snapshot):
            with self.means.deciding:
                self._witness.note(snapshot)

    def keep_checkpoint(self) -> None:
        """Sign what the ledger says now."""
        self.means.keep_checkpoint()

    # After a crash.

    def reconcile(self) -> int:
        """Finish every act that a crash cut short; return how many."""
        done, left = reconcile(self.means, self._deciding, self._admitting, self._revoking)
        self.unfinished = left > 0
        return done
