"""What an upstream's page of one project says, parsed once and kept small."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property, lru_cache
from sys import intern
from typing import Any, NamedTuple, TypeGuard
from urllib.parse import unquote, urljoin, urlsplit

from packaging.utils import parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from sekisho.errors import BadInputError, CorruptError
from sekisho.model import Artifact
from sekisho_proxy.pages.value import Status
from sekisho_proxy.upstream.advice import LATER

_LONGEST_TAG, _MOST_TAGS, _MOST_COMMENTS = 16 << 10, 250_000, 100
_HEX = frozenset("0123456789abcdef")
_ODD = re.compile(r"[\s\\?#\x00-\x1f]")
_MARKERS = frozenset({"archived", "deprecated", "quarantined"})
_LONGEST_REASON = 500


class UpstreamFile(NamedTuple):
    """One file as the index lists it, at ``base`` + ``path``.

    ``size`` 0 means that the index does not say (HTML pages).
    ``core_metadata`` is the METADATA's sha256, ``""`` where the index offers it without one, ``None`` where not at all.
    ``provenance`` is the path of its provenance (PEP 740), on the host of the index or of the file.
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
    provenance: str | None = None

    @property
    def url(self) -> str:
        """Return where the file is."""
        return self.base + self.path

    @property
    def is_wheel(self) -> bool:
        """Tell whether this is a wheel."""
        return self.filename.endswith(".whl")


class Listing:
    """The files of one project, and its status (PEP 792): a quarantined one has no files, whatever the page lists."""

    def __init__(
        self,
        source: str,
        project: str,
        files: tuple[UpstreamFile, ...],
        versions: tuple[str, ...] = (),
        status: Status | None = None,
    ) -> None:
        self.source = source
        self.project = project
        self.files = () if status and status.marker == "quarantined" else files
        self.status = status
        self.versions = versions or tuple(self._releases())

    def _releases(self) -> list[str]:
        releases = (release_of(file.filename, self.project) for file in self.files)
        return sorted({release for release in releases if release}, key=Version)

    @cached_property
    def by_path(self) -> Mapping[str, UpstreamFile]:
        """Return the files by percent-decoded path."""
        return {unquote(file.path) if "%" in file.path else file.path: file for file in self.files}

    def artifacts(self, release: str | None) -> Iterable[Artifact]:
        """Yield each file of one release, or of all, as an artifact."""
        for file in self.files:
            if release is not None and not _spells(file.filename, release):
                continue
            if (artifact := self.artifact(file)) and release in (None, artifact.release):
                yield artifact

    def artifact(self, file: UpstreamFile) -> Artifact | None:
        """Return one file as an artifact, or ``None`` for a name that states no release of this project."""
        release = release_of(file.filename, self.project)
        if release is None:
            return None
        index = {
            "requires-python": file.requires_python,
            "core-metadata": file.core_metadata,
            "provenance": file.provenance,
            "project-status": self.status and self.status.marker,
            "project-status-reason": self.status and self.status.reason,
        }
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
    except ValueError:  # InvalidVersion, or a number that Python does not read
        return None


def release_of(filename: str, project: str) -> str | None:
    """Return the release that a file's name states, if it is a wheel or sdist of ``project``."""
    try:
        if filename.endswith(".whl"):
            name, version, _, _ = parse_wheel_filename(filename)
        else:
            name, version = parse_sdist_filename(filename)
    except ValueError:  # all that packaging raises, and what Python does of a number that is too long
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
            status = _status(**page.get("project-status") or {})
        else:
            _check_html(body)
            rows, status = _from_html(project, body.decode(), url)
            versions = ()
        return Listing(source, project, tuple(row for row in rows if row), versions, status)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptError(
            f"source {source!r} sent a page that cannot be read: {error}", where=where, todo=LATER
        ) from error


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
                url=row["url"] if row["url"].startswith(("https://", "http://")) else urljoin(base, row["url"]),
                sha256=row["hashes"].get("sha256"),
                size=row.get("size") or 0,
                uploaded=row.get("upload-time"),
                yanked=yanked if isinstance(yanked, str) else "" if yanked else None,
                requires_python=row.get("requires-python"),
                metadata=metadata.get("sha256", "") if isinstance(metadata, dict) else "" if metadata else None,
                provenance=_below(base, row.get("provenance"), row["url"]),
            )
        )
    return rows


def _status(status: object = None, reason: object = None, **_more: object) -> Status | None:
    """Return a project's status; an active one, or one that PEP 792 does not know, is none."""
    if status not in _MARKERS:
        return None
    return Status(str(status), " ".join(str(reason or "").split())[:_LONGEST_REASON])


def _below(page: str, provenance: object, file: str) -> str | None:
    """Return the path of a provenance that is where the page or the file is, or ``None``: elsewhere nobody asks."""
    if not isinstance(provenance, str) or not provenance:
        return None
    parts, own = urlsplit(urljoin(page, provenance)), urlsplit(page)
    path = parts.path.lstrip("/")
    plain = not parts.query and not _ODD.search(path) and all(p not in {"", ".", ".."} for p in path.split("/"))
    hosts = {(own.scheme, own.netloc), urlsplit(urljoin(page, file))[:2]}
    return path if plain and (parts.scheme, parts.netloc) in hosts else None


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


def _from_html(project: str, html: str, base: str) -> tuple[list[UpstreamFile | None], Status | None]:
    from pypi_simple import ProjectPage  # noqa: PLC0415 (pulls in an HTML parser, for indexes without JSON only)

    page = ProjectPage.from_html(project, html, base)
    rows = [
        _file(
            filename=row.filename,
            url=row.url,
            sha256=row.digests.get("sha256"),
            size=row.size or 0,
            uploaded=_moment(row.upload_time),
            yanked=(row.yanked_reason or "") if row.is_yanked else None,
            requires_python=row.requires_python,
            metadata=((row.metadata_digests or {}).get("sha256", "")) if row.has_metadata else None,
            provenance=_below(base, row.provenance_url, row.url),
        )
        for row in page.packages
    ]
    return rows, _status(page.status and page.status.value, page.status_reason)


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
    provenance: str | None,
) -> UpstreamFile | None:
    parts = urlsplit(url)
    path = parts.path.lstrip("/")
    decoded = unquote(path)
    if not _is_sha256(sha256) or parts.query or not path:
        return None
    if decoded.rpartition("/")[2] != filename or any(part in {"", ".", ".."} for part in decoded.split("/")):
        return None
    base = intern(f"{parts.scheme}://{parts.netloc}/")
    needs = intern(requires_python) if requires_python else None
    stated = metadata if not metadata or _is_sha256(metadata) else ""
    return UpstreamFile(filename, base, path, sha256, int(size), uploaded, yanked, needs, stated, provenance)


def _is_sha256(text: str | None) -> TypeGuard[str]:
    return text is not None and len(text) == 64 and _HEX.issuperset(text)
