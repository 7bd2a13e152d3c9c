import json

import pytest

from sekisho.errors import CorruptError, UpstreamError
from sekisho.sources import Source
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.pages.value import Status
from sekisho_proxy.upstream.listing import parse_listing
from sekisho_proxy.upstream.place import locate

PLACE = locate(Source(id="s", url="https://index.example/simple", file_hosts=("files.example",)))
URL = "https://index.example/simple/a/"


def page(**changes):
    row = {
        "filename": "a-1.0-py3-none-any.whl",
        "url": "https://files.example/x/a-1.0-py3-none-any.whl",
        "hashes": {"sha256": "0" * 64},
    }
    return json.dumps({"meta": {"api-version": "1.1"}, "name": "a", "files": [{**row, **changes}]}).encode()


def listing(**changes):
    return parse_listing("s", "a", URL, "application/vnd.pypi.simple.v1+json", page(**changes))


@pytest.mark.parametrize("url", ["https://files.example/x", "https://index.example:443/y", "https://FILES.example/z"])
def test_own_hosts_are_admitted(url):
    assert PLACE.admit(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example/x",
        "http://files.example/x",
        "https://files.example:8443/x",
        "https://files.example@other.example/x",
        "https://user@files.example/x",
        "https://files.example.other.example/x",
        "file:///etc/passwd",
        "//files.example/x",
        "https://files.example:nonsense/x",
    ],
)
def test_other_hosts_are_not(url):
    with pytest.raises(UpstreamError, match="not one of its hosts"):
        PLACE.admit(url)


def test_preset_knows_where_it_is():
    place = locate(Source(id="pypi", preset="pypi"))
    assert place.index.endswith("/simple/")
    assert len(place.hosts) == 2
    assert all(base.startswith("https://") for base in place.files)


def test_a_file_becomes_an_artifact():
    held = listing(
        size=7,
        **{
            "upload-time": "2026-01-01T00:00:00Z",
            "requires-python": ">=3",
            "yanked": True,
            "core-metadata": {"sha256": "1" * 64},
        },
    )
    [artifact] = held.artifacts("1.0")
    assert (artifact.release, artifact.path, artifact.size, artifact.yanked) == (
        "1.0",
        "x/a-1.0-py3-none-any.whl",
        7,
        "",
    )
    assert artifact.index == {"requires-python": ">=3", "core-metadata": "1" * 64}
    assert held.versions == ("1.0",)


@pytest.mark.parametrize(
    "changes",
    [
        {"hashes": {}},
        {"hashes": {"md5": "0" * 32}},
        {"hashes": {"sha256": "z" * 64}},
        {"url": "https://files.example/x/other.whl"},
        {"url": "https://files.example/x/../a-1.0-py3-none-any.whl"},
        {"url": "https://files.example/x/a-1.0-py3-none-any.whl?token=1"},
    ],
)
def test_what_cannot_be_verified_is_left_out(changes):
    assert listing(**changes).files == ()


def test_a_file_of_another_project_is_no_artifact():
    name = "b-1.0-py3-none-any.whl"
    assert list(listing(filename=name, url=f"https://files.example/{name}").artifacts("1.0")) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"meta": {"api-version": "2.0"}, "files": []}',
        b'{"meta": {"api-version": "1.0"}, "files": [1]}',
        b"[" * 100_000,
    ],
)
def test_pages_that_are_none(body):
    with pytest.raises(CorruptError, match="source 's'"):
        parse_listing("s", "a", URL, "application/json", body)


def test_html_page():
    body = (
        b'<!DOCTYPE html><a href="/x/a-1.0-py3-none-any.whl#sha256='
        + b"0" * 64
        + b'" data-requires-python="&gt;=3">a</a>'
    )
    held = parse_listing("s", "a", URL, "text/html", body.replace(b">a<", b">a-1.0-py3-none-any.whl<"))
    assert [(file.url, file.requires_python, file.size) for file in held.files] == [
        ("https://index.example/x/a-1.0-py3-none-any.whl", ">=3", 0)
    ]


def test_a_damaged_cache_is_no_cache(tmp_path):
    cache = DiskCache(tmp_path)
    assert cache.get("k") is None
    cache.put("k", b"value")
    assert cache.get("k") == b"value"
    [file] = [path for path in tmp_path.rglob("*") if path.is_file()]
    file.write_bytes(file.read_bytes()[:-1])
    assert cache.get("k") is None


def test_the_newest_values_need_no_disk(tmp_path):
    cache = DiskCache(tmp_path, memory=10)
    for key in ("a", "b", "c"):
        cache.put(key, key.encode() * 4)
    cache.put("large", b"x" * 11)
    assert [cache.known(key) for key in ("a", "b", "c", "large")] == [None, b"bbbb", b"cccc", None]
    cache.put("b", b"two")
    for file in list(tmp_path.rglob("*")):
        if file.is_file():
            file.unlink()
    assert [cache.get(key) for key in ("a", "b", "c", "large")] == [None, b"two", b"cccc", None]
    cache.put("d", b"7 bytes")
    assert [cache.get(key) for key in ("b", "c", "d")] == [b"two", None, b"7 bytes"]


def _paths(**row):
    return [file.provenance for file in listing(**row).files]


@pytest.mark.parametrize(
    ("stated", "path"),
    [
        ("https://index.example/integrity/a/1.0/a/provenance", "integrity/a/1.0/a/provenance"),
        ("https://files.example/x/a.provenance", "x/a.provenance"),
        ("/integrity/a", "integrity/a"),
        ("https://other.example/integrity/a", None),
        ("http://index.example/integrity/a", None),
        ("https://index.example/integrity/a?b=c", None),
        ("https://index.example/../a", None),
        ("https://index.example/a\nb/..", None),
        ("https://user@index.example/a", None),
        ("", None),
        (None, None),
        (["a"], None),
    ],
)
def test_provenance_counts_where_page_or_file_is(stated, path):
    assert _paths(provenance=stated) == [path]


def _with_status(**status):
    body = json.loads(page()) | {"project-status": status}
    return parse_listing("s", "a", URL, "application/json", json.dumps(body).encode())


def test_a_projects_status_goes_along():
    held = _with_status(status="archived", reason="we  moved\non", more=1)
    assert held.status == Status("archived", "we moved on")
    [artifact] = held.artifacts("1.0")
    assert artifact.index == {"project-status": "archived", "project-status-reason": "we moved on"}
    assert _with_status(status="active").status is None
    assert _with_status(status="haunted").status is None
    with pytest.raises(CorruptError):
        _with_status(status=["archived"])


def test_a_quarantined_project_has_no_files_whatever_its_page_lists():
    held = _with_status(status="quarantined")
    assert (held.files, held.status) == ((), Status("quarantined"))


def test_html_carries_status_and_provenance():
    html = (
        '<html><head><meta name="pypi:project-status" content="deprecated">'
        '<meta name="pypi:project-status-reason" content="use b"></head><body>'
        f'<a href="https://files.example/x/a-1.0-py3-none-any.whl#sha256={"0" * 64}" '
        'data-provenance="https://index.example/integrity/a">a-1.0-py3-none-any.whl</a></body></html>'
    )
    held = parse_listing("s", "a", URL, "text/html", html.encode())
    assert held.status == Status("deprecated", "use b")
    assert [file.provenance for file in held.files] == ["integrity/a"]
