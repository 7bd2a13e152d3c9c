"""From path to handler: the first segment decides, and below ``/api/`` the whole path."""

from collections.abc import Mapping

from sekisho.errors import NotFoundError
from sekisho_proxy.asgi import Handler
from sekisho_proxy.exchange import Reply, Request


class Routes:
    """A dispatcher over the first path segment."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers

    async def __call__(self, request: Request) -> Reply:
        """Hand the request on; raise ``NotFoundError`` for an address that nobody serves."""
        segment = request.path[1:].partition("/")[0]
        handler = self._handlers.get(request.path if segment == "api" else segment)
        if handler is None:
            raise NotFoundError("there is nothing at this address", where=request.path)
        return await handler(request)
