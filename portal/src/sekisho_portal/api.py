"""The JSON API. Thin: each route names its caller, calls the desk, and returns a record."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from sekisho.errors import BadInputError, NotFoundError, RefusedError
from sekisho.model import EVERYONE, Artifact, DemandBatch, Sha256, Slug
from sekisho.tokens import Identity
from sekisho_portal.access import Ending, House, caller, house
from sekisho_portal.chain import broken
from sekisho_portal.evidence import with_approved
from sekisho_portal.reasons import explain
from sekisho_portal.reports import read_newest

_LONGEST_WAIT = 30.0
_STEP = 0.1

After = Annotated[int, Query(ge=0, le=2**53, description="the newest row that the caller knows")]
Changes = Annotated[bool, Query(description="leave out what the caller has")]
Wait = Annotated[float, Query(ge=0, le=_LONGEST_WAIT, description="seconds to wait for news")]

Limit = Annotated[int, Query(ge=1, le=1000, description="rows at once")]
Offset = Annotated[int, Query(ge=0, le=2**31, description="rows to leave out")]
AllVerdicts = Annotated[bool, Query(description="every verdict, not only the exceptions")]
Served = Annotated[bool, Query(description="what was served, and mode enforce would have refused")]
WorkspaceWanted = Annotated[Slug | None, Query(description="of this workspace only")]
ReleaseWanted = Annotated[str | None, Query(max_length=200)]
ChannelWanted = Annotated[str | None, Query(max_length=300, description="a source of kind conda")]
PythonWanted = Annotated[str | None, Query(pattern=r"^3\.\d{1,2}(\.\d{1,2})?$", description="as 3.12 or 3.12.4")]


class Decision(BaseModel):
    """An approver's words."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(max_length=2000)
    expires: datetime | None = None
    closure: Sha256 | None = Field(None, description="the digest of the closure that the approver saw")
    scope: list[Slug] = Field([], max_length=100, description="the workspaces it is for; empty: the one that asked")


class Report(BaseModel):
    """A stage's result, or its progress (which is shown and not kept)."""

    model_config = ConfigDict(extra="forbid")
    kind: str = Field(max_length=40)
    body: dict[str, Any]


class Candidates(BaseModel):
    """Files that a resolver may choose, and the newest release of each project that was asked for by name."""

    model_config = ConfigDict(extra="forbid")
    artifacts: list[dict[str, Any]] = Field(max_length=5000)
    newest: dict[str, dict[str, Any]] = Field({}, max_length=5000)


api = APIRouter(prefix="/api")
Who = Annotated[Identity, Depends(caller)]
At = Annotated[House, Depends(house)]


def plain(at: House, request_id: str, *, verdicts: bool = False) -> dict[str, Any]:
    """Return where a request stands, with the progress of the stage that is working on it."""
    standing = at.desk.standing(request_id)
    status = standing.plain(at.desk.link(request_id), verdicts=verdicts)
    if rows := status.get("exceptions"):
        with suppress(NotFoundError):  # without any policy nothing is approved either
            snapshot, workspace = at.snapshots.current(), standing.request.workspace
            status["exceptions"] = with_approved(rows, snapshot, workspace, at.desk.clock())
    return {**status, "progress": at.progress[request_id]} if request_id in at.progress else status


def _require_service(who: Identity) -> None:
    if not who.has("service"):
        raise RefusedError("only a room of Sekisho itself may read this")


async def until(news: Callable[[], Any], wait: float, ending: Ending) -> Any:  # noqa: ANN401 (what the caller wants)
    """Ask ``news`` in a thread until it answers something, ``wait`` seconds have passed, or the portal ends."""
    loop = asyncio.get_running_loop()
    end = loop.time() + wait
    while True:
        found = await asyncio.to_thread(news)
        if found or loop.time() >= end or ending():
            return found
        await asyncio.sleep(_STEP)


