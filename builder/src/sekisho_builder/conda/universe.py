"""All that a request can be answered from: the records that its names lead to, read once and solved over often.

Of each name only the first channel counts that has it (strict priority), whatever it is asked for: the solver's own
priority looks at the records that fit a direct spec alone, so a version that the first channel lacks would come from
another. What is related to a channel by its own word (CEP 42) is not looked at.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from rattler import (
    BuildString,
    Channel,
    ChannelPriority,
    Gateway,
    GenericVirtualPackage,
    MatchSpec,
    PackageName,
    RepoDataRecord,
    SourceConfig,
    Subdir,
    Version,
    solve,
)
from rattler.exceptions import GatewayError, InvalidMatchSpecError, SolverError
from rattler.networking import Client, RetryMiddleware

from sekisho.errors import BadInputError, UnresolvableError, UpstreamError
from sekisho_builder.conda.candidate import Candidate, Counts
from sekisho_builder.conda.reduced import Reduced

_NOARCH = "noarch"
_HTTP_SECONDS = 120
_LATE = "Solve operation has been cancelled"
"""What the solver says when its time is up."""

_MOST_RECORDS = 2_000_000


class _Offered:
    """Those of the candidates that count, as the solver wants to be given them."""

    def __init__(self, by_place: Mapping[tuple[str, str], Sequence[Candidate]], counts: Counts | None) -> None:
        self._by_place = by_place
        self._counts = counts

    async def fetch_package_records(self, platform: Subdir, name: PackageName) -> list[RepoDataRecord]:
        """Return the records of a name."""
        rows = self._by_place.get((str(platform), name.normalized), ())
        return [row.record for row in rows if self._counts is None or self._counts(row)]

    def package_names(self, platform: Subdir) -> list[str]:
        """Return every name."""
        return [name for subdir, name in self._by_place if subdir == str(platform)]


class Universe:
    """Candidates by path, for one target."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        platform: str,
        virtual: Sequence[GenericVirtualPackage],
        asked: Sequence[str],
        held: Sequence[str],
    ) -> None:
        self._candidates = {found.path: found for found in candidates}
        self._by_place = _placed(self._candidates.values())
        self._asked = asked
        self._reduced: Reduced | None = None
        self._platforms = [Subdir(platform), Subdir(_NOARCH)]
        self._virtual = virtual
        self._held = held
        self._gateway = Gateway()

    def __len__(self) -> int:
        return len(self._candidates)

    @classmethod
    async def read(cls, message: dict[str, Any]) -> "Universe":
        """Read over HTTP what a message names; see ``sekisho_builder.conda.solver`` for what it holds.

        Raises ``BadInputError`` for a spec that cannot be read, ``UpstreamError`` for a channel that cannot.
        """
        channels = {channel["url"].rstrip("/") + "/": channel["id"] for channel in message["channels"]}
        client = Client(
            [RetryMiddleware(1)], headers={"Authorization": f"Bearer {message['token']}"}, timeout=_HTTP_SECONDS
        )
        config = SourceConfig(zstd_enabled=False, bz2_enabled=False, sharded_enabled=True, cache_action="no-cache")
        gateway = Gateway(cache_dir=Path.cwd() / "cache", default_config=config, client=client)
        direct = [(_parsed(spec), own) for spec, own in message["specs"]]
        held = message["held"]
        platforms = [Subdir(message["platform"]), Subdir(_NOARCH)]
        sources = [Channel(url) for url in channels]
        bare = sorted({_name(spec) for spec, _ in direct})
        try:
            named = await gateway.query(sources, platforms, bare, recursive=False, channel_relations="disabled")
            reached = await gateway.query(
                sources, platforms, [*(spec for spec, _ in direct), *map(_parsed, held)], channel_relations="disabled"
            )
        except GatewayError as error:
            raise UpstreamError(
                f"a channel cannot be read: {_without(str(error), channels)}",
                where="the proxy's candidate mount",
                todo="try again later",
            ) from error
        owners = {_name(spec): own for spec, own in direct if own}
        for row in (*_rows(named, channels), *_rows(reached, channels)):
            owners.setdefault(row.name, row.channel)
        before = message["before"]
        found = [row for row in _rows(reached, channels) if row.channel == owners[row.name] and _in_time(row, before)]
        if len(found) > _MOST_RECORDS:
            raise BadInputError(f"{len(found)} records stand to choose from", todo="ask for fewer packages at once")
        virtual = [
            GenericVirtualPackage(PackageName(name), Version(version), BuildString(build))
            for name, version, build in message["virtual"]
        ]
        return cls(
            sorted(found, key=lambda row: row.path),
            message["platform"],
            virtual,
            [spec for spec, _ in message["specs"]],
            held,
        )

    async def solve(self, message: dict[str, Any]) -> dict[str, Any]:
        """Choose one candidate a name, as high as can be.

        ``hidden`` are paths that are out, ``preferred`` paths that are taken where they fit. Of names that are
        ``closed`` only paths that are ``free`` count, and paths that are ``paid`` only of names that are ``open``.
        Raises ``UnresolvableError`` with the solver's reason.
        """
        counts = _counting(message)
        kept = (self._candidates[path] for path in message.get("preferred", ()) if path in self._candidates)
        preferred = [row for row in kept if counts(row)]  # or else the solver would take it whatever is offered
        try:
            found = await solve(
                [self._source(message, counts, preferred)],
                [_parsed(spec) for spec in message["specs"]],
                gateway=self._gateway,
                platforms=self._platforms,
                locked_packages=[row.record for row in _best(preferred)],
                virtual_packages=self._virtual,
                timeout=timedelta(seconds=message["seconds"]),
                channel_priority=ChannelPriority.Strict,
                constraints=[_parsed(spec) for spec in self._held],
                channel_relations="disabled",
            )
        except SolverError as error:
            if str(error).startswith(_LATE):
                raise UpstreamError(
                    f"solving took more than {message['seconds']} seconds", todo="ask for fewer packages at once"
                ) from error
            raise UnresolvableError(str(error)) from error
        rows = (self._candidates[f"{record.subdir}/{record.file_name}"] for record in found)
        return {"picked": [row[:-1] for row in rows]}

    def _source(self, message: dict[str, Any], counts: Counts, kept: Iterable[Candidate]) -> "_Offered":
        """Return what the solver is to choose from: where it is asked often, without what changes no answer."""
        if "paid" not in message:
            return _Offered(self._by_place, counts)
        return _Offered(_placed(self._reduce().standing(counts, frozenset(message["paid"]), kept)), None)

    def _reduce(self) -> Reduced:
        if self._reduced is None:
            self._reduced = Reduced(list(self._candidates.values()), self._asked)
        return self._reduced

    def forced(self, message: dict[str, Any]) -> list[str]:
        """Return names of which something that is ``paid`` is in every answer but for what is ``hidden``."""
        hidden = frozenset(message["hidden"])
        return self._reduce().forced(lambda row: row.path not in hidden, frozenset(message["paid"]))

    def names(self) -> list[str]:
        """Return every name of which there is a candidate."""
        return sorted({name for _, name in self._by_place})

    def offered(self, names: Iterable[str]) -> list[tuple[str, ...]]:
        """Return all of some names but the records."""
        places = ((str(platform), name) for name in names for platform in self._platforms)
        return [row[:-1] for place in places for row in self._by_place.get(place, ())]


