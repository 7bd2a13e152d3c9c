import json

import pytest

from sekisho.allowlist import Source
from sekisho.errors import CorruptError, UpstreamError
from sekisho_proxy.disk_cache import DiskCache
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
