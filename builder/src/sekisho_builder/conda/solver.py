"""py-rattler, asked over the candidate mount: match specs, what to prefer and what to leave out → one file per name.

It sees the candidates alone, from the channels that were named and in that order, on the request's target.
"""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from types import TracebackType
from typing import Any, NamedTuple, Self

from sekisho.errors import BadInputError, SekishoError, UnresolvableError, UpstreamError
from sekisho.model import ImageDefinition, Request
from sekisho.model.conda import NOARCH
from sekisho.model.match_spec import MatchSpec
from sekisho_builder.conda.process import LostError, SolverProcess
from sekisho_builder.conda.reasons import why_missing, why_unread
from sekisho_builder.conda.said import shortened
from sekisho_builder.conda.virtual import virtual_packages
from sekisho_builder.proxy import Proxy
from sekisho_builder.solver import Pin, Wish

_SECONDS = 120


class Chosen(NamedTuple):
    """A file of one name: ``path`` is ``<subdir>/<filename>`` in the channel."""

    name: str
    channel: str
    path: str


class CondaSolver:
    """Asks about one request, as often as need be. What was read once is kept until the end.

    ``channels`` are the sources that a request is looked for at, in order; each that a spec names is among them, or
    comes last and counts for that name alone.
    """

    def __init__(
        self,
        request: Request,
        channels: Sequence[str],
        proxy: Proxy,
        process: SolverProcess,
        definition: ImageDefinition | None = None,
    ) -> None:
        self.request = request
        self._proxy = proxy
        self._process = process
        self._id = secrets.token_hex(8)
        self.asked = [MatchSpec.parse(spec) for spec in request.conda]
        specs = [_divided(spec) for spec in request.conda]
        self.channels = tuple(dict.fromkeys((*channels, *(own for _, own in specs if own))))
        self.known: dict[tuple[str, str], Chosen] = {}
        self.names: tuple[str, ...] = ()
        minor = ".".join(map(str, request.target.python_minor))
        self._opening: dict[str, Any] = {
            "op": "open",
            "id": self._id,
            "channels": [{"id": name, "url": proxy.channel_url(name)} for name in self.channels],
            "platform": request.target.subdir,
            "virtual": [list(row) for row in virtual_packages(request.target, definition)],
            "specs": [list(row) for row in specs],
            "held": [f"python {minor}.*"],
            "before": int(request.resolve_before.timestamp() * 1000) if request.resolve_before else None,
            "token": proxy.token,
        }
        self._opened = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opened and self._process.pid is not None:
            with suppress(SekishoError):  # what is lost is closed
                self._process.ask({"op": "close", "id": self._id})

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Ask, reading again what a process has lost that died; raise ``LostError`` if it dies once more."""
        for last in (False, True):
            try:
                if not self._opened:
                    self.names = tuple(self._open()["names"])
                    self._opened = True
                answer = self._process.ask({**message, "id": self._id})
            except LostError:
                self._opened = False
                if last:
                    raise
                continue
            if not answer.get("unknown"):
                return answer
            self._opened = False
        raise LostError("the solver of conda packages stopped again and again", todo="see the builder's log")

    def _open(self) -> dict[str, Any]:
        """Have the channels read; of one that cannot be, raise what the proxy says of it."""
        try:
            return self._process.ask(self._opening)
        except UpstreamError as error:
            raise why_unread(self._proxy, error.what) or error from error

    def __call__(self, wish: Wish) -> list[Pin]:
        """Return what was chosen, each ``release`` a path; raise ``UnresolvableError`` with the reason."""
        return [Pin(row.name, row.path, ()) for row in self.choose(wish)]

    def choose(
        self,
        wish: Wish,
        *,
        free: Collection[str] | None = None,
        closed: Collection[str] = (),
        paid: Collection[str] = (),
        opened: Collection[str] = (),
    ) -> list[Chosen]:
        """Return what was chosen.

        With ``free``, of names that are ``closed`` only these paths count. Paths that are ``paid`` only count of names
        that are ``opened``. Raises ``UnresolvableError`` with the reason.
        """
        message: dict[str, Any] = {
            "op": "solve",
            "specs": [_divided(spec)[0] for spec in wish.requirements],
            "hidden": _paths(wish.hidden),
            "preferred": _paths(wish.preferred),
            "seconds": _SECONDS,
        }
        if free is not None:
            message |= {"free": sorted(free), "closed": sorted(closed)}
        if paid:
            message |= {"paid": sorted(paid), "open": sorted(opened)}
        try:
            answer = self._ask(message)
        except UnresolvableError as error:
            raise UnresolvableError(
                shortened(error.what),
                where=f"match specs: {', '.join(self.request.conda)}; channels: {', '.join(self.channels)}",
                todo="change the spec that it names",
            ) from error
        return self._told(answer["picked"])

    def explained(self, error: UnresolvableError) -> UnresolvableError:
        """Return the same with what channels list that was asked for and does not count; it asks the proxy."""
        lines = why_missing(self._proxy, error.what, self.channels, (self.request.target.subdir, NOARCH))
        return UnresolvableError("\n".join([error.what, *lines]), where=error.where, todo=error.todo)

    def forced(self, paid: Collection[str], hidden: Collection[str]) -> frozenset[str]:
        """Return names of which a path that is ``paid`` is in every answer without what is ``hidden``."""
        message = {"op": "forced", "paid": sorted(paid), "hidden": sorted(hidden)}
        return frozenset(self._ask(message)["forced"])

    def offered(self, *names: str) -> list[Chosen]:
        """Return all that stands to choose from of some names."""
        return self._told(self._ask({"op": "offered", "names": names})["offered"])

    def _told(self, rows: Iterable[list[str]]) -> list[Chosen]:
        found = [Chosen(*row) for row in rows]
        self.known |= {(row.name, row.path): row for row in found}
        return found


def _divided(spec: str) -> tuple[str, str]:
    """Return a spec without its channel, and the channel, or ""."""
    channel, found, rest = spec.partition("::")
    return (rest.strip(), channel.strip()) if found else (spec.strip(), "")


def _paths(releases: Mapping[str, Collection[str]]) -> list[str]:
    return sorted(path for paths in releases.values() for path in paths)


def rattler_version() -> str:
    """Return the solver's version."""
    return version("py-rattler")


def channels_of(request: Request, declared: Sequence[str]) -> tuple[str, ...]:
    """Return the channels that a request is looked for at; ``declared`` are the sources of kind ``conda``, in order.

    Raises ``BadInputError`` for one that no source declares.
    """
    named = [own for spec in request.conda if (own := _divided(spec)[1])]
    for name in (*request.channels, *named):
        if name not in declared:
            raise BadInputError(
                f"no source of kind conda is called {name[:80]!r}",
                where="allowlists/sources.yaml",
                todo=f"name one of {', '.join(declared) or '(none)'}, or ask for it to be declared",
            )
    return request.channels or tuple(declared)
