"""The conda door, ``/w/<workspace>/conda/<channel>/…``: indexes of a channel, made from approvals, and its packages.

Whatever a client asks first (shards, one large file, a package it knows of), the same approvals answer. What there is
not is a 404, because clients try several forms of an index.
"""

from dataclasses import replace

from sekisho.errors import NotFoundError
from sekisho.model import Artifact
from sekisho.model.conda import ENDINGS, is_subdir
from sekisho.ports import Clock
from sekisho_proxy.conda.book import ChannelBook
from sekisho_proxy.conda.relaxed import RelaxedChannels
from sekisho_proxy.doors.files import send_file
from sekisho_proxy.doors.workspace import Asked
from sekisho_proxy.exchange import Reply, Request
from sekisho_proxy.follow import Held
from sekisho_proxy.gate import Gate, Passed, View
from sekisho_proxy.holdings import Holdings
from sekisho_proxy.refusal import NotAdmittedError
from sekisho_proxy.upstream.reach import Reach


class CondaDoor:
    """Serves ``conda/…`` of every workspace."""

    def __init__(
        self,
        held: Held,
        gate: Gate,
        book: ChannelBook,
        holdings: Holdings,
        reach: Reach | None,
        clock: Clock,
        relaxed: RelaxedChannels | None = None,
    ) -> None:
        self._held = held
        self._gate = gate
        self._book = book
        self._holdings = holdings
        self._reach = reach
        self._clock = clock
        self._relaxed = relaxed

    async def __call__(self, request: Request, asked: Asked) -> Reply:
        """Answer what is below ``conda/``."""
        _, _, tail = asked.rest.partition("/")
        source, _, rest = tail.partition("/")
        self._require(source, request)
        subdir, _, name = rest.partition("/")
        if is_subdir(subdir) and name.endswith(ENDINGS):
            return await self._package(request, asked.view, source, rest)
        if self._relaxed and is_subdir(subdir):
            found = await self._relaxed.answer(request, asked.view, source, subdir, name, self._clock())
            if found is not None:
                return found
        if self._reach:
            await self._reach.known()
        channel = await self._book.channel(asked.view, source, self._clock())
        if rest == "channeldata.json":
            return await channel.data(request)
        reply = await channel.subdir(subdir).answer(request, name) if is_subdir(subdir) else None
        if reply is None:
            raise NotFoundError(
                "a channel has no such file here",
                where=request.path,
                todo=f"shards and repodata.json are below {asked.door}/conda/{source}/<subdir>/",
            )
        return reply

    def _require(self, source: str, request: Request) -> None:
        """Raise ``NotFoundError`` for what is no channel; one that is not listed any more is one while approved of."""
        if source not in self._held.index().channels:
            raise NotFoundError(
                "there is no such channel here", where=request.path, todo="sources.yaml lists them, each by its id"
            )

    async def _package(self, request: Request, view: View, source: str, path: str) -> Reply:
        passed, listed = await self._pass(view, source, path)
        reply = await send_file(request, passed.artifact, self._holdings)
        again, _ = await self._pass(view, source, path, listed)
        if again.artifact.sha256 != passed.artifact.sha256:  # fetching may have taken minutes
            return await self._package(request, view, source, path)
        return replace(reply, refusal=again.refusal) if again.refusal else reply

    async def _pass(
        self, view: View, source: str, path: str, listed: Artifact | None = None
    ) -> tuple[Passed, Artifact | None]:
        """Ask the gate, and where it says no and does not enforce, ask it again with what the channel lists."""
        try:
            return self._gate.pass_through(view, "conda", path, self._clock(), listed=listed, source=source), listed
        except NotAdmittedError:
            found = await self._relaxed.find(view, source, path) if self._relaxed and not listed else None
            if found is None:
                raise
        return self._gate.pass_through(view, "conda", path, self._clock(), listed=found, source=source), found
