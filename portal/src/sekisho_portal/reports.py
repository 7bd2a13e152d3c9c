"""What the rooms may report of a request, and when. Pure: nothing here reads or writes anything."""

from typing import Any

from packaging.requirements import Requirement

from sekisho.errors import BadInputError, ConflictError
from sekisho.model import Closure, Facts, Request, normalize_project
from sekisho_portal.standing import Standing

_REPORTS = {
    "resolved": {"closure"},
    "inspected": {"facts"},
    "locked": {"lock"},
    "assembled": {"assembly"},
    "gated": {"gates"},
    "delivered": {"image"},
    "failed": {"stage", "problem"},
}
"""What a stage can report, and what its report holds at least."""

_PROPOSES = {"resolved": {"resolving", "inspecting", "judging"}, "inspected": {"inspecting", "judging"}}
"""In which states a stage of ``propose`` reports."""

_DELIVERS = {"locked", "assembled", "gated", "delivered"}
_NEVER_DELIVERED = {"waiting", "asked", "denied", "refused"}
_ENDED = _NEVER_DELIVERED | {"delivered"}
_JUDGED = _ENDED | {"approved", "locked", "assembled", "gated"}
"""States that a stage of ``propose`` no longer changes. After a crash it runs again, and reports again."""


def check_report(kind: str, body: dict[str, Any]) -> None:
    """Raise ``BadInputError`` for a report that no stage sends, or whose records cannot be read."""
    if kind not in _REPORTS:
        raise BadInputError(f"no stage reports {kind!r}", where="report")
    if missing := _REPORTS[kind] - set(body):
        raise BadInputError(f"a report of {kind!r} without {', '.join(sorted(missing))}", where="report")
    if kind == "resolved":
        Closure.parse(body["closure"], where="report")
    if kind == "inspected":
        _check_inspected(body["facts"])


def is_repeated(standing: Standing, kind: str, body: dict[str, Any]) -> bool:
    """Tell whether a stage reports again, after a crash, what changes nothing any more."""
    if kind in _PROPOSES:
        return standing.state in _JUDGED or standing.is_judged
    if kind == "failed":
        return standing.state in _ENDED or (standing.state in _JUDGED and body["stage"] in {"resolve", "inspect"})
    return standing.state == "delivered"


def check_fits(standing: Standing, kind: str) -> None:
    """Raise ``ConflictError`` for a report that the request's state has no place for."""
    propose_late = kind in _PROPOSES and standing.state not in _PROPOSES[kind]
    unapproved = kind in _DELIVERS and ("approved" not in standing.last or standing.state in _NEVER_DELIVERED)
    if propose_late or unapproved:
        raise ConflictError(f"request {standing.id} cannot be {kind}, it is {standing.state}")


def check_answers(closure: Closure, standing: Standing) -> None:
    """Raise ``BadInputError`` unless the closure is an answer to exactly this request."""
    request, where = standing.request, f"request {standing.id}"
    if closure.request != request.digest():
        raise BadInputError("the closure answers another request", where=where)
    asked = (request.target, request.resolve_before, request.requirements)
    if (closure.target, closure.resolve_before, closure.direct) != asked:
        raise BadInputError("the closure has another target, cut-off or requirements than the request", where=where)
    projects = {artifact.project for artifact in closure.artifacts}
    if len(projects) != len(closure.artifacts):
        raise BadInputError("the closure has more than one file of a project", where=where)
    if missing := _asked_projects(request) - projects:
        raise BadInputError(f"the closure lacks {', '.join(sorted(missing))}, which was asked for", where=where)
    if wrong := request.objection(closure.artifacts):
        raise BadInputError(wrong, where=where)


def _asked_projects(request: Request) -> set[str]:
    """Return the projects that every answer has to hold: those whose marker, if any, fits the target."""
    wanted = map(Requirement, request.requirements)
    return {normalize_project(request.kind, row.name) for row in wanted if request.target.fits(row.marker)}


def _check_inspected(facts: object) -> None:
    if not isinstance(facts, list):
        raise BadInputError("`facts` is not a list", where="report")
    for value in facts:
        Facts.parse(value, where="report")
