"""What there is to choose from: the file of a release for one target, what is approved, what policy would say."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from packaging.version import InvalidVersion, Version

from sekisho.errors import UnresolvableError
from sekisho.model import Artifact, Newest, Outcome, Request
from sekisho.model.tags import wheel_tags
from sekisho.policy import Door, Snapshot
from sekisho_builder.best_wheel import best_source, best_wheel
from sekisho_builder.candidates import Candidates
from sekisho_builder.solver import Pin

Rate = Callable[[Sequence[Artifact], Mapping[str, Newest]], Mapping[str, Outcome]]
"""Foretells by sha256 what the policy says of files; hears of the newest releases of what was asked for by name."""

_AT_ONCE = 8


class Offers:
    """Asks the proxy for files and ``rate`` for outcomes, each once. ``known`` are the files that are approved.

    With ``sources`` a release that has no wheel for the target is had as source, for the runner to build. What is
    ``outdated`` was built against what this answer does not hold, and does not count.
    """

    def __init__(
        self,
        request: Request,
        proxy: Candidates,
        known: Iterable[Artifact] = (),
        rate: Rate | None = None,
        *,
        sources: bool = False,
        outdated: Container[str] = frozenset(),
    ) -> None:
        self._sources = sources
        self._request = request
        self._proxy = proxy
        self._rate = rate
        self._ranks = {tag: rank for rank, tag in enumerate(wheel_tags(request.target))}
        # the same bytes may come of two ways to build
        counting = [artifact for artifact in known if _counts(artifact, outdated)]
        self._known = {(one.sha256, one.recipe): one for one in counting}
        self._hashes = frozenset(one.sha256 for one in counting)
        self._files: dict[tuple[str, str], tuple[Artifact, ...]] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._newest: dict[str, Newest] | None = None

    def approved(self) -> Mapping[str, tuple[str, ...]]:
        """Return by project the releases of which a file for this target is approved."""
        found: dict[str, set[str]] = {}
        for file in self._known.values():
            if self._best(file.project, file.release, (file,)):
                found.setdefault(file.project, set()).add(file.release)
        return {project: tuple(sorted(releases)) for project, releases in found.items()}

    def best(self, pin: Pin) -> Artifact:
        """Return the file of a release for the target; raise ``UnresolvableError`` if it has none."""
        return self._choose(pin, self._of(pin.project, pin.release))

    def _choose(self, pin: Pin, files: Sequence[Artifact]) -> Artifact:
        try:
            return best_wheel(pin, files, self._ranks, self._request, self._hashes)
        except UnresolvableError:
            source = best_source(pin, files, self._request) if self._sources else None
            if source is None:
                raise
            return source

    def _best(self, project: str, release: str, files: Sequence[Artifact]) -> Artifact | None:
        try:
            return self._choose(Pin(project, release, ()), files)
        except UnresolvableError:
            return None

    def _of(self, project: str, release: str) -> tuple[Artifact, ...]:
        if (project, release) not in self._files:
            built = (
                row for row in self._known.values() if row.built and (row.project, row.release) == (project, release)
            )
            self._files[project, release] = (*self._proxy.artifacts(project, release), *built)
        return self._files[project, release]

    def outcomes(self, pins: Sequence[Pin]) -> Mapping[Pin, Outcome]:
        """Return what the policy would say of each pin; one without a file for the target counts as denied."""
        if self._rate is None:
            return dict.fromkeys(pins, Outcome.ALLOW)
        pins = [pin for pin in pins if pin.release]  # what is installed is judged by itself
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            of = (
                list(pool.map(self._of, *zip(*((pin.project, pin.release) for pin in pins), strict=True)))
                if pins
                else []
            )
        best = {pin: self._best(pin.project, pin.release, files) for pin, files in zip(pins, of, strict=True)}
        self._learn(file for file in best.values() if file)
        return {pin: self._outcomes[file.sha256] if file else Outcome.DENY for pin, file in best.items()}

    def releases(self, project: str) -> Mapping[str, Outcome]:
        """Return what the policy would say of every release of a project that the target can have."""
        if self._rate is None:
            return {}
        by_release: dict[str, list[Artifact]] = {}
        for file in self._proxy.artifacts(project):
            by_release.setdefault(file.release, []).append(file)
        best = {release: self._best(project, release, files) for release, files in by_release.items()}
        self._learn(file for file in best.values() if file)
        return {release: self._outcomes[file.sha256] for release, file in best.items() if file}

    def allowed(self, project: str) -> list[str]:
        """Return the releases of a project that the target can have and the policy would allow."""
        return [release for release, said in self.releases(project).items() if said is Outcome.ALLOW]

    def _learn(self, files: Iterable[Artifact]) -> None:
        unknown = [file for file in files if file.sha256 not in self._outcomes]
        if unknown and self._rate:
            self._outcomes |= self._rate(unknown, self.newest())

    def newest(self) -> Mapping[str, Newest]:
        """Return the newest release of each project that was asked for by name, whatever it runs on."""
        if self._newest is None:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                projects = sorted(name for kind, name in self._request.asked() if kind == "pypi")
                pages = zip(projects, pool.map(self._proxy.artifacts, projects), strict=True)
                rows = ((project, newest(files, self._request.resolve_before)) for project, files in pages)
                self._newest = {project: found for project, found in rows if found}
        return self._newest


def _counts(artifact: Artifact, outdated: Container[str]) -> bool:
    return artifact.kind == "pypi" and artifact.sha256 not in outdated


def approved(snapshot: Snapshot, workspace: str, now: datetime) -> Iterator[Artifact]:
    """Yield what a workspace may have now, but for what was let in by breaking glass: that is not there to stay."""
    door = Door(snapshot, workspace)
    for signed in snapshot.approvals:
        if not signed.approval.break_glass and signed.approval.admits(workspace, now):
            yield from (artifact for artifact in signed.approval.artifacts if door.has(artifact, now))


def newest(files: Iterable[Artifact], before: datetime | None) -> Newest | None:
    """Return the highest release of a project and since when it is out; nothing if no upload time is stated.

    What is yanked does not count, and a pre-release only where there is nothing else.
    """
    since: dict[Version, tuple[datetime, str]] = {}
    for file in files:
        if file.uploaded is None or file.yanked is not None or (before and file.uploaded >= before):
            continue
        try:
            version = Version(file.release)
        except (InvalidVersion, ValueError):
            continue
        since[version] = min(since.get(version, (file.uploaded, file.release)), (file.uploaded, file.release))
    if not since:
        return None
    uploaded, release = since[max(since, key=lambda version: (not version.is_prerelease, version))]
    return Newest(release=release, uploaded=uploaded)
