"""The value of an index page, and its two forms: JSON (PEP 691) and HTML (PEP 503) rendered from the same.

API version 1.4: sizes and upload times (PEP 700), metadata (PEP 658, 714), yanks (PEP 592), provenance (PEP 740) and
project status (PEP 792). PEP 833 froze the HTML form, so JSON is the model and HTML carries what it can.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from html import escape
from typing import Any, NamedTuple

from packaging.version import Version

API_VERSION = "1.4"
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_META = {"api-version": API_VERSION}


class FileRow(NamedTuple):
    """One file of a page. ``url`` is relative to the page.

    ``sha256`` is empty for what has no bytes. ``size`` is in bytes, ``None`` where nobody knows it. ``uploaded`` is
    written as PEP 700 wants it. ``metadata`` is the METADATA's sha256, ``""`` for one that is there without a stated
    hash, ``None`` for none. ``provenance`` is the path of the file's provenance from our root: PEP 740 wants a whole
    URL, so the page is rendered per origin. ``built`` is the sha256 of the source that this was built from here: no
    index has the file.
    """

    filename: str
    url: str
    sha256: str
    size: int | None
    uploaded: str | None = None
    yanked: str | None = None
    requires_python: str | None = None
    metadata: str | None = None
    provenance: str | None = None
    built: str | None = None

    def plain(self, origin: str = "") -> dict[str, Any]:
        """Return the row under the API's key names."""
        hashes = {"sha256": self.sha256} if self.sha256 else {}
        row: dict[str, Any] = {"filename": self.filename, "url": self.url, "hashes": hashes}
        if self.size is not None:
            row["size"] = self.size
        row["yanked"] = False if self.yanked is None else self.yanked or True
        if self.uploaded:
            row["upload-time"] = self.uploaded
        if self.requires_python:
            row["requires-python"] = self.requires_python
        if self.metadata is not None:
            row["core-metadata"] = {"sha256": self.metadata} if self.metadata else True
        if self.provenance:
            row["provenance"] = origin + self.provenance
        if self.built:
            row["_built-from"] = {"sha256": self.built}  # PEP 691 leaves keys with an underscore to whoever serves
        return row


class Status(NamedTuple):
    """A project's status (PEP 792) and the reason for it, as its source tells them."""

    marker: str
    reason: str = ""

    def plain(self) -> dict[str, str]:
        """Return it under the API's key names."""
        return {"status": self.marker} | ({"reason": self.reason} if self.reason else {})


class ProjectPage(NamedTuple):
    """The files of one project. Without a ``status`` it is active."""

    project: str
    versions: tuple[str, ...]
    files: tuple[FileRow, ...]
    status: Status | None = None

    @property
    def rows(self) -> int:
        """Return how many rows there are to render."""
        return len(self.files)

    @property
    def names_origin(self) -> bool:
        """Tell whether a row holds a whole URL."""
        return any(row.provenance for row in self.files)

    def to_json(self, origin: str = "") -> bytes:
        """Render the JSON form."""
        status = {"project-status": self.status.plain()} if self.status else {}
        head = {"meta": _META, "name": self.project, **status, "versions": self.versions}
        return _dump(head, "files", (row.plain(origin) for row in self.files))

    def to_html(self, origin: str = "") -> bytes:
        """Render the HTML form."""
        metas = {}
        if self.status:
            metas["pypi:project-status"] = self.status.marker
            if self.status.reason:
                metas["pypi:project-status-reason"] = self.status.reason
        return _html(f"Links for {self.project}", _told(self.files, origin), metas)


class LatePage:
    """A project's page whose rows are made when it is first rendered: that is off the event loop if they are many.

    ``rows`` is about how many; ``names_origin`` tells whether one of them may hold a whole URL.
    """

    def __init__(self, rows: int, make: Callable[[], ProjectPage], *, names_origin: bool = False) -> None:
        self.rows = rows
        self.names_origin = names_origin
        self._make = make

    @cached_property
    def page(self) -> ProjectPage:
        """Return the page, made once."""
        return self._make()

    def to_json(self, origin: str = "") -> bytes:
        """Render the JSON form."""
        return self.page.to_json(origin)

    def to_html(self, origin: str = "") -> bytes:
        """Render the HTML form."""
        return self.page.to_html(origin)


class ProjectList(NamedTuple):
    """The names of which something may be had."""

    projects: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Return how many rows there are to render."""
        return len(self.projects)

    @property
    def names_origin(self) -> bool:
        """Tell that every address in it is relative."""
        return False

    def to_json(self, _origin: str = "") -> bytes:
        """Render the JSON form."""
        return _dump({"meta": _META}, "projects", ({"name": name} for name in self.projects))

    def to_html(self, _origin: str = "") -> bytes:
        """Render the HTML form."""
        return _html("Projects", (f'<a href="{escape(name)}/">{escape(name)}</a>' for name in self.projects))


def release_order(release: str) -> tuple[bool, Version | str]:
    """Return what sorts releases; those that are no versions come first."""
    try:
        return True, Version(release)
    except ValueError:  # InvalidVersion, or a number that Python does not read
        return False, release


def _dump(head: Mapping[str, object], key: str, rows: Iterable[object]) -> bytes:
    """Serialise an object whose last key has many rows, one by one: a single call would hold the interpreter for long.

    Half a surrogate pair, which a source can send but UTF-8 cannot hold, becomes a question mark.
    """
    many = ",".join(map(_compact, rows))
    return f'{_compact(head)[:-1]},"{key}":[{many}]}}'.encode(errors="replace")


def _told(rows: Iterable[FileRow], origin: str) -> Iterator[str]:
    """Yield the anchors; behind the first of those that are yanked for one reason stands that reason, for people."""
    before = None
    for row in rows:
        said = f" {escape(row.yanked)}" if row.yanked and row.yanked != before else ""
        before = row.yanked
        yield _anchor(row, origin) + said


def _anchor(row: FileRow, origin: str) -> str:
    attributes = {"href": f"{row.url}#sha256={row.sha256}" if row.sha256 else row.url}
    if row.requires_python:
        attributes["data-requires-python"] = row.requires_python
    if row.yanked is not None:
        attributes["data-yanked"] = row.yanked
    if row.metadata is not None:
        stated = f"sha256={row.metadata}" if row.metadata else "true"
        attributes |= {"data-core-metadata": stated, "data-dist-info-metadata": stated}
    if row.provenance:
        attributes["data-provenance"] = origin + row.provenance
    if row.built:
        attributes["data-built-from"] = f"sha256={row.built}"
    inside = " ".join(f'{key}="{escape(value)}"' for key, value in attributes.items())
    return f"<a {inside}>{escape(row.filename)}</a>"


def _html(title: str, anchors: Iterable[str], metas: dict[str, str] | None = None) -> bytes:
    told = {"pypi:repository-version": API_VERSION} | (metas or {})
    head = "".join(f'<meta name="{name}" content="{escape(value)}">' for name, value in told.items())
    lines = "".join(f"{anchor}<br>\n" for anchor in anchors)
    return (
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8">{head}<title>{escape(title)}</title></head>\n'
        f"<body><h1>{escape(title)}</h1>\n{lines}</body></html>\n"
    ).encode(errors="replace")
