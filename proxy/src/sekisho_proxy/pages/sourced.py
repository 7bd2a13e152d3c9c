"""A candidate page on which source stands in for wheels that are not there, so that a resolver need build nothing.

Such a row looks like a wheel for any platform, of build ``0source``: a real wheel that the target takes goes before it.
Its METADATA is what the inspection read in the source (PEP 643, or what setuptools keeps beside it). There is no file.
"""

import re

from packaging.tags import Tag
from packaging.utils import canonicalize_name, parse_wheel_filename

from sekisho.model import Artifact, Facts, Target
from sekisho.model.tags import wheel_tags
from sekisho_proxy.pages.candidate import CandidatePage, row_of
from sekisho_proxy.pages.value import ProjectPage
from sekisho_proxy.upstream.listing import Listing, release_of

_EXTRA = re.compile(r"""extra\s*==\s*["']([A-Za-z0-9._-]+)["']""")


def is_source(filename: str) -> bool:
    """Tell whether a file is source that can be inspected and built: what PEP 625 calls a source distribution."""
    return filename.endswith(".tar.gz")


def stand_in_metadata(artifact: Artifact, facts: Facts) -> bytes:
    """Return as METADATA what source says that its wheel will need."""
    lines = ["Metadata-Version: 2.1", f"Name: {artifact.project}", f"Version: {artifact.release}"]
    lines += [f"Requires-Python: {facts.requires_python}"] if facts.requires_python else []
    lines += [f"Requires-Dist: {text}" for text in facts.requires]
    extras = {canonicalize_name(name) for text in facts.requires for name in _EXTRA.findall(text)}
    lines += [f"Provides-Extra: {name}" for name in sorted(extras)]
    return "".join(f"{line}\n" for line in lines if line.isprintable()).encode()


def sourced(listing: Listing, target: Target) -> CandidatePage:
    """Return the files of a listing for one target, with source where it has no wheel of a release.

    In HTML no source stands in: a name there is the end of its address.
    """
    tags, project = frozenset(wheel_tags(target)), listing.project
    files = f"../../../../../../files/{listing.source}/"

    def make() -> ProjectPage:
        wheels = [file for file in listing.files if file.is_wheel and _fits(file.filename, tags)]
        have = {release_of(file.filename, project) for file in wheels}
        rows = [row_of(file, files) for file in wheels]
        for file in listing.files:
            release = release_of(file.filename, project) if is_source(file.filename) else None
            if release and release not in have:
                have.add(release)
                name = f"{project.replace('-', '_')}-{release}-0source-py3-none-any.whl"
                rows.append(row_of(file, files, name=name))
        return ProjectPage(project, listing.versions, tuple(rows), listing.status)

    return CandidatePage(len(listing.files), make)


def _fits(filename: str, tags: frozenset[Tag]) -> bool:
    try:
        return not tags.isdisjoint(parse_wheel_filename(filename)[3])
    except ValueError:  # all that packaging raises, and what Python does of a number that is too long
        return False
