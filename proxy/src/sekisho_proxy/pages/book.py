"""The pages of all workspaces: built once per project, snapshot and workspace, and dropped when that changes.

Frozen views share a project's page as long as nothing of it came in between, and stand on a shelf of their own: who
asks for thousands of dates drops no page of the present. So do pages of nothing but tombstones: names and workspaces
are made up by whoever asks.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from sekisho.model import Artifact, Kind
from sekisho.policy.door import Admitted
from sekisho_proxy.follow import Held
from sekisho_proxy.gate import Gate, View
from sekisho_proxy.holdings import Holdings, NotHereError
from sekisho_proxy.pages.built import BuiltPage
from sekisho_proxy.pages.tombstone import Why, explain, tombstones
from sekisho_proxy.pages.value import FileRow, LatePage, ProjectList, ProjectPage, Status, release_order
from sekisho_proxy.refusal import refusal_of
from sekisho_proxy.shelf import Shelf
from sekisho_proxy.upstream.reach import Reach
from sekisho_proxy.upstream.releases import Releases

KIND: Kind = "pypi"
_MOST_ROWS = 400_000
_MOST_FROZEN_ROWS = 50_000
_MOST_REFUSED_ROWS = 30_000
"""Some 50 MB each of frozen pages and of refusals, at 1 to 1.6 KB for a row in all forms."""


class Book:
    """Prebuilt pages. On a replica, which has no ``reach``, and for a source that is away, they list what is here."""

    def __init__(
        self, held: Held, gate: Gate, holdings: Holdings, reach: Reach | None, releases: Releases | None = None
    ) -> None:
        self._held = held
        self._gate = gate
        self._holdings = holdings
        self._reach = reach
        self._releases = releases
        self._turn: object = None
        self._pages = Shelf[BuiltPage](_MOST_ROWS)
        self._frozen = Shelf[BuiltPage](_MOST_FROZEN_ROWS)
        self._refused = Shelf[BuiltPage](_MOST_REFUSED_ROWS)

    async def learn(self, project: str) -> None:
        """See to it that a page can explain what it does not offer; see ``Releases.learn``."""
        if self._releases:
            await self._releases.learn(project)

    def project(self, view: View, project: str, now: datetime) -> BuiltPage:
        """Return the page of a (normalised) project: what is offered, and tombstones for the rest."""
        door = self._gate.door(view)
        shared = View(view.workspace, door.settled(KIND, project))
        known = self._releases.of(project) if self._releases else ()
        found = self._find(shared, project, now, known)
        if found:
            return found
        approved = door.admitted(KIND, project, now)
        offered = self._offered(view, approved, now)
        if offered:
            rest = Why("not-approved", f"this release is not approved for workspace {view.workspace}")
        elif approved:
            rest = self._why_not_here(project)
        else:
            rest = Why(*door.why_not(KIND, project, now))
        teller = self._gate.door(shared) if approved else door
        attested = self._attested(shared, offered)

        def make() -> ProjectPage:
            page = approved_page(project, offered, self._measured, attested)
            artifacts = [row.artifact for row in offered]
            tombs = tombstones(explain(teller, project, artifacts, known, rest, ask=self._gate.ask(), now=now))
            return page._replace(files=(*page.files, *tombs))

        page = LatePage(len(offered) + len(known) + 1, make, names_origin=bool(attested))
        refusal = None if offered else refusal_of(view.workspace, KIND, project, rest.rule)
        built = BuiltPage(page, refusal=refusal)
        if approved or shared.as_of is None:  # a frozen refusal names its own date, so it is nobody else's
            end = door.next_expiry(KIND, project, now)
            self._keep(shared, project, built, end, rows=page.rows, made_of=known)
        return built

    def servable(self, view: View, project: str, now: datetime) -> list[Admitted]:
        """Return the files of a project that the view has and that can be served, which may be none."""
        return self._offered(view, self._gate.door(view).admitted(KIND, project, now), now)

    def approved(self, view: View, project: str, offered: Sequence[Admitted]) -> ProjectPage:
        """Put approved files on a page, without tombstones."""
        return approved_page(project, offered, self._measured, self._attested(view, offered))

    def offered(self, view: View, project: str, now: datetime) -> list[Admitted]:
        """Return the files of a project that the view has and that can be served.

        Raises ``NotHereError`` if it has some of which none can be served.
        """
        approved = self._gate.door(view).admitted(KIND, project, now)
        offered = self._offered(view, approved, now)
        if approved and not offered:
            raise NotHereError(
                self._why_not_here(project).sentence, where=project, todo="try again later, or import a bundle"
            )
        return offered

    def _offered(self, view: View, approved: Sequence[Admitted], now: datetime) -> list[Admitted]:
        return [row for row in approved if self._offers(row.artifact) and self._gate.leads_to(view, row.artifact, now)]

    def _attested(self, view: View, offered: Sequence[Admitted]) -> Mapping[str, str]:
        """Return where the provenance of files is that have one to give, by the files' sha256.

        A frozen door gives the address at the present one, which admits at least as much: its pages are shared.
        """
        artifacts = [row.artifact for row in offered if row.artifact.index.get("provenance")]
        away = self._reach.away if self._reach else frozenset(artifact.source for artifact in artifacts)
        return {
            artifact.sha256: f"/w/{view.workspace}/pypi/files/{artifact.path}.provenance"
            for artifact in artifacts
            if artifact.source not in away or self._holdings.provenances.has(artifact)
        }

    def _measured(self, artifact: Artifact) -> tuple[int | None, str]:
        """Return what the bytes that are here say of size and METADATA, for approvals that do not state it."""
        return self._holdings.size(artifact.sha256), self._holdings.known_metadata(artifact)

    def projects(self, view: View, now: datetime) -> BuiltPage:
        """Return the list of projects of which something may be had."""
        found = self._find(view, "", now)
        if found:
            return found
        door = self._gate.door(view)
        names = door.projects(KIND, now)
        if self._reach is None or self._reach.away:
            names = tuple(name for name in names if any(map(self._offers, door.artifacts(KIND, name, now))))
        ends = [end for name in names if (end := door.next_expiry(KIND, name, now))]
        built = BuiltPage(ProjectList(names))
        if names:  # a workspace without any may be made up, and costs nothing
            self._keep(view, "", built, min(ends, default=None), rows=len(names))
        return built

    def _offers(self, artifact: Artifact) -> bool:
        return self._reach.offers(artifact) if self._reach else self._holdings.has(artifact.sha256)

    def _why_not_here(self, project: str) -> Why:
        if self._reach is None:
            return Why("not-imported", f"{project} is in no imported bundle")
        return Why("source-away", f"{project} is approved, but not here yet, and its source cannot be reached")

    def turn(self) -> object:
        """Return a value that changes when any page may have changed."""
        return self._held.turn, self._reach.turn if self._reach else None

    def _find(self, view: View, project: str, now: datetime, made_of: object = None) -> BuiltPage | None:
        turn = self.turn()
        if self._turn != turn:
            self._turn = turn
            self._pages.clear()
            self._frozen.clear()
            self._refused.clear()
        shelves = (self._pages, self._refused) if view.as_of is None else (self._frozen,)
        found = (shelf.find((view, project), now, made_of=made_of) for shelf in shelves)
        return next(filter(None, found), None)

    def _keep(
        self, view: View, project: str, page: BuiltPage, end: datetime | None, *, rows: int, made_of: object = None
    ) -> None:
        """Keep a page; ``rows`` is its weight, since anybody may ask for a name that has thousands of releases."""
        shelf = self._frozen if view.as_of is not None else self._refused if page.refusal else self._pages
        shelf.put((view, project), page, end, weight=rows + 1, made_of=made_of)


Measured = Callable[[Artifact], tuple[int | None, str]]
"""Returns the size in bytes and the METADATA's sha256 of a file that is here, ``None`` and ``""`` where unknown."""


