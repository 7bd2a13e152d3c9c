"""From path to handler: what is asked for as a whole, or the first segment where a door lies below it."""

from collections.abc import Mapping

from sekisho.errors import NotFoundError
from sekisho_proxy.asgi import Handler
from sekisho_proxy.exchange import Reply, Request


class Routes:
    """A dispatcher. A handler's key is a whole path, or a first segment between slashes for everything below it."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers

    async def __call__(self, request: Request) -> Reply:
        """Hand the request on; raise ``NotFoundError`` for an address that nobody serves."""
        path = request.path
        handler = self._handlers.get(path) or self._handlers.get(f"/{path[1:].partition('/')[0]}/")
        if handler is None:
            raise NotFoundError("there is nothing at this address", where=path)
        return await handler(request)
