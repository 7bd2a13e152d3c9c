"""What an upstream's page of one project says, parsed once and kept small."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property, lru_cache
from sys import intern
from typing import Any, NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from sekisho.errors import BadInputError, CorruptError
from sekisho.model import Artifact

_LONGEST_TAG, _MOST_TAGS, _MOST_COMMENTS = 16 << 10, 250_000, 100
_HEX = frozenset("0123456789abcdef")


class UpstreamFile(NamedTuple):
    """One file as the index lists it, at ``base`` + ``path``.

    ``size`` 0 means that the index does not say (HTML pages).
    ``core_metadata`` is the METADATA's sha256, ``""`` where the index offers it without one, ``None`` where not at all.
    """

    filename: str
    base: str
    path: str
    sha256: str
    size: int
    uploaded: str | None
    yanked: str | None
    requires_python: str | None
    core_metadata: str | None

    @property
    def url(self) -> str:
        """Return where the file is."""
        return self.base + self.path

    @property
    def is_wheel(self) -> bool:
        """Tell whether this is a wheel."""
        return self.filename.endswith(".whl")


class Listing:
    """The files of one project."""

    def __init__(
        self, source: str, project: str, files: tuple[UpstreamFile, ...], versions: tuple[str, ...] = ()
    ) -> None:
        self.source = source
        self.project = project
        self.files = files
        self.versions = versions or tuple(self._releases())

    def _releases(self) -> list[str]:
        releases = (release_of(file.filename, self.project) for file in self.files)
        return sorted({release for release in releases if release}, key=Version)

    @cached_property
    def by_path(self) -> Mapping[str, UpstreamFile]:
        """Return the files by percent-decoded path."""
        return {unquote(file.path) if "%" in file.path else file.path: file for file in self.files}

    def artifacts(self, release: str) -> Iterable[Artifact]:
        """Yield each file of one release as an artifact."""
        for file in self.files:
            if _spells(file.filename, release) and (artifact := self.artifact(file)) and artifact.release == release:
                yield artifact

    def artifact(self, file: UpstreamFile) -> Artifact | None:
        """Return one file as an artifact, or ``None`` for a name that states no release of this project."""
        release = release_of(file.filename, self.project)
        if release is None:
            return None
        index = {"requires-python": file.requires_python, "core-metadata": file.core_metadata}
        try:
            return Artifact.parse(
                {
                    "source": self.source,
                    "project": self.project,
                    "release": release,
                    "filename": file.filename,
                    "path": file.path,
                    "sha256": file.sha256,
                    "size": file.size,
                    "uploaded": file.uploaded,
                    "yanked": file.yanked,
                    "index": {key: value for key, value in index.items() if value},
                },
                where=file.path,
            )
        except BadInputError:
            return None


def _spells(filename: str, release: str) -> bool:
    """Tell whether a file's name may state ``release``: a quick look, before its name is parsed in full."""
    if filename.endswith(".whl"):
        return _canonical(filename.split("-", 2)[1]) == release if "-" in filename else False
    return True


@lru_cache(maxsize=1 << 16)
def _canonical(version: str) -> str | None:
    try:
        return str(Version(version.replace("_", "-")))
    except InvalidVersion:
        return None


def release_of(filename: str, project: str) -> str | None:
    """Return the release that a file's name states, if it is a wheel or sdist of ``project``."""
    try:
        if filename.endswith(".whl"):
            name, version, _, _ = parse_wheel_filename(filename)
        else:
            name, version = parse_sdist_filename(filename)
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return None
    return str(version) if name == project else None


def is_json(content_type: str) -> bool:
    """Tell whether a page is of the JSON form; whatever else it is counts as HTML."""
    return content_type.partition(";")[0].strip().endswith("json")


def parse_listing(source: str, project: str, url: str, content_type: str, body: bytes) -> Listing:
    """Read a page in either form (PEP 691, PEP 503); raise ``CorruptError`` if it is none.

    Files without a sha256, or whose URL has no plain path, are left out: nothing could be verified of them.
    """
    where = urlsplit(url).path
    try:
        if is_json(content_type):
            page = json.loads(body)
            rows, versions = _from_json(page, url), tuple(map(str, page.get("versions", ())))
        else:
            _check_html(body)
            rows, versions = _from_html(project, body.decode(), url), ()
        return Listing(source, project, tuple(row for row in rows if row), versions)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptError(f"source {source!r} sent a page that cannot be read: {error}", where=where) from error


def _from_json(page: Any, base: str) -> list[UpstreamFile | None]:  # noqa: ANN401 (JSON from outside)
    if not str(page["meta"]["api-version"]).startswith("1."):
        message = f"API version {page['meta']['api-version']!r}"
        raise ValueError(message)
    rows = []
    for row in page["files"]:
        metadata = row.get("core-metadata", row.get("dist-info-metadata"))
        yanked = row.get("yanked", False)
        rows.append(
            _file(
                filename=row["filename"],
                url=row["url"] if row["url"].startswith("https://") else urljoin(base, row["url"]),
                sha256=row["hashes"].get("sha256"),
                size=row.get("size") or 0,
                uploaded=row.get("upload-time"),
                yanked=yanked if isinstance(yanked, str) else "" if yanked else None,
                requires_python=row.get("requires-python"),
                metadata=metadata.get("sha256", "") if isinstance(metadata, dict) else "" if metadata else None,
            )
        )
    return rows


def _check_html(body: bytes) -> None:
    """Raise ``ValueError`` for HTML that no index sends and that a parser reads in the square of its length."""
    longest = max(map(len, body.split(b">")))
    if (
        longest > _LONGEST_TAG
        or body.count(b"<") > _MOST_TAGS
        or body.count(b"<!") + body.count(b"<?") > _MOST_COMMENTS
    ):
        message = "it is no index of files"
        raise ValueError(message)


def _from_html(project: str, html: str, base: str) -> list[UpstreamFile | None]:
    from pypi_simple import ProjectPage  # noqa: PLC0415 (pulls in an HTML parser, for indexes without JSON only)

    page = ProjectPage.from_html(project, html, base)
    return [
        _file(
            filename=row.filename,
            url=row.url,
            sha256=row.digests.get("sha256"),
            size=row.size or 0,
            uploaded=_moment(row.upload_time),
            yanked=(row.yanked_reason or "") if row.is_yanked else None,
            requires_python=row.requires_python,
            metadata=((row.metadata_digests or {}).get("sha256", "")) if row.has_metadata else None,
        )
        for row in page.packages
    ]


def _moment(when: datetime | None) -> str | None:
    return when.isoformat() if when else None


def _file(
    *,
    filename: str,
    url: str,
    sha256: str | None,
    size: int,
    uploaded: str | None,
    yanked: str | None,
    requires_python: str | None,
    metadata: str | None,
) -> UpstreamFile | None:
    parts = urlsplit(url)
    path = parts.path.lstrip("/")
    decoded = unquote(path)
    if not sha256 or len(sha256) != 64 or not _HEX.issuperset(sha256) or parts.query or not path:
        return None
    if decoded.rpartition("/")[2] != filename or any(part in {"", ".", ".."} for part in decoded.split("/")):
        return None
    base = intern(f"{parts.scheme}://{parts.netloc}/")
    needs = intern(requires_python) if requires_python else None
    return UpstreamFile(filename, base, path, sha256, int(size), uploaded, yanked, needs, metadata)