def approved_page(
    project: str, admitted: Sequence[Admitted], measured: Measured, attested: Mapping[str, str]
) -> ProjectPage:
    """Put approved files on a page.

    URLs keep the upstream's path, so that a lock's URLs can be traced back. A file whose upload nobody dated counts as
    uploaded when it was approved: that is later, so a client that waits for files to age waits long enough.
    """
    rows = tuple(_row(row, measured, attested.get(row.artifact.sha256)) for row in admitted)
    releases = {row.artifact.release for row in admitted}
    return ProjectPage(project, tuple(sorted(releases, key=release_order)), rows, _status(admitted))


def _row(admitted: Admitted, measured: Measured, provenance: str | None) -> FileRow:
    artifact = admitted.artifact
    size: int | None = artifact.size
    metadata = artifact.index.get("core-metadata", "") if artifact.filename.endswith(".whl") else None
    if not size or metadata == "":  # an approval from before inspections completed them
        here, found = measured(artifact)
        size = size or here
        metadata = metadata if metadata is None else metadata or found
    return FileRow(
        filename=artifact.filename,
        url=f"../../files/{artifact.path}",
        sha256=artifact.sha256,
        size=size,
        uploaded=moment(artifact.uploaded or admitted.first),
        yanked=artifact.yanked,
        requires_python=artifact.index.get("requires-python"),
        metadata=metadata,
        provenance=provenance,
        built=artifact.built,
    )


def moment(when: datetime) -> str:
    """Write a time as PEP 700 wants it."""
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _status(admitted: Sequence[Admitted]) -> Status | None:
    """Return what the source last said of the project when something of it was approved."""
    index = max(admitted, key=lambda row: row.newest).artifact.index if admitted else {}
    marker = index.get("project-status")
    return Status(marker, index.get("project-status-reason", "")) if marker else None
