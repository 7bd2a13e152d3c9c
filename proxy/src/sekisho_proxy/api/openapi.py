"""The table of routes as an OpenAPI 3.1 document."""

from typing import Any

import sekisho_proxy
from sekisho_proxy.api.table import BYTES, JSON, PROBLEM, ROUTES, Route
from sekisho_proxy.quarantine import Intake

_PARAMETERS: dict[str, dict[str, Any]] = {
    "workspace": {"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,62}$"},
    "address": {"type": "string", "minLength": 1, "description": "a policy revision, a day or a moment"},
    "token": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$", "description": "as conda's clients send one"},
    "subdir": {"type": "string", "minLength": 1, "description": "noarch, or a platform as in linux-64"},
    "name": {"type": "string", "minLength": 1},
    "index": {"type": "string", "enum": ["repodata", "current_repodata", "run_exports"]},
    "project": {"type": "string", "minLength": 1},
    "release": {"type": "string", "minLength": 1},
    "source": {"type": "string", "minLength": 1},
    "python": {"type": "string", "minLength": 1, "description": "the target's full Python version"},
    "glibc": {"type": "string", "minLength": 1},
    "arch": {"type": "string", "enum": ["x86_64", "aarch64"]},
    "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    "path": {"type": "string", "minLength": 1, "description": "may hold slashes: the path at the source"},
}
_HEADERS = {
    200: ("Accept", "Accept-Encoding"),
    206: ("Range", "If-Range"),
    304: ("If-None-Match",),
}
_WORDS = {
    200: "done",
    201: "taken in",
    206: "part of it",
    304: "what you have is what there is",
    308: "its right address",
    400: "cannot be understood",
    401: "who are you?",
    403: "refused",
    404: "not here",
    405: "not by this method",
    406: "in no form that you accept",
    409: "not certain yet",
    416: "no such part",
    502: "the source failed",
    503: "no policy yet, or not on this side of the gap",
    507: "the disk is full",
}


def openapi() -> dict[str, Any]:
    """Return the document."""
    intake = Intake.model_json_schema(ref_template="#/components/schemas/{model}")
    definitions = intake.pop("$defs", {})
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths[route.path] = {method.lower(): _operation(route, method) for method in route.methods}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Sekisho proxy", "version": sekisho_proxy.__version__},
        "paths": paths,
        "components": {
            "schemas": {"Intake": intake, **definitions, "Problem": _PROBLEM},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
            },
        },
    }


_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "where", "todo"],
    "properties": {
        **{name: {"type": "string"} for name in ("type", "title", "detail", "message", "code", "where", "todo")},
        "status": {"type": "integer"},
    },
}


def _operation(route: Route, method: str) -> dict[str, Any]:
    names = [name for name in _PARAMETERS if f"{{{name}}}" in route.path]
    parameters = [{"name": name, "in": "path", "required": True, "schema": _PARAMETERS[name]} for name in names]
    headers = [name for status in _HEADERS if status in route.answers for name in _HEADERS[status]]
    parameters += [{"name": name, "in": "header", "schema": {"type": "string"}} for name in headers]
    operation: dict[str, Any] = {
        "summary": route.says,
        "parameters": parameters,
        "responses": {str(status): _response(status, kinds, method) for status, kinds in sorted(route.answers.items())},
    }
    if route.who != "anybody":
        operation["security"] = [{"bearer": []}, {"basic": []}]
    if route.body:
        schema = {"$ref": f"#/components/schemas/{route.body}"}
        content = {BYTES: {}} if route.body == BYTES else {JSON: {"schema": schema}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _response(status: int, kinds: tuple[str, ...], method: str) -> dict[str, Any]:
    response: dict[str, Any] = {"description": _WORDS[status]}
    if kinds and method != "HEAD":
        problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
        response["content"] = {kind: problem if kind == PROBLEM else {} for kind in kinds}
    return response
