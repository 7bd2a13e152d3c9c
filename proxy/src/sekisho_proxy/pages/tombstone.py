"""What a page shows for a project that has nothing to offer: two files that nobody can install but every client reads.

A 404 would send clients to their next index, and their words for 403 hide the reason. A yanked file (PEP 592) is
never installed unless asked for by its exact version; uv prints the reason for the yank, pip prints the version. So
the reason stands in both: as a sentence, and as words in the version's local part.
"""

import re
from urllib.parse import quote, urlsplit

from sekisho_proxy.gate import request_link
from sekisho_proxy.pages.value import FileRow, ProjectPage

_OTHER = re.compile(r"[^a-z0-9]+")
_NO_SHA256 = "0" * 64


def words(rule: str, ask: str) -> str:
    """Return rule and address as a local version label (PEP 440): letters, digits and dots."""
    parts = urlsplit(ask)
    host = _OTHER.sub(".", (parts.hostname or "").lower()).strip(".") or "your.administrator"
    port = f".port.{parts.port}" if parts.port else ""
    return f"refused.by.rule.{_OTHER.sub('.', rule.lower()).strip('.')}.ask.at.{host}{port}"


def denied_path(rule: str, ask: str) -> str:
    """Return the folder of the tombstones' URLs, which pip prints when someone insists on a tombstone."""
    slug = _OTHER.sub("-", rule.lower()).strip("-")
    return f"denied/{slug}--ask-at-{quote(urlsplit(ask).netloc, safe='')}"


def tombstones(project: str, rule: str, sentence: str, ask: str) -> ProjectPage:
    """Return the page of a project that was refused.

    The second version is so high that specifiers such as ``>=1`` meet a tombstone as well.
    """
    reason = f"Sekisho refused {project}: {sentence} (rule {rule}). Ask at {request_link(ask, project)}"
    versions = tuple(f"{epoch}0+{words(rule, ask)}" for epoch in ("", "9999!"))
    names = [f"{project.replace('-', '_')}-{version}-py3-none-any.whl" for version in versions]
    folder = f"../../../{denied_path(rule, ask)}"
    rows = tuple(
        FileRow(
            filename=name,
            url=f"{folder}/{quote(name, safe='')}",
            sha256=_NO_SHA256,
            size=0,
            uploaded="1980-01-01T00:00:00Z",
            yanked=reason,
        )
        for name in names
    )
    return ProjectPage(project, versions, rows)
