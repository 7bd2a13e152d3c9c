"""The candidate mount: pages and metadata of what is not denied, for the builder's resolver. Never files.

All indexes are one: each project comes from its owner, or from the first that has it. Channels are each by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable

from packaging.utils import canonicalize_name
from packaging.version import Version

from sekisho.errors import BadInputError, CorruptError, NotFoundError, RefusedError
from sekisho.model import Artifact, Facts, Target, normalize_project, normalize_release
from sekisho.policy import Snapshot
from sekisho.ports import Clock
from sekisho_proxy.doors.candidate_channels import ChannelCandidates
from sekisho_proxy.doors.pip import redirect
from sekisho_proxy.doors.service_only import require_service
from sekisho_proxy.exchange import Headers, Reply, Request, json_reply, not_allowed
from sekisho_proxy.follow import Held
from sekisho_proxy.pages.built import BuiltPage
from sekisho_proxy.pages.candidate import listed
from sekisho_proxy.pages.sourced import is_source, sourced, stand_in_metadata
from sekisho_proxy.upstream.sidecars import Sidecars
from sekisho_proxy.upstream.source import Page, find_file
from sekisho_proxy.upstream.sources import Upstreams

_STALE: Headers = ((b"warning", b'110 - "Response is Stale"'),)
_MOST_BUILT = 512
_OTHER = "ask for another release, or for a wheel of this one"

Learn = Callable[[Artifact], Awaitable[tuple[Facts, bool]]]
"""Has a candidate inspected: ``Quarantine.learn``."""


class CandidateMount:
    """Serves ``/candidates/…`` to whoever has the service token."""

    def __init__(
        self,
        held: Held,
        upstreams: Upstreams,
        sidecars: Sidecars,
        token: str,
        clock: Clock,
        learn: Learn,
        channels: ChannelCandidates,
    ) -> None:
        self._held = held
        self._upstreams = upstreams
        self._sidecars = sidecars
        self._token = token
        self._clock = clock
        self._learn = learn
        self._channels = channels
        self._built: dict[str, tuple[Page, int, BuiltPage]] = {}

    async def __call__(self, request: Request) -> Reply:
        """Answer what is below ``/candidates/``."""
        require_service(request, self._token)
        if request.method not in {"GET", "HEAD"}:
            return not_allowed(b"GET, HEAD")
        part, _, tail = request.path.removeprefix("/candidates/").partition("/")
        if part == "conda" and tail:
            return await self._channels(request, tail)
        snapshot = self._held.present()
        if part == "simple" and tail.strip("/"):
            return await self._page(request, snapshot, tail)
        if part == "sources" and tail:
            return await self._sourced(request, snapshot, tail)
        if part == "artifacts" and tail:
            return await self._artifacts(snapshot, tail)
        if part == "files" and tail.endswith(".metadata"):
            return await self._metadata(snapshot, tail.removesuffix(".metadata"))
        if part == "files":
            raise RefusedError(
                "the candidate mount has no files",
                where=request.path,
                todo="install from /w/<workspace>/pypi/simple/ once the file is approved",
            )
        raise NotFoundError("there is nothing at this address", where=request.path)

    async def _page(self, request: Request, snapshot: Snapshot, tail: str) -> Reply:
        name, slash, more = tail.partition("/")
        project = normalize_project("pypi", name)
        if more:
            raise NotFoundError("there is nothing at this address", where=request.path)
        if not slash:
            return redirect(f"/candidates/simple/{project}/")
        page = await self._upstreams.undenied(snapshot, self._clock).page(project)
        known, turn, built = self._built.get(project, (None, -1, None))
        if built is None or known is None or known.checked != page.checked or turn != self._held.turn or page.stale:
            built = BuiltPage(listed(page.listing), quick=True, headers=_STALE if page.stale else ())
            if not page.stale:
                self._keep(project, page, built)
        return await built.answer(request)

    def _keep(self, key: str, page: Page, built: BuiltPage) -> None:
        self._built.pop(key, None)
        while len(self._built) >= _MOST_BUILT:
            self._built.pop(next(iter(self._built)))
        self._built[key] = page, self._held.turn, built

    async def _artifacts(self, snapshot: Snapshot, tail: str) -> Reply:
        name, _, release = tail.partition("/")
        if release and not _is_version(release):
            raise BadInputError(f"{release[:80]!r} is not a release", todo="write a version as PEP 440 has it")
        page = await self._upstreams.undenied(snapshot, self._clock).page(normalize_project("pypi", name))
        which = normalize_release("pypi", release) if release else None

        def rows() -> Reply:
            return json_reply([artifact.plain() for artifact in page.listing.artifacts(which)])

        return await asyncio.to_thread(rows)  # of all releases they may be thousands

    async def _metadata(self, snapshot: Snapshot, tail: str) -> Reply:
        source, _, path = tail.partition("/")
        project = canonicalize_name(path.rpartition("/")[2].partition("-")[0])
        pages = self._upstreams.undenied(snapshot, self._clock)
        listing, file = await find_file(pages, normalize_project("pypi", project), path)
        if listing.source != source:
            raise NotFoundError(f"{listing.project} comes from source {listing.source!r}", where=path)
        if file.is_wheel:
            data = await self._sidecars.get(snapshot, listing, file)
        else:
            data = await self._of_source(listing.artifact(file), path)
        return Reply(
            200, ((b"content-type", b"application/octet-stream"), (b"cache-control", b"private, max-age=600")), data
        )

    async def _of_source(self, artifact: Artifact | None, path: str) -> bytes:
        """Return what source says of itself; it is fetched into quarantine and inspected for that.

        Raises ``CorruptError`` for source that cannot be read: what it needs is not known.
        """
        if artifact is None or not is_source(artifact.filename):
            raise NotFoundError("only wheels and sources have metadata", where=path)
        facts, _ = await self._learn(artifact)
        if unreadable := [finding.detail for finding in facts.findings if finding.code == "archive_confusion"]:
            raise CorruptError(f"the source cannot be read: {unreadable[0]}", where=path, todo=_OTHER)
        return stand_in_metadata(artifact, facts)

    async def _sourced(self, request: Request, snapshot: Snapshot, tail: str) -> Reply:
        """Answer with a page on which source stands in for the wheel that a release has not for a target."""
        python, glibc, arch, simple, name, *more = (*tail.split("/", 5), "", "", "", "", "")[:6]
        if simple != "simple" or not name or any(more):
            raise NotFoundError("there is nothing at this address", where=request.path)
        target = Target.parse({"python": python, "glibc": glibc, "arch": arch}, where=request.path)
        project = normalize_project("pypi", name)
        if not tail.endswith("/"):
            return redirect(f"{request.path.rpartition('/')[0]}/{project}/")
        page = await self._upstreams.undenied(snapshot, self._clock).page(project)
        return await BuiltPage(sourced(page.listing, target), quick=True).answer(request)


def _is_version(release: str) -> bool:
    try:
        Version(release)
    except ValueError:  # InvalidVersion, or a number that Python does not read
        return False
    return True
