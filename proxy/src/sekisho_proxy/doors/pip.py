"""The pip door: of a workspace's door ``pypi/…``, pages and files, and ``denied/…``, the tombstones' addresses."""

import re
from dataclasses import replace
from urllib.parse import quote

from sekisho.errors import BadInputError, NotFoundError
from sekisho.model import Artifact, normalize_project, normalize_release, sha256_hex
from sekisho.ports import Clock
from sekisho_proxy.doors.files import BYTES, KEEP, send_file
from sekisho_proxy.doors.workspace import Asked
from sekisho_proxy.exchange import Reply, Request
from sekisho_proxy.gate import Gate, Passed, View
from sekisho_proxy.holdings import Holdings
from sekisho_proxy.negotiate import matches
from sekisho_proxy.origin import Origins
from sekisho_proxy.pages.book import Book
from sekisho_proxy.pages.legacy import LegacyBook
from sekisho_proxy.pages.relaxed import RelaxedBook
from sekisho_proxy.provenance import MEDIA_TYPE
from sekisho_proxy.refusal import NotAdmittedError
from sekisho_proxy.unapproved import Listed, Unapproved
from sekisho_proxy.upstream.listing import Listing
from sekisho_proxy.upstream.reach import Reach

_LEGACY = re.compile(r"pypi/(?:simple/pypi/|pypi/|(?!simple/|files/|pypi/))([^/]{1,200})/(?:([^/]{1,200})/)?json/?")
_ASK_AGAIN = (b"cache-control", b"no-cache")
_ATTESTED = (b"content-type", MEDIA_TYPE.encode())


