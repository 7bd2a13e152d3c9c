"""What sources list and nobody approved, for workspaces that do not enforce yet.

Nothing is decided here: what is found is shown to the gate. Every name is asked where it is owned, and each file is
fetched and verified against the hash that its source states, as any other.
"""

import hashlib
from typing import NamedTuple

from packaging.utils import parse_sdist_filename, parse_wheel_filename

from sekisho.errors import CorruptError, NotFoundError
from sekisho.model import Artifact
from sekisho_proxy.follow import Held
from sekisho_proxy.gate import Gate, View
from sekisho_proxy.holdings import Holdings
from sekisho_proxy.upstream.advice import TAMPERED
from sekisho_proxy.upstream.listing import Listing, UpstreamFile
from sekisho_proxy.upstream.sidecars import Sidecars
from sekisho_proxy.upstream.source import find_file
from sekisho_proxy.upstream.sources import Upstreams


class Listed(NamedTuple):
    """A file that a source lists."""

    listing: Listing
    file: UpstreamFile
    artifact: Artifact


class Unapproved:
    """Listings and files of sources, for the views whose mode is not ``enforce``."""

    def __init__(self, held: Held, gate: Gate, upstreams: Upstreams, holdings: Holdings, sidecars: Sidecars) -> None:
        self._held = held
        self._gate = gate
        self._upstreams = upstreams
        self._holdings = holdings
        self._sidecars = sidecars

    async def listing(self, view: View, project: str) -> Listing | None:
        """Return what the project's source lists; nothing for a view that enforces, and for what no source has.

        Raises ``UpstreamError`` where the source cannot be asked: a page that shrinks would resolve to something older.
        """
        if self._gate.mode(view) == "enforce":
            return None
        try:
            return (await self._upstreams.pages(self._held.present()).page(project)).listing
        except NotFoundError:
            return None

    async def find(self, view: View, path: str) -> Listed | None:
        """Return the file at a (percent-decoded) path, as its project's source lists it; nothing if none does."""
        project = _project_of(path.rpartition("/")[2])
        if project is None or self._gate.mode(view) == "enforce":
            return None
        try:
            listing, file = await find_file(self._upstreams.pages(self._held.present()), project, path)
        except NotFoundError:
            return None
        artifact = listing.artifact(file)
        return Listed(listing, file, artifact) if artifact else None

    async def metadata(self, listed: Listed) -> bytes:
        """Return a wheel's METADATA, as its source states it, or out of the verified wheel where it does not.

        Raises ``CorruptError`` for one of another hash than the source states.
        """
        stated = listed.file.core_metadata
        if not stated or self._holdings.has(listed.artifact.sha256):
            return await self._holdings.metadata(listed.artifact)
        data = await self._sidecars.get(self._held.present(), listed.listing, listed.file)
        if hashlib.sha256(data).hexdigest() != stated:
            raise CorruptError(
                "the wheel's METADATA is not what the index stated", where=listed.artifact.path, todo=TAMPERED
            )
        return data


def _project_of(filename: str) -> str | None:
    """Return the project that a wheel's or sdist's name states."""
    try:
        wheel = filename.endswith(".whl")
        return parse_wheel_filename(filename)[0] if wheel else parse_sdist_filename(filename)[0]
    except ValueError:  # all that packaging raises, and what Python does of a number that is too long
        return None
