"""The value of an index page, and its two forms: JSON (PEP 691, 700, 714) and HTML (PEP 503) rendered from the same.

PEP 833 froze the HTML form, so JSON is the model and HTML carries what it can.
"""

import json
from collections.abc import Iterable
from html import escape
from typing import Any, NamedTuple

_META = {"api-version": "1.1"}
_HEAD = (
    '<!DOCTYPE html>\n<html><head><meta name="pypi:repository-version" content="1.1"><title>{title}</title></head>\n'
)


class FileRow(NamedTuple):
    """One file of a page. ``url`` is relative to the page.

    ``metadata`` is the METADATA's sha256, ``""`` for one that is there without a stated hash, ``None`` for none.
    """

    filename: str
    url: str
    sha256: str
    size: int
    uploaded: str | None = None
    yanked: str | None = None
    requires_python: str | None = None
    metadata: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return the row under the API's key names."""
        row: dict[str, Any] = {
            "filename": self.filename,
            "url": self.url,
            "hashes": {"sha256": self.sha256},
            "size": self.size,
            "yanked": False if self.yanked is None else self.yanked or True,
        }
        if self.uploaded:
            row["upload-time"] = self.uploaded
        if self.requires_python:
            row["requires-python"] = self.requires_python
        if self.metadata is not None:
            row["core-metadata"] = {"sha256": self.metadata} if self.metadata else True
        return row


class ProjectPage(NamedTuple):
    """The files of one project."""

    project: str
    versions: tuple[str, ...]
    files: tuple[FileRow, ...]

    def to_json(self) -> bytes:
        """Render the JSON form."""
        files = [row.plain() for row in self.files]
        return _dump({"meta": _META, "name": self.project, "versions": self.versions, "files": files})

    def to_html(self) -> bytes:
        """Render the HTML form."""
        return _html(f"Links for {self.project}", (_anchor(row) for row in self.files))


class ProjectList(NamedTuple):
    """The names of which something may be had."""

    projects: tuple[str, ...]

    def to_json(self) -> bytes:
        """Render the JSON form."""
        return _dump({"meta": _META, "projects": [{"name": name} for name in self.projects]})

    def to_html(self) -> bytes:
        """Render the HTML form."""
        return _html("Projects", (f'<a href="{escape(name)}/">{escape(name)}</a>' for name in self.projects))


def _dump(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _anchor(row: FileRow) -> str:
    attributes = {"href": f"{row.url}#sha256={row.sha256}"}
    if row.requires_python:
        attributes["data-requires-python"] = row.requires_python
    if row.yanked is not None:
        attributes["data-yanked"] = row.yanked
    if row.metadata is not None:
        attributes["data-core-metadata"] = f"sha256={row.metadata}" if row.metadata else "true"
    inside = " ".join(f'{key}="{escape(value)}"' for key, value in attributes.items())
    return f"<a {inside}>{escape(row.filename)}</a>"


def _html(title: str, anchors: Iterable[str]) -> bytes:
    lines = "".join(f"{anchor}<br>\n" for anchor in anchors)
    return f"{_HEAD.format(title=escape(title))}<body><h1>{escape(title)}</h1>\n{lines}</body></html>\n".encode()