class PipDoor:
    """Serves ``pypi/…``, simple and legacy, and ``denied/…`` of every workspace."""

    def __init__(
        self,
        gate: Gate,
        book: Book,
        holdings: Holdings,
        reach: Reach | None,
        clock: Clock,
        origin: Origins,
        unapproved: Unapproved | None = None,
    ) -> None:
        self._gate = gate
        self._book = book
        self._legacy = LegacyBook(book, gate, holdings)
        self._holdings = holdings
        self._reach = reach
        self._clock = clock
        self._origin = origin
        self._unapproved = unapproved
        self._relaxed = RelaxedBook(book, gate)

    async def close(self) -> None:
        """Stop what is being built."""
        await self._relaxed.close()

    async def __call__(self, request: Request, asked: Asked) -> Reply:
        """Answer what is below ``pypi/`` and ``denied/``."""
        view, door, rest = asked
        if rest.startswith("pypi/") and (wanted := legacy_address(rest)):
            return await self._legacy_page(request, view, door, *wanted)
        if rest.startswith("pypi/simple/"):
            if self._reach:
                await self._reach.known()
            return await self._page(request, view, rest.removeprefix("pypi/simple/"))
        if rest.startswith("pypi/files/"):
            return await self._file(request, view, rest.removeprefix("pypi/files/"))
        if rest.startswith("denied/"):
            raise self._denied(request, view, rest.removeprefix("denied/"))
        if rest == "pypi/simple":
            return redirect(f"{request.path}/")
        raise NotFoundError(
            "there is nothing at this address", where=request.path, todo=f"the index is at {door}/pypi/simple/"
        )

    async def _legacy_page(self, request: Request, view: View, door: str, name: str, release: str | None) -> Reply:
        if self._reach:
            await self._reach.known()
        project, now = _normal(name), self._clock()
        if listing := await self._listing(view, project):
            page = await self._legacy.relaxed(view, listing, release, now, self._relaxed)
        else:
            page = self._legacy.page(view, project, release, now)
        return await page.answer(request, lambda asked: self._origin(asked) + door)

    async def _listing(self, view: View, project: str) -> Listing | None:
        return await self._unapproved.listing(view, project) if self._unapproved else None

    async def _page(self, request: Request, view: View, rest: str) -> Reply:
        name, slash, more = rest.partition("/")
        if more or (slash and not name):
            raise NotFoundError("there is nothing at this address", where=request.path)
        if not name:
            return await self._book.projects(view, self._clock()).answer(request, self._origin)
        project = _normal(name)
        if not slash:
            return redirect(f"{request.path.removesuffix(rest)}{project}/")
        if self._gate.mode(view) != "enforce" and (listing := await self._listing(view, project)):
            page = await self._relaxed.project(view, listing, self._clock())
            return await page.answer(request, self._origin)
        await self._book.learn(project)
        return await self._book.project(view, project, self._clock()).answer(request, self._origin)

    def _denied(self, request: Request, view: View, rest: str) -> NotAdmittedError:
        """Return the refusal of a tombstone: ``<project>/<release>``, or a file's name below a folder of words."""
        folder, _, name = rest.rpartition("/")
        is_file = "-" in name or not folder
        project, release = (name.partition("-")[0], "") if is_file else (folder, normalize_release("pypi", name))
        now = self._clock()
        return self._gate.refusal(view, "pypi", _normal(project), now, where=request.path, release=release)

    async def _file(self, request: Request, view: View, path: str) -> Reply:
        bare = path.removesuffix(".metadata").removesuffix(".provenance")
        passed, listed = await self._pass(view, bare)
        if bare != path:
            if path not in {f"{bare}.metadata", f"{bare}.provenance"}:
                raise NotFoundError("there is nothing at this address", where=request.path)
            beside = self._metadata if path.endswith(".metadata") else self._provenance
            reply = await beside(request, passed.artifact, listed)
        else:
            reply = await send_file(request, passed.artifact, self._holdings)
        again, _ = await self._pass(view, bare, listed)
        if again.artifact.sha256 != passed.artifact.sha256:  # fetching may have taken minutes
            return await self._file(request, view, path)
        return replace(reply, refusal=again.refusal) if again.refusal and bare == path else reply

    async def _pass(self, view: View, path: str, listed: Listed | None = None) -> tuple[Passed, Listed | None]:
        """Ask the gate, and where it says no and does not enforce, ask it again with what a source lists."""
        try:
            return self._gate.pass_through(view, "pypi", path, self._clock(), listed=listed and listed.artifact), listed
        except NotAdmittedError:
            found = await self._unapproved.find(view, path) if self._unapproved and not listed else None
            if found is None:
                raise
        return self._gate.pass_through(view, "pypi", path, self._clock(), listed=found.artifact), found

    async def _metadata(self, request: Request, artifact: Artifact, listed: Listed | None) -> Reply:
        if not artifact.filename.endswith(".whl"):
            raise NotFoundError("only wheels have metadata", where=artifact.path)
        if listed and self._unapproved:
            return _whole(request, await self._unapproved.metadata(listed), BYTES, KEEP)
        return _whole(request, await self._holdings.metadata(artifact), BYTES, KEEP)

    async def _provenance(self, request: Request, artifact: Artifact, _listed: Listed | None) -> Reply:
        return _whole(request, await self._holdings.provenances.get(artifact), _ATTESTED, _ASK_AGAIN)


def _whole(request: Request, data: bytes, kind: tuple[bytes, bytes], keep: tuple[bytes, bytes]) -> Reply:
    """Answer with a small value, or with 304 to whoever has it."""
    etag = f'"{sha256_hex(data)}"'
    shared = (kind, keep, (b"etag", etag.encode()))
    return Reply(304, shared) if matches(request.header(b"if-none-match"), etag) else Reply(200, shared, data)


def legacy_address(rest: str) -> tuple[str, str | None] | None:
    """Return (name, release) that a path below a door asks of the legacy JSON API, or ``None`` for another path.

    Clients make the address from the index's: beside ``simple/``, or at ``pypi/`` below or beside it. So a project
    named ``simple``, ``files`` or ``pypi`` is found at ``pypi/pypi/<name>/json`` only.
    """
    match = _LEGACY.fullmatch(rest)
    return (match[1], match[2]) if match else None


def redirect(path: str) -> Reply:
    """Answer that the page has another address."""
    return Reply(308, ((b"location", quote(path, safe="/@:").encode()), (b"cache-control", b"no-cache")))


def _normal(name: str) -> str:
    try:
        return normalize_project("pypi", name)
    except BadInputError as error:
        raise NotFoundError(error.what, todo=error.todo) from error