@api.post("/requests", status_code=201)
def ask(at: At, who: Who, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
    """Record a request."""
    return plain(at, at.desk.ask(who, body).id)


@api.get("/requests")
def requests(at: At, _who: Who) -> list[dict[str, Any]]:
    """Return every request, newest first."""
    return [standing.plain(at.desk.link(standing.id)) for standing in at.desk.all()]


@api.get("/requests/{request_id}")
async def status(
    at: At, _who: Who, request_id: str, after: After = 0, wait: Wait = 0, *, verdicts: AllVerdicts = False
) -> dict[str, Any]:
    """Return where a request stands, once it has news behind row ``after``."""
    await asyncio.to_thread(at.desk.standing, request_id)  # nobody waits for what does not exist
    await until(
        lambda: at.desk.ledger.entries(after=after, subject=request_id, without=("resolved", "inspected", "built")),
        wait,
        at.ending,
    )
    return await asyncio.to_thread(plain, at, request_id, verdicts=verdicts)


@api.post("/requests/{request_id}/approve")
def approve(at: At, who: Who, request_id: str, decision: Decision) -> dict[str, Any]:
    """Approve the closure of a request."""
    expires = _end(decision.expires)
    reason, closure, scope = decision.reason, decision.closure, decision.scope
    at.desk.approve(who, request_id, reason=reason, expires=expires, closure=closure, scope=scope)
    return plain(at, request_id)


def _end(expires: datetime | None) -> datetime | None:
    """Return the end of an approval with its zone; one without is of the portal's."""
    try:
        return expires.astimezone() if expires else None
    except (OverflowError, ValueError, OSError) as error:
        raise BadInputError(f"{expires} is no time that can be kept", where="expires") from error


@api.post("/requests/{request_id}/deny")
def deny(at: At, who: Who, request_id: str, decision: Decision) -> dict[str, Any]:
    """Deny a request."""
    at.desk.deny(who, request_id, reason=decision.reason)
    return plain(at, request_id)


@api.post("/requests/{request_id}/retry")
def retry(at: At, who: Who, request_id: str) -> dict[str, Any]:
    """Have a failed request worked on again."""
    at.desk.retry(who, request_id)
    return plain(at, request_id)


@api.post("/requests/{request_id}/report")
def report(at: At, who: Who, request_id: str, told: Report) -> dict[str, Any]:
    """Record what a stage made."""
    if told.kind == "progress" and who.has("service"):
        at.progress[request_id] = told.body
        return {"id": request_id}
    standing = at.desk.report(who, request_id, told.kind, told.body)
    at.progress.pop(request_id, None)
    return {"id": request_id, "state": standing.state}


@api.post("/requests/{request_id}/foresee")
def foresee(at: At, who: Who, request_id: str, told: Candidates) -> list[dict[str, Any]]:
    """Foretell the verdicts on files that nobody has fetched yet, so that a resolver can prefer what is allowed."""
    files = [Artifact.parse(row, where="artifacts") for row in told.artifacts]
    found = at.desk.foresee(who, request_id, files, read_newest(told.newest))
    return [verdict.plain() for verdict in found.values()]


@api.get("/requests/{request_id}/records")
def records(at: At, who: Who, request_id: str) -> dict[str, Any]:
    """Return the records that the next stage works on."""
    _require_service(who)
    standing = at.desk.standing(request_id)
    closure = standing.closure()
    found = {"request": standing.request.plain(), "closure": closure.plain() if closure else None}
    judgement = standing.judgement()
    return {
        **found,
        "judgement": judgement.plain() if judgement else None,
        "avoidable": standing.avoidable(),
        "lock": standing.last["locked"].body["lock"] if "locked" in standing.last else None,
    }


@api.get("/requests/{request_id}/judged")
def judged(at: At, who: Who, request_id: str) -> dict[str, Any]:
    """Return what the policy says of a request's closure now, its licences, and what advisories cover."""
    return at.desk.judged(who, request_id)


@api.get("/events")
async def events(at: At, who: Who, after: After = 0, wait: Wait = 0) -> list[dict[str, Any]]:
    """Return the rows behind ``after`` that ask a worker to do something."""
    _require_service(who)
    found = await until(lambda: at.desk.work(after), wait, at.ending)
    return [entry.model_dump(mode="json") for entry in found]


@api.get("/policy")
def policy(at: At, _who: Who) -> dict[str, Any]:
    """Return which policy is in force."""
    snapshot = at.snapshots.current()
    return {
        **at.desk.feeds.plain(snapshot.policy),
        "break_glass": broken(snapshot, at.desk.clock()),
        "modes": dict(snapshot.policy.relaxed()),
        "revision": snapshot.revision,
        "sequence": snapshot.sequence,
        "refused": [entry.plain() for entry in snapshot.refused],
        "problem": at.snapshots.problem,
    }


@api.get("/policy/snapshot", responses={204: {"description": "nothing newer"}})
async def sealed(at: At, _who: Who, after: After = 0, wait: Wait = 0, *, changes: Changes = False) -> Response:
    """Return the signed snapshot in force, once its sequence is above ``after``.

    With ``changes`` parts that snapshot ``after`` had may be left out: who asks has them.
    """
    if not await until(lambda: at.snapshots.current().sequence > after, wait, at.ending):
        return Response(status_code=204)
    found = at.snapshots.sealed(after if changes else None)
    return Response(await asyncio.to_thread(found.canonical), media_type="application/json")


@api.get("/why/{project}")
def why(
    at: At,
    _who: Who,
    project: str,
    release: ReleaseWanted = None,
    workspace: Slug = EVERYONE,
    python: PythonWanted = None,
    channel: ChannelWanted = None,
) -> dict[str, Any]:
    """Return why a project is, or is not, to be had: `conda:NAME` is one of a channel."""
    return explain(at.desk, at.snapshots, project, release, workspace, python, channel=channel)


@api.get("/sources")
def sources(at: At, _who: Who) -> list[dict[str, Any]]:
    """Return the sources in the order in which they are asked, as the channels that a request may name."""
    kept = ("id", "kind", "url", "preset", "owns")
    return [{key: getattr(source, key) for key in kept} for source in at.snapshots.current().sources]


@api.post("/demand")
def count(at: At, who: Who, batch: DemandBatch) -> dict[str, bool]:
    """Add what a proxy refused; a batch that was taken before changes nothing."""
    _require_service(who)
    return {"new": at.desk.demand.take(batch)}


@api.get("/demand")
def demand(
    at: At,
    _who: Who,
    limit: Limit = 100,
    offset: Offset = 0,
    served: Served = False,  # noqa: FBT002 (a query parameter)
    workspace: WorkspaceWanted = None,
) -> dict[str, Any]:
    """Return what was refused, the most wanted first; with ``served``, what ``enforce`` would refuse and was served."""
    total, rows = at.desk.demand.most_wanted(limit=limit, offset=offset, served=served, workspace=workspace)
    return {"total": total, "rows": [row.model_dump(mode="json") for row in rows]}
