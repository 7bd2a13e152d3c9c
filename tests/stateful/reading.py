"""Read what clients read: any body without its encoding, and the rows of a page in either form."""

import gzip
import json
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

from tests.stateful.messages import Answer, Asked

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def plain_body(answer: Answer) -> bytes:
    """Return a body without its content encoding."""
    encoding = answer.header("content-encoding")
    if not encoding or not answer.body:
        return answer.body
    return {"gzip": gzip.decompress, "zstd": zstd.decompress}[encoding](answer.body)


@dataclass(frozen=True)
class Row:
    """One file that a page lists. ``path`` is where its URL leads on this server, as the server reads it."""

    filename: str
    path: str
    sha256: str
    yanked: bool
    metadata: object = None
    provenance: str = ""


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[dict, str]] = []

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.found.append((dict(attrs), ""))

    def handle_data(self, data):
        if self.found and not self.found[-1][1]:
            self.found[-1] = self.found[-1][0], data.strip()


def _anchors(body: bytes) -> list[tuple[dict, str]]:
    parser = _Anchors()
    parser.feed(body.decode())
    parser.close()
    return parser.found


def _leads_to(page: str, url: str) -> str:
    """Return the path that a client asks for; a URL to another host is kept whole."""
    whole = urljoin(f"http://door.test{page}", url)
    parts = urlsplit(whole)
    return unquote(parts.path) if parts.netloc == "door.test" and not parts.query else whole


def rows(page: str, answer: Answer) -> list[Row]:
    """Return the files that an answer lists, whatever its form; ``page`` is the target that was asked."""
    body = plain_body(answer)
    if "json" in answer.header("content-type"):
        return [_json_row(page, row) for row in json.loads(body)["files"]]
    return [
        Row(
            filename=text,
            path=_leads_to(page, attrs["href"].partition("#")[0]),
            sha256=attrs["href"].partition("#sha256=")[2],
            yanked="data-yanked" in attrs,
            metadata=attrs.get("data-core-metadata"),
            provenance=attrs.get("data-provenance", ""),
        )
        for attrs, text in _anchors(body)
    ]


def _json_row(page: str, row: dict) -> Row:
    metadata = row.get("core-metadata")
    if isinstance(metadata, dict):
        metadata = f"sha256={metadata['sha256']}"
    path = _leads_to(page, row["url"])
    return Row(
        row["filename"],
        path,
        row["hashes"].get("sha256", ""),
        bool(row["yanked"]),
        metadata,
        row.get("provenance") or "",
    )


def own_names(asked: Asked) -> set[str]:
    """Return by what name the proxy may call itself: as it was called, or as its settings say."""
    return {asked.header("host") or "door.test", "127.0.0.1:0"}


def legacy_rows(asked: Asked, answer: Answer) -> tuple[list[tuple], list[tuple]]:
    """Return the files of all releases, and of the one, of the legacy JSON API; each as (name, path, sha256)."""
    value = json.loads(plain_body(answer))

    def row(found: dict) -> tuple:
        parts = urlsplit(found["url"])
        assert parts.netloc in own_names(asked), found["url"]
        return found["filename"], unquote(parts.path), found["digests"]["sha256"]

    return [row(one) for rows in value.get("releases", {}).values() for one in rows], [
        row(one) for one in value["urls"]
    ]


def projects(page: str, answer: Answer) -> list[str]:
    """Return the names that a list of projects has; in HTML each must lead to its page."""
    body = plain_body(answer)
    if "json" in answer.header("content-type"):
        return [row["name"] for row in json.loads(body)["projects"]]
    found = _anchors(body)
    assert all(_leads_to(page, attrs["href"]) == f"{unquote(page)}{text}/" for attrs, text in found), found
    return [text for _, text in found]
