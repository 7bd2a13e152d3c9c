"""``/openapi.json`` as it is true here: errors are problem documents, and every route of the API wants a token."""

from typing import Any

from fastapi import FastAPI

import sekisho_portal
from sekisho.model import Request
from sekisho_portal.acts import acts
from sekisho_portal.api import api

PROBLEM = "application/problem+json"
_ALWAYS = {405: "not by this method", 413: "more than this takes", 507: "the disk is full"}
_API = {
    400: "cannot be understood",
    401: "who are you?",
    403: "refused",
    404: "not here",
    409: "does not fit the present state",
}
_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "code", "where", "todo"],
    "properties": {
        **{name: {"type": "string"} for name in ("type", "title", "code", "where", "todo")},
        "status": {"type": "integer"},
    },
}


def describe(app: FastAPI) -> None:
    """Correct what the framework assumes of this application, when somebody asks for the description."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _correct(plain())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way of doing this


def api_paths() -> dict[str, Any]:
    """Return the described paths of the JSON API, without a portal behind them."""
    app = FastAPI(title="Sekisho portal", version=sekisho_portal.__version__)
    app.include_router(api)
    app.include_router(acts)
    describe(app)
    paths: dict[str, Any] = app.openapi()["paths"]
    return paths


def _correct(document: dict[str, Any]) -> dict[str, Any]:
    """Say what is answered: the framework knows 422, which never leaves this application."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = _SCHEMA
    schemas["Asked"] = _asked(schemas)
    asked = document["paths"]["/api/requests"]["post"]["requestBody"]["content"]["application/json"]
    asked["schema"] = {"$ref": "#/components/schemas/Asked"}
    document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            operation["responses"].pop("422", None)
            in_api = path.startswith("/api/")
            for status, words in {**_ALWAYS, **(_API if in_api else {})}.items():
                operation["responses"][str(status)] = _response(words, is_problem=in_api)
            if in_api:
                operation["security"] = [{"bearer": []}]
    return document


def _asked(schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a request without what the portal adds: who asks, and when; a target that is usual, too."""
    schema = Request.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= schema.pop("$defs")
    for name in ("requester", "at"):
        del schema["properties"][name]
        schema["required"].remove(name)
    schema["required"].remove("target")
    return schema


def _response(words: str, *, is_problem: bool) -> dict[str, Any]:
    """Return the description of an error: a problem below ``/api``, a page elsewhere."""
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}} if is_problem else {"text/html": {}}
    return {"description": words, "content": content}
