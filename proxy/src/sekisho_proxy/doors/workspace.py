"""A workspace's door, ``/w/<workspace>/…``: which view is looked at, and whose part of it is meant.

``/w/<workspace>/@<revision, day or moment>/…`` is the same door, frozen as of then.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple
from urllib.parse import quote

from sekisho.errors import NotFoundError
from sekisho_proxy.exchange import Reply, Request, not_allowed
from sekisho_proxy.gate import Gate, View

_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")  # as core's Slug


class Asked(NamedTuple):
    """What is asked of a door: ``rest`` is the path below ``door``, which begins with the part's name."""

    view: View
    door: str
    rest: str


Part = Callable[[Request, Asked], Awaitable[Reply]]


class WorkspaceDoor:
    """Serves ``/w/``. ``parts`` answer what is below a door, by its first segment."""

    def __init__(self, gate: Gate, parts: Mapping[str, Part]) -> None:
        self._gate = gate
        self._parts = parts

    async def __call__(self, request: Request) -> Reply:
        """Answer what is below ``/w/``."""
        if request.method not in {"GET", "HEAD"}:
            return not_allowed(b"GET, HEAD")
        workspace, _, rest = request.path.removeprefix("/w/").partition("/")
        if not _SLUG.fullmatch(workspace):
            raise NotFoundError("there is no such workspace", where=request.path[:200])
        view, door = View(workspace), f"/w/{workspace}"
        if rest.startswith("@"):
            address, _, rest = rest[1:].partition("/")
            view, door = self._gate.frozen(workspace, address), f"{door}/@{quote(address)}"
        part = self._parts.get(rest.partition("/")[0])
        if part is None:
            raise NotFoundError(
                "there is nothing at this address", where=request.path, todo=f"the index is at {door}/pypi/simple/"
            )
        return await part(request, Asked(view, door, rest))
