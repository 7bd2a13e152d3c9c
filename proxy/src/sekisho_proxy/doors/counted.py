"""The one place where refusals are counted: between a door and what sends its replies."""

from sekisho_proxy.asgi import Handler
from sekisho_proxy.demand.tally import Tally
from sekisho_proxy.exchange import Reply, Request
from sekisho_proxy.refusal import NotAdmittedError


class Counted:
    """A door, and a count of what it refuses: an error of the gate, or a page that has nothing to offer."""

    def __init__(self, door: Handler, tally: Tally) -> None:
        self._door = door
        self._tally = tally

    async def __call__(self, request: Request) -> Reply:
        """Answer as the door does."""
        try:
            reply = await self._door(request)
        except NotAdmittedError as error:
            self._tally.count(error.refusal)
            raise
        if reply.refusal is not None:
            self._tally.count(reply.refusal)
        return reply
