"""What of a request comes from channels: solved, and what is there already when the rest is resolved."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from sekisho.definitions import read_definition
from sekisho.errors import NotFoundError, UnresolvableError, UpstreamError
from sekisho.model import Artifact, ImageDefinition, Newest, Outcome, Request, spec_name
from sekisho.model.conda import PackageName
from sekisho.policy import Snapshot
from sekisho_builder.conda.approvals import fewest_approvals
from sekisho_builder.conda.offers import CondaOffers
from sekisho_builder.conda.records import Channels
from sekisho_builder.conda.resolve import Part, resolve_conda
from sekisho_builder.conda.solver import CondaSolver, channels_of
from sekisho_builder.conda.suggesting import otherwise, relaxed
from sekisho_builder.denials import name_denials
from sekisho_builder.offers import Rate, approved
from sekisho_builder.stages.outside import Outside

_MOST_FREED = 5
_PATIENCE = 1.0
"""Seconds for what to ask for instead: it is a hint on a request that failed."""

_MOST_FORESEEN = 1000
"""Files that are asked about at once."""


class FromChannels(Outside):
    """What the stages before an approver ask of channels."""

    def _rate(self, request_id: str) -> Rate:
        """Return what foretells outcomes for a request, by the portal."""

        def rate(files: Sequence[Artifact], newest: Mapping[str, Newest]) -> dict[str, Outcome]:
            known = {project: found.plain() for project, found in newest.items()}
            found: dict[str, Outcome] = {}
            for first in range(0, len(files), _MOST_FORESEEN):
                some = [file.plain() for file in files[first : first + _MOST_FORESEEN]]
                rows = self._portal.foresee(request_id, some, known)
                found |= {row["sha256"]: Outcome(row["outcome"]) for row in rows}
            return found

        return rate

    def _definition(self, request: Request) -> ImageDefinition | None:
        """Return the image that a closure is for, or is to be beside; nothing for one that is not ours."""
        name = request.image or request.beside
        if name is None:
            return None
        try:
            return read_definition(self._settings.images, name)
        except NotFoundError:
            return None

    @contextmanager
    def _asking(
        self, request_id: str, request: Request, snapshot: Snapshot
    ) -> Iterator[tuple[CondaSolver, CondaOffers]]:
        """Give the solver for a request's match specs, and what there is to choose from."""
        declared = [source.id for source in snapshot.sources if source.kind == "conda"]
        known = approved(snapshot, request.workspace, datetime.now(UTC))
        channels = channels_of(request, declared)
        try:
            with CondaSolver(request, channels, self._proxy, self._conda, self._definition(request)) as solver:
                yield solver, CondaOffers(solver, Channels(self._proxy), known, self._rate(request_id))
        except UpstreamError:
            self._proxy.answers()  # or else its silence was the cause
            raise

    def _of_channels(
        self, request_id: str, request: Request, snapshot: Snapshot, told: Callable[[int, int], None]
    ) -> Part:
        """Return what match specs come to; raise ``UnresolvableError`` if nothing fits, with what is denied."""
        try:
            with self._asking(request_id, request, snapshot) as (solver, offers):
                told(0, len(solver.asked))
                part = resolve_conda(solver, offers)
        except UnresolvableError as error:
            named = name_denials(error, request, snapshot.policy, self._allowed(request_id, request, snapshot), "conda")
            if instead := self._otherwise(request_id, request, snapshot):
                named = UnresolvableError(named.what, where=named.where, todo=instead)
            raise named from error
        told(len(part.artifacts), len(part.artifacts))
        return part

    def _otherwise(self, request_id: str, request: Request, snapshot: Snapshot) -> str:
        """Say what fits where a spec may have any version, one of the first few, or else all; nothing if nothing does.

        It is said only of an answer that approvals suffice for.
        """
        names = [spec_name(spec) for spec in request.conda]
        for free in (*(frozenset({name}) for name in names[:_MOST_FREED]), frozenset(names)):
            conda = relaxed(request.conda, free)
            if conda == request.conda:
                continue
            loose = request.model_copy(update={"conda": conda})
            try:
                with self._asking(request_id, loose, snapshot) as (solver, offers):
                    found = fewest_approvals(solver, offers, {}, patience=_PATIENCE)
            except UnresolvableError:
                continue
            if found is not None and not found.denied:
                return otherwise(found, request.conda)
        return ""

    def _allowed(self, request_id: str, request: Request, snapshot: Snapshot) -> Callable[[str], list[str]]:
        """Return what finds the versions of a package that the policy would allow."""

        def allowed(name: str) -> list[str]:
            free = request.model_copy(update={"conda": (name,)})
            with self._asking(request_id, free, snapshot) as (_, offers):
                said = offers.releases(name)
            paths = [path for path, outcome in said.items() if outcome is Outcome.ALLOW]
            return [PackageName.parse(path.rpartition("/")[2]).version for path in paths]

        return allowed
