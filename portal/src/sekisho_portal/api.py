"""The JSON API. Thin: each route names its caller, calls the desk, and returns a record."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from sekisho.errors import RefusedError
from sekisho.model import EVERYONE, Sha256, normalize_project
from sekisho.tokens import Identity, Tokens
from sekisho_portal.access import identify
from sekisho_portal.desk import Desk
from sekisho_portal.reasons import explain
from sekisho_portal.snapshots import Snapshots

_LONGEST_WAIT = 30.0
_STEP = 0.1

Ending = Callable[[], bool]
"""Tells whether the portal has been told to stop."""

After = Annotated[int, Query(ge=0, le=2**53, description="the newest row that the caller knows")]
Wait = Annotated[float, Query(ge=0, le=_LONGEST_WAIT, description="seconds to wait for news")]


class Decision(BaseModel):
    """An approver's words."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(max_length=2000)
    expires: datetime | None = None
    closure: Sha256 | None = Field(None, description="the digest of the closure that the approver saw")


class Report(BaseModel):
    """A stage's result, or its progress (which is shown and not kept)."""

    model_config = ConfigDict(extra="forbid")
    kind: str = Field(max_length=40)
    body: dict[str, Any]


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


def routes(desk: Desk, snapshots: Snapshots, tokens: Tokens, ending: Ending) -> APIRouter:
    """Return the API's routes. Who waits for news is answered at once when the portal is ``ending``."""
    api = APIRouter(prefix="/api")
    progress: dict[str, dict[str, Any]] = {}

    def caller(request: Request) -> Identity:
        return identify(request, tokens)

    Who = Annotated[Identity, Depends(caller)]  # noqa: N806 (a type)

    def plain(request_id: str) -> dict[str, Any]:
        status = desk.standing(request_id).plain(desk.link(request_id))
        return {**status, "progress": progress[request_id]} if request_id in progress else status

    @api.post("/requests", status_code=201)
    def ask(who: Who, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        return plain(desk.ask(who, body).id)

    @api.get("/requests")
    def requests(_who: Who) -> list[dict[str, Any]]:
        return [standing.plain(desk.link(standing.id)) for standing in desk.all()]

    @api.get("/requests/{request_id}")
    async def status(_who: Who, request_id: str, after: After = 0, wait: Wait = 0) -> dict[str, Any]:
        await asyncio.to_thread(desk.standing, request_id)  # nobody waits for what does not exist
        await until(
            lambda: desk.ledger.entries(after=after, subject=request_id, without=("resolved", "inspected")),
            wait,
            ending,
        )
        return await asyncio.to_thread(plain, request_id)

    @api.post("/requests/{request_id}/approve")
    def approve(who: Who, request_id: str, decision: Decision) -> dict[str, Any]:
        expires = decision.expires.astimezone() if decision.expires else None
        desk.approve(who, request_id, reason=decision.reason, expires=expires, closure=decision.closure)
        return plain(request_id)

    @api.post("/requests/{request_id}/deny")
    def deny(who: Who, request_id: str, decision: Decision) -> dict[str, Any]:
        desk.deny(who, request_id, reason=decision.reason)
        return plain(request_id)

    @api.post("/requests/{request_id}/retry")
    def retry(who: Who, request_id: str) -> dict[str, Any]:
        desk.retry(who, request_id)
        return plain(request_id)

    @api.post("/requests/{request_id}/report")
    def report(who: Who, request_id: str, told: Report) -> dict[str, Any]:
        if told.kind == "progress" and who.has("service"):
            progress[request_id] = told.body
            return {"id": request_id}
        standing = desk.report(who, request_id, told.kind, told.body)
        progress.pop(request_id, None)
        return {"id": request_id, "state": standing.state}

    @api.get("/requests/{request_id}/records")
    def records(who: Who, request_id: str) -> dict[str, Any]:
        _require_service(who)
        standing = desk.standing(request_id)
        closure = standing.closure()
        found = {"request": standing.request.plain(), "closure": closure.plain() if closure else None}
        return {**found, "lock": standing.last["locked"].body["lock"] if "locked" in standing.last else None}

    @api.get("/events")
    async def events(who: Who, after: After = 0, wait: Wait = 0) -> list[dict[str, Any]]:
        _require_service(who)
        found = await until(lambda: desk.work(after), wait, ending)
        return [entry.model_dump(mode="json") for entry in found]

    @api.get("/policy")
    def policy(_who: Who) -> dict[str, Any]:
        snapshot = snapshots.current()
        return {
            "revision": snapshot.revision,
            "sequence": snapshot.sequence,
            "refused": [entry.plain() for entry in snapshot.refused],
            "problem": snapshots.problem,
        }

    @api.get("/policy/snapshot")
    async def sealed(_who: Who, after: After = 0, wait: Wait = 0) -> Response:
        if not await until(lambda: snapshots.current().sequence > after, wait, ending):
            return Response(status_code=204)
        return Response(snapshots.sealed().canonical(), media_type="application/json")

    @api.get("/why/{project}")
    def why(_who: Who, project: str, release: str | None = None, workspace: str = EVERYONE) -> dict[str, Any]:
        return explain(desk, snapshots, normalize_project("pypi", project), release, workspace)

    return api
