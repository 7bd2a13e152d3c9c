"""What a tool answered from a door, as a lock: every package held to what is approved there."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from sekisho.errors import BadInputError, ConflictError
from sekisho.lock import Answer, Lock, ToLock, hold, make_lock
from sekisho.policy import Door
from sekisho_portal.desk import Desk


class Locking(BaseModel):
    """What was to be locked, what a tool answered, and what the lock is called."""

    model_config = ConfigDict(extra="forbid")
    asked: dict[str, Any]
    answer: dict[str, Any]
    name: str = Field("lock", pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")


def lock_answer(desk: Desk, told: Locking) -> Lock:
    """Return the lock; raise ``RefusedError`` naming what is not approved with the hashes of the answer."""
    asked = ToLock.parse(told.asked, where="asked")
    answer = Answer.parse(told.answer, where="answer")
    if not answer.packages:
        raise BadInputError("the answer holds no package", where="answer")
    snapshot, now = desk.means.snapshots.current(), desk.clock()
    door = Door(snapshot, asked.workspace)
    closure = hold(asked, answer, lambda kind, project: door.artifacts(kind, project, now))
    approvals = (signed.approval for signed in snapshot.approvals)
    return make_lock(told.name, closure, approvals, workspace=asked.workspace, now=now)


def lock_request(desk: Desk, request_id: str) -> Lock:
    """Return the lock of a request; raise ``ConflictError`` for one that has no closure, ``RefusedError`` as above."""
    standing = desk.standing(request_id)
    if "locked" in standing.last:
        row = standing.last["locked"]
        return Lock.parse(row.body["lock"], where=f"ledger row {row.seq}")
    closure = standing.closure()
    if closure is None:
        raise ConflictError(f"request {request_id} is not resolved yet", todo="wait until it is approved")
    approvals = (signed.approval for signed in desk.means.snapshots.current().approvals)
    request = standing.request
    name = request.image or request_id
    return make_lock(name, closure, approvals, workspace=request.workspace, now=desk.clock())


def names_of(desk: Desk) -> dict[str, list[str]]:
    """Return which projects of the index conda packages hold: by what was imported, and by what was found in them."""
    found = {name: set(projects) for name, projects in desk.feeds.index.names.items()}
    contained = desk.sightings.contained()
    for signed in desk.means.snapshots.current().approvals:
        for artifact in signed.approval.artifacts:
            if artifact.kind == "conda" and artifact.sha256 in contained:
                found.setdefault(artifact.project, set()).update(contained[artifact.sha256])
    return {name: sorted(projects) for name, projects in sorted(found.items())}
