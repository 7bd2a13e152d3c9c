"""What there is to choose from of channels: each candidate as an artifact, what is approved, what policy would say.

Where an index offers releases, a channel offers files: a ``Pin``'s release is a path, and each build is its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from sekisho.model import Artifact, Newest, Outcome, node_of
from sekisho.model.conda_version import conda_version
from sekisho_builder.conda.records import Channels
from sekisho_builder.conda.solver import Chosen, CondaSolver
from sekisho_builder.offers import Rate
from sekisho_builder.solver import Pin

_AT_ONCE = 8


class CondaOffers:
    """Reads artifacts from the candidate mount and asks ``rate`` for outcomes, each once.

    ``known`` are the files that are approved.
    """

    def __init__(
        self, solver: CondaSolver, channels: Channels, known: Iterable[Artifact] = (), rate: Rate | None = None
    ) -> None:
        self._solver = solver
        self._channels = channels
        self._known = [artifact for artifact in known if artifact.kind == "conda"]
        self._rate = rate
        self._outcomes: dict[str, Outcome] = {}
        self._newest: dict[str, Newest] | None = None

    def approved(self) -> Mapping[str, tuple[str, ...]]:
        """Return by name the paths that are approved of the channels that are asked."""
        found: dict[str, set[str]] = {}
        for artifact in self._known:
            if artifact.source in self._solver.channels:
                found.setdefault(artifact.project, set()).add(artifact.path)
        return {name: tuple(sorted(paths)) for name, paths in found.items()}

    def artifact(self, pin: Pin) -> Artifact:
        """Return what was chosen as an artifact."""
        return self._of(self._solver.known[pin.project, pin.release])

    def _of(self, chosen: Chosen) -> Artifact:
        return self._channels.artifact(chosen.channel, chosen.path, chosen.name)

    def artifacts(self, pins: Sequence[Pin]) -> list[Artifact]:
        """Return the artifacts of pins, in their order."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(self.artifact, pins))

    def outcomes(self, pins: Sequence[Pin]) -> Mapping[Pin, Outcome]:
        """Return what the policy would say of each pin."""
        if self._rate is None:
            return dict.fromkeys(pins, Outcome.ALLOW)
        found = dict(zip(pins, self.artifacts(pins), strict=True))
        self._learn(found.values())
        return {pin: self._outcomes[artifact.sha256] for pin, artifact in found.items()}

    def releases(self, project: str) -> Mapping[str, Outcome]:
        """Return by path what the policy would say of all candidates of a name."""
        return self.of_names((project,))

    def of_names(self, names: Sequence[str]) -> Mapping[str, Outcome]:
        """Return by path what the policy would say of all candidates of some names, asked at once."""
        if self._rate is None or not names:
            return {}
        rows = self._solver.offered(*names)
        firsts = {(row.channel, row.path.partition("/")[0], row.name): row for row in rows}
        with ThreadPoolExecutor(_AT_ONCE) as pool:  # each name is read once, several at a time
            list(pool.map(self._of, firsts.values()))
        found = {row.path: self._of(row) for row in rows}
        self._learn(found.values())
        return {path: self._outcomes[artifact.sha256] for path, artifact in found.items()}

    def newest(self) -> Mapping[str, Newest]:
        """Return by node the newest release of each package that was asked for by name, as channels order versions."""
        if self._newest is None:
            self._newest = {}
            for name in sorted({spec.name for spec in self._solver.asked}):
                if found := newest(self._all_of(name), self._solver.request.resolve_before):
                    self._newest[node_of("conda", name)] = found
        return self._newest

    def _all_of(self, name: str) -> list[Artifact]:
        places = {(row.channel, row.path.partition("/")[0]) for row in self._solver.offered(name)}
        return [one for channel, subdir in places for one in self._channels.of_name(channel, subdir, name).values()]

    def _learn(self, files: Iterable[Artifact]) -> None:
        unknown = [file for file in files if file.sha256 not in self._outcomes]
        if unknown and self._rate:
            self._outcomes |= self._rate(unknown, self.newest())


def newest(files: Iterable[Artifact], before: datetime | None) -> Newest | None:
    """Return the highest version of a package and since when it is there; nothing if that is not known of any."""
    since: dict[str, datetime] = {}
    for file in files:
        if file.uploaded is not None and (before is None or file.uploaded < before):
            since[file.release] = min(since.get(file.release, file.uploaded), file.uploaded)
    if not since:
        return None
    release = max(since, key=conda_version)
    return Newest(release=release, uploaded=since[release])
