"""What the rooms may report of a request, and when. Pure: nothing here reads or writes anything."""

from typing import Any

from sekisho.errors import BadInputError, ConflictError
from sekisho.model import Alternative, Closure, Facts, GateResult, Newest, every_gate_passed, node_of, read_node
from sekisho_portal.standing import Standing
from sekisho_portal.wheels_built import check_builds, check_built, check_exchange, check_extras

_REPORTS = {
    "resolved": {"closure"},
    "inspected": {"facts"},
    "suggested": {"closure", "alternative"},
    "built": {"closure", "facts", "built"},
    "locked": {"lock"},
    "assembled": {"assembly"},
    "gated": {"gates"},
    "delivered": {"image"},
    "rebased": {"before", "assembly", "gates", "image"},
    "not-rebased": {"base", "problem"},
    "failed": {"stage", "problem"},
}
"""What a stage can report, and what its report holds at least."""

_PROPOSES = {"resolved": {"resolving", "inspecting", "judging"}, "inspected": {"inspecting", "judging"}}
"""In which states a stage of ``propose`` reports."""

_UNDECIDED = {"waiting", "asked", "refused"}
"""In which states something else may be suggested."""

_DELIVERS = {"locked", "assembled", "gated", "delivered"}
_REBASES = {"rebased", "not-rebased"}
"""What is reported of an image that was delivered, once its base has changed."""

_NEVER_DELIVERED = {"waiting", "asked", "denied", "refused"}
_ENDED = _NEVER_DELIVERED | {"delivered"}
_JUDGED = _ENDED | {"approved", "building", "locked", "assembled", "gated"}
"""States that a stage of ``propose`` no longer changes. After a crash it runs again, and reports again."""


def check_report(kind: str, body: dict[str, Any]) -> None:
    """Raise ``BadInputError`` for a report that no stage sends, or whose records cannot be read."""
    if kind not in _REPORTS:
        raise BadInputError(f"no stage reports {kind!r}", where="report")
    if missing := _REPORTS[kind] - set(body):
        raise BadInputError(f"a report of {kind!r} without {', '.join(sorted(missing))}", where="report")
    if kind == "resolved":
        check_builds(Closure.parse(body["closure"], where="report"))
        read_newest(body.get("newest", {}))
    if kind == "suggested" and body["alternative"] is not None:
        Alternative.parse(body["alternative"], where="report")
    if kind in {"inspected", "built"}:
        _check_inspected(body["facts"])
    if kind == "built":
        check_built(body)


def is_repeated(standing: Standing, kind: str, body: dict[str, Any]) -> bool:
    """Tell whether a stage reports again, after a crash, what changes nothing any more."""
    if kind in _PROPOSES:
        return standing.state in _JUDGED or standing.is_judged
    if kind == "built":
        return "built" in standing.last and not standing.is_unbuilt
    if kind == "suggested":
        closure = standing.closure()
        return standing.state not in _UNDECIDED or closure is None or closure.digest() != body["closure"]
    if kind in _REBASES:
        last = standing.last.get(kind)
        return last is not None and all(last.body.get(key) == body[key] for key in _REPORTS[kind])
    if kind == "failed":
        return standing.state in _ENDED or (
            standing.state in _JUDGED and body["stage"] in {"resolve", "inspect", "suggest"}
        )
    return standing.state == "delivered"


def check_fits(standing: Standing, kind: str, body: dict[str, Any]) -> None:
    """Raise ``ConflictError`` for a report that the request's state has no place for.

    Raises ``BadInputError`` for one that answers another request.
    """
    propose_late = kind in _PROPOSES and standing.state not in _PROPOSES[kind]
    unapproved = kind in _DELIVERS and ("approved" not in standing.last or standing.state in _NEVER_DELIVERED)
    unmade = kind in _REBASES and standing.state != "delivered"
    unwanted = kind == "built" and standing.state != "building"
    if propose_late or unapproved or unmade or unwanted:
        raise ConflictError(f"request {standing.id} cannot be {kind}, it is {standing.state}")
    if kind in {"delivered", "rebased"}:
        _check_gated(standing, body)
    if kind == "built":
        check_exchange(standing, body)
    if kind in {"resolved", "built"}:
        _check_answers(Closure.parse(body["closure"], where="report"), standing)
    instead = body["alternative"] if kind == "suggested" else None
    asked = (len(standing.request.requirements), len(standing.request.conda))
    if instead and (len(instead.get("requirements", ())), len(instead.get("conda", ()))) != asked:
        raise BadInputError("the alternative answers another request", where=f"request {standing.id}")


def _check_gated(standing: Standing, body: dict[str, Any]) -> None:
    """Raise ``ConflictError`` unless every gate passed the image that is said to be delivered."""
    gated = standing.last.get("gated")
    said = body["gates"] if "gates" in body else gated.body["gates"] if gated else None
    rows = said.get("gates") if isinstance(said, dict) else None
    results = [GateResult.parse(row, where="report") for row in rows] if isinstance(rows, list) else []
    if not every_gate_passed(results):
        raise ConflictError(f"request {standing.id} cannot be delivered, since not every gate passed its image")


def _check_answers(closure: Closure, standing: Standing) -> None:
    """Raise ``BadInputError`` unless the closure is an answer to exactly this request."""
    request, where = standing.request, f"request {standing.id}"
    if closure.request != request.digest():
        raise BadInputError("the closure answers another request", where=where)
    asked = (request.target, request.resolve_before, request.requirements, request.conda)
    if (closure.target, closure.resolve_before, closure.direct, closure.conda) != asked:
        raise BadInputError("the closure has another target, cut-off or requirements than the request", where=where)
    projects = {(artifact.kind, artifact.project) for artifact in closure.artifacts}
    if len(projects) != len(closure.artifacts):
        raise BadInputError("the closure has more than one file of a project", where=where)
    if missing := request.asked() - projects:
        names = ", ".join(sorted(node_of(*project) for project in missing))
        raise BadInputError(f"the closure lacks {names}, which was asked for", where=where)
    if wrong := request.objection(closure.artifacts):
        raise BadInputError(wrong, where=where)
    check_extras(request, closure, where)


def read_newest(value: object) -> dict[str, Newest]:
    """Read the newest releases that a resolver saw, by node."""
    if not isinstance(value, dict):
        raise BadInputError("`newest` is no mapping of projects", where="report")
    return {node_of(*read_node(str(node))): Newest.parse(found, where="report") for node, found in value.items()}


def _check_inspected(facts: object) -> None:
    if not isinstance(facts, list):
        raise BadInputError("`facts` is not a list", where="report")
    for value in facts:
        Facts.parse(value, where="report")