def _placed(candidates: Iterable[Candidate]) -> dict[tuple[str, str], list[Candidate]]:
    found: dict[tuple[str, str], list[Candidate]] = {}
    for row in candidates:
        found.setdefault((row.path.partition("/")[0], row.name), []).append(row)
    return found


def _counting(message: dict[str, Any]) -> Counts:
    hidden, paid = frozenset(message.get("hidden", ())), frozenset(message.get("paid", ()))
    opened, closed = frozenset(message.get("open", ())), frozenset(message.get("closed", ()))
    free = frozenset(message.get("free", ()))

    def counts(row: Candidate) -> bool:
        if row.path in hidden or (row.path in paid and row.name not in opened):
            return False
        return row.name not in closed or row.path in free

    return counts


def _best(preferred: Iterable[Candidate]) -> Iterable[Candidate]:
    """Return one candidate a name, the highest: the solver keeps one."""
    found: dict[str, Candidate] = {}
    for row in preferred:
        if row.name not in found or row.record > found[row.name].record:
            found[row.name] = row
    return found.values()


def _rows(groups: Iterable[Iterable[RepoDataRecord]], channels: dict[str, str]) -> list[Candidate]:
    """Return candidates in order of the channels; what states no sha256 can never be approved."""
    order = {channel: place for place, channel in enumerate(channels.values())}
    rows = [
        Candidate(
            record.name.normalized,
            channels[_slashed(record.channel)],
            f"{record.subdir}/{record.file_name}",
            record,
        )
        for group in groups
        for record in group
        if record.sha256 is not None and _slashed(record.channel) in channels
    ]
    return sorted(rows, key=lambda row: order[row.channel])


def _slashed(channel: str | None) -> str:
    return (channel or "").rstrip("/") + "/"


def _in_time(row: Candidate, before: int | None) -> bool:
    """Tell whether a record was seen before a moment, in milliseconds."""
    if before is None:
        return True
    seen = row.record.indexed_timestamp
    return seen is not None and seen.timestamp() * 1000 < before


def _parsed(spec: str) -> MatchSpec:
    try:
        return MatchSpec(spec)
    except InvalidMatchSpecError as error:
        raise BadInputError(f"{spec[:120]!r} is no match spec: {error}", where="the request") from error


def _name(spec: MatchSpec) -> str:
    if spec.name is None:
        raise BadInputError(f"{str(spec)[:120]!r} names no package", where="the request")
    return str(getattr(spec.name, "normalized", spec.name))


def _without(text: str, channels: dict[str, str]) -> str:
    """Name channels as people know them."""
    for url, name in channels.items():
        text = text.replace(url, f"{name}/").replace(url.rstrip("/"), name)
    return text
