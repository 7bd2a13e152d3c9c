"""The JSON API of the rarer acts: ask back, break glass, revoke, excuse, import advisories."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from sekisho.advisories import ImportName
from sekisho.model import EVERYONE, Slug, node_of, read_node
from sekisho.vex import Justification
from sekisho_portal.api import At, Who, WorkspaceWanted, plain
from sekisho_portal.held import find_held, read_sought
from sekisho_portal.locking import Locking, lock_answer, lock_request, names_of

MEDIA = "application/octet-stream"
FileName = Annotated[str, Query(max_length=300, description="what the file was called")]
ApprovalId = Annotated[str, Path(pattern=r"^a[0-9]{1,18}$", description="as a42")]
Smaller = Annotated[bool, Query(description="it is right that many advisories are gone")]
Data = Annotated[bytes, Body(media_type=MEDIA)]
What = Annotated[str, Query(max_length=500, description="NAME, NAME==VERSION, conda:NAME, sha256, purl, or CVE-…")]
MostLocks = Annotated[int, Query(ge=1, le=100_000, description="locks at once")]

acts = APIRouter(prefix="/api")


class Words(BaseModel):
    """A question or an answer."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(max_length=2000)


class Glass(BaseModel):
    """An emergency: one project of the closure (``conda:NAME`` of a channel), for how many hours, and why."""

    model_config = ConfigDict(extra="forbid")
    project: str = Field(max_length=200)
    hours: int = 4
    reason: str = Field(max_length=2000)


class Taken(BaseModel):
    """What is taken back: an approval by its id, or NAME, or NAME==VERSION; with a workspace only there."""

    model_config = ConfigDict(extra="forbid")
    what: str = Field(max_length=300)
    workspace: Slug | None = None
    reason: str = Field(max_length=2000)


class Statement(BaseModel):
    """What a person says of an advisory: that it does not matter for these releases, in these workspaces."""

    model_config = ConfigDict(extra="forbid")
    advisory: str = Field(max_length=120)
    project: str = Field(max_length=200)
    releases: list[str] = Field(max_length=1000)
    justification: Justification
    impact: str = Field("", max_length=2000)
    scope: list[Slug] = Field([EVERYONE], max_length=100)
    expires: datetime | None = None


@acts.post("/requests/{request_id}/ask-back")
def ask_back(at: At, who: Who, request_id: str, words: Words) -> dict[str, Any]:
    """Ask the requester a question."""
    at.desk.ask_back(who, request_id, question=words.text)
    return plain(at, request_id)


@acts.post("/requests/{request_id}/answer")
def answer(at: At, who: Who, request_id: str, words: Words) -> dict[str, Any]:
    """Answer the question."""
    at.desk.answer(who, request_id, text=words.text)
    return plain(at, request_id)


@acts.post("/requests/{request_id}/break-glass")
def break_glass(at: At, who: Who, request_id: str, glass: Glass) -> dict[str, Any]:
    """Admit one artifact of a request at once, for hours."""
    project = node_of(*read_node(glass.project))
    at.desk.break_glass(who, request_id, project=project, hours=glass.hours, reason=glass.reason)
    return plain(at, request_id)


@acts.post("/revocations", status_code=201)
def revoke(at: At, who: Who, taken: Taken) -> list[dict[str, Any]]:
    """Take back approvals, at once and for good."""
    return at.desk.revoke(who, taken.what, reason=taken.reason, workspace=taken.workspace)


@acts.post("/vex", status_code=201)
def state(at: At, who: Who, said: Statement) -> dict[str, Any]:
    """State that an advisory does not matter for some releases; ``missing`` says where more people have to."""
    words = said.model_dump(mode="json")
    kind, project = read_node(said.project)
    return at.desk.state(who, {**words, "kind": kind, "project": project})


@acts.get("/vex")
def stated(at: At, _who: Who) -> list[dict[str, Any]]:
    """Return the statements in force, and in which workspaces how many more people have to say the same."""
    return at.desk.stated()


@acts.post("/advisories/{feed}", status_code=201)
def take(
    at: At, who: Who, feed: ImportName, data: Data, name: FileName = "", *, smaller: Smaller = False
) -> dict[str, Any]:
    """Import OSV's all.zip, a KEV catalogue, an EPSS file, or what conda packages are called, whole or not at all."""
    return at.desk.take_feed(who, feed, data, name, smaller=smaller)


@acts.get("/approvals/{approval_id}/statements")
def statements(at: At, _who: Who, approval_id: ApprovalId) -> list[dict[str, Any]]:
    """Return what an approval says to others: a DSSE envelope around an in-toto statement for each file."""
    return at.desk.statements(approval_id)


@acts.get("/affected")
def affected(at: At, _who: Who) -> list[dict[str, Any]]:
    """Return what is approved and has something against it that was not known then."""
    return at.desk.affected()


@acts.get("/locks")
def locks(at: At, _who: Who, what: What, workspace: WorkspaceWanted = None, limit: MostLocks = 1000) -> dict[str, Any]:
    """Return which locks, and images made of them, hold a package, a release, a file, or what an advisory concerns."""
    desk, sought = at.desk, read_sought(what)
    return find_held(desk.locks, desk.feeds.index, sought, desk.sightings.containing, workspace=workspace, limit=limit)


@acts.post("/locks")
def lock(at: At, _who: Who, told: Locking) -> dict[str, Any]:
    """Return what a tool answered from a door as a lock, held to what is approved there; nothing is recorded."""
    return lock_answer(at.desk, told).plain()


@acts.get("/requests/{request_id}/lock")
def lock_of(at: At, _who: Who, request_id: str) -> dict[str, Any]:
    """Return what was approved for a request as a lock: the one on record, or one made now."""
    return lock_request(at.desk, request_id).plain()


@acts.get("/channels")
def channels(at: At, _who: Who) -> dict[str, Any]:
    """Return the channels in their order, and what conda packages are called in the index, as far as is known."""
    sources = at.desk.means.snapshots.current().sources
    return {"channels": [source.id for source in sources if source.kind == "conda"], "names": names_of(at.desk)}
