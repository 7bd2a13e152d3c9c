"""Both forms of a page say the same, to pip's own parser and to pypi-simple's, whatever stands in the rows."""

import json

from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import parse_wheel_filename
from pip._internal.index.collector import IndexContent, parse_links
from pypi_simple import ProjectPage as ParsedPage

from sekisho_proxy.negotiate import HTML, JSON
from sekisho_proxy.pages.value import FileRow, ProjectPage, Status
from tests.property.strategies import MOMENTS, SHA256

ORIGIN = "https://proxy.example:8471"
URL = f"{ORIGIN}/w/everyone/pypi/simple/my-thing/"
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=30)


@st.composite
def rows(draw, number):
    filename = f"my_thing-{number}.{draw(st.integers(0, 9))}-py3-none-any.whl"
    path = f"packages/{draw(st.sampled_from(['a', 'b%20c', 'd+e', 'f%23g', 'h&i']))}/{filename}"
    return FileRow(
        filename=filename,
        url=f"../../files/{path}",
        sha256=draw(SHA256),
        size=draw(st.integers(0, 2**40)),
        uploaded=draw(MOMENTS).isoformat().replace("+00:00", "Z"),
        yanked=draw(st.none() | st.just("") | WORDS),
        requires_python=draw(st.none() | st.sampled_from([">=3.8", "<4,>=3.9", ">=3.8,!=3.9.*"])),
        metadata=draw(st.none() | st.just("") | SHA256),
        provenance=draw(st.none() | st.just(f"/w/everyone/pypi/files/{path}.provenance")),
    )


@st.composite
def pages(draw):
    files = tuple(draw(rows(number)) for number in range(draw(st.integers(0, 4))))
    versions = tuple(str(parse_wheel_filename(row.filename)[1]) for row in files)
    markers = st.sampled_from(["archived", "deprecated", "quarantined"])
    status = draw(st.none() | st.builds(Status, markers, st.just("") | WORDS.filter(str.strip)))
    return ProjectPage("my-thing", versions, files, status)


def _links(kind, body):
    """Return what pip makes of a page."""
    content = IndexContent(body, kind, "utf-8", URL, cache_link_parsing=False)
    return [
        (
            link.url_without_fragment,
            link.filename,
            link._hashes,
            link.requires_python,
            link.yanked_reason,
            link.metadata_file_data,
        )
        for link in parse_links(content)
    ]


def _packages(page):
    """Return what pypi-simple makes of a page, of what both forms can hold."""
    plain = ("filename", "url", "digests", "requires_python", "is_yanked", "provenance_url")
    return [
        (
            {name: getattr(p, name) for name in plain},
            p.yanked_reason or "",
            bool(p.has_metadata),
            p.metadata_digests or {},
        )
        for p in page.packages
    ]


@given(pages())
def test_pip_reads_the_same_from_both_forms(page):
    told = _links(JSON, page.to_json(ORIGIN))
    assert told == _links(HTML, page.to_html(ORIGIN))
    assert [(name, hashes["sha256"]) for _, name, hashes, *_ in told] == [
        (row.filename, row.sha256) for row in page.files
    ]
    assert all(url.startswith(f"{ORIGIN}/w/everyone/pypi/files/packages/") for url, *_ in told)


@given(pages())
def test_pypi_simple_reads_the_same_from_both_forms(page):
    told = ParsedPage.from_json_data(json.loads(page.to_json(ORIGIN)), URL)
    html = ParsedPage.from_html("my-thing", page.to_html(ORIGIN).decode(), URL)
    assert _packages(told) == _packages(html)
    assert (told.status, told.status_reason or None) == (html.status, html.status_reason or None)
    assert (told.repository_version, html.repository_version) == ("1.4", "1.4")
    assert [(p.filename, p.size, p.upload_time is not None) for p in told.packages] == [
        (row.filename, row.size, True) for row in page.files
    ]


@given(pages())
def test_every_file_belongs_to_a_version_that_is_listed(page):
    value = json.loads(page.to_json(ORIGIN))
    found = {str(parse_wheel_filename(row["filename"])[1]) for row in value["files"]}
    assert found <= set(value["versions"])
    assert list(value) == ["meta", "name", *(["project-status"] if page.status else []), "versions", "files"]
