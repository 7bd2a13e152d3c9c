"""A portal that answers what a test tells it to, as an ASGI app."""

import json
from typing import Any


class FakePortal:
    """``answers`` maps a path to an answer, or to a list of answers of which the last one stays."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, str, Any]] = []
        """(method, path with query, JSON body)."""
        self.tokens: list[str] = []

    async def __call__(self, scope, receive, send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        query = scope["query_string"].decode()
        path = scope["path"] + (f"?{query}" if query else "")
        self.asked.append((scope["method"], path, json.loads(body) if body else None))
        self.tokens.append(dict(scope["headers"]).get(b"authorization", b"").decode())
        status, answer = self._next(scope["path"])
        kind = b"application/problem+json" if status >= 400 else b"application/json"
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
        await send(
            {"type": "http.response.body", "body": answer if isinstance(answer, bytes) else json.dumps(answer).encode()}
        )

    def _next(self, path: str) -> tuple[int, Any]:
        found = self.answers.get(path, (404, {"code": "not-found", "title": f"nothing at {path}"}))
        if isinstance(found, list) and found and isinstance(found[0], tuple):
            found = found.pop(0) if len(found) > 1 else found[0]
        return found if isinstance(found, tuple) else (200, found)
