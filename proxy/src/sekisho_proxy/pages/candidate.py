"""Candidate pages: what a source lists, as a resolver of ours reads it."""

from collections.abc import Callable
from typing import NamedTuple

from sekisho_proxy.pages.value import FileRow, ProjectPage
from sekisho_proxy.upstream.listing import Listing, UpstreamFile


class CandidatePage(NamedTuple):
    """A page of about ``rows`` rows. They are made anew for each form: kept, they would cost more memory than it."""

    rows: int
    make: Callable[[], ProjectPage]

    @property
    def names_origin(self) -> bool:
        """Tell that every address in it is relative."""
        return False

    def to_json(self, _origin: str = "") -> bytes:
        """Render the JSON form."""
        return self.make().to_json()

    def to_html(self, _origin: str = "") -> bytes:
        """Render the HTML form."""
        return self.make().to_html()


def listed(listing: Listing) -> CandidatePage:
    """Return upstream's files as a page; every wheel has metadata, because it is read out of the wheel if need be."""

    def make() -> ProjectPage:
        rows = tuple(
            row_of(file, f"../../files/{listing.source}/", has_metadata=file.is_wheel) for file in listing.files
        )
        return ProjectPage(listing.project, listing.versions, rows, listing.status)

    return CandidatePage(len(listing.files), make)


def row_of(file: UpstreamFile, files: str, *, name: str = "", has_metadata: bool = True) -> FileRow:
    """Return a file's row with its address below ``files``; ``name`` is what it goes by here, if not by its own."""
    return FileRow(
        filename=name or file.filename,
        url=files + file.path,
        sha256=file.sha256,
        size=file.size or None,
        uploaded=file.uploaded,
        yanked=file.yanked,
        requires_python=file.requires_python,
        metadata="" if has_metadata else None,
    )
