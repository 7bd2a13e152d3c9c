"""What machines read of this API: ``/openapi.json``."""

from typing import Any

from sekisho_proxy.api.openapi import openapi
from sekisho_proxy.exchange import Reply, Request, json_reply, not_allowed


class Described:
    """Serves the description, which is made when first asked for."""

    def __init__(self) -> None:
        self._document: dict[str, Any] = {}

    async def __call__(self, request: Request) -> Reply:
        """Answer with the document."""
        if request.method not in {"GET", "HEAD"}:
            return not_allowed(b"GET, HEAD")
        self._document = self._document or openapi()
        return json_reply(self._document)
