"""Where a channel's index says that files are: followed to hosts of the source alone, and never repeated with a login."""

import pytest

from sekisho.sources import Source
from sekisho_proxy.conda.elsewhere import Elsewhere, elsewhere
from sekisho_proxy.upstream.place import locate

HTTPS = locate(Source(id="s", kind="conda", url="https://chan.example/deep/main", file_hosts=("cdn.example",)))
HTTP = locate(Source(id="s", kind="conda", url="http://chan.example/deep/main", file_hosts=("cdn.example:8080",)))
BESIDE = "https://chan.example/deep/main/noarch/"


def read(stated, place=HTTPS):
    return elsewhere("base_url", stated, beside=f"{place.index}noarch/", place=place)


@pytest.mark.parametrize(
    ("stated", "base"),
    [
        ("https://chan.example/pool", "https://chan.example/pool/"),
        ("https://CDN.example/a/b/", "https://CDN.example/a/b/"),
        ("https://cdn.example", "https://cdn.example/"),
        ("https://cdn.example:443/x/", "https://cdn.example:443/x/"),
        ("//cdn.example/pool/", "https://cdn.example/pool/"),
        ("/pool/", "https://chan.example/pool/"),
        ("../pool", "https://chan.example/deep/main/pool/"),
        ("packages/", "https://chan.example/deep/main/noarch/packages/"),
        ("../../../../../etc/", "https://chan.example/etc/"),
        ("/t/other%2f..%2fsecret/", "https://chan.example/t/other%2f..%2fsecret/"),
    ],
)
def test_an_address_of_the_sources_hosts_is_followed(stated, base):
    assert read(stated) == Elsewhere(base)


@pytest.mark.parametrize("stated", [None, "", ".", "./", BESIDE, BESIDE.rstrip("/"), "../noarch/"])
def test_what_names_the_folder_itself_is_nothing(stated):
    assert read(stated) == Elsewhere()


@pytest.mark.parametrize(
    ("stated", "why"),
    [
        ("https://other.example/pool/", "points to https://other.example, which is not one of its hosts"),
        ("//other.example/pool/", "not one of its hosts"),
        ("https://chan.example:8443/pool/", "not one of its hosts"),
        ("https://chan.example.other.example/", "not one of its hosts"),
        ("http://cdn.example/pool/", "over plain http"),
        ("http://chan.example/pool/", "over plain http"),
        ("ftp://chan.example/pool/", "not one of its hosts"),
        ("file:///etc/", "not one of its hosts"),
        ("javascript:alert(1)", "not one of its hosts"),
        ("https://me:s3cret@chan.example/pool/", "a login in it"),
        ("//s3cret@cdn.example/", "a login in it"),
        ("https://chan.example/pool/?sig=s3cret", "query"),
        ("https://chan.example/pool?", "query"),
        ("../pool/#s3cret", "fragment"),
        ("https:\\\\cdn.example\\", "no address"),
        ("/pool\r\nx: s3cret/", "no address"),
        ("/pool /", "no address"),
        ("https://[::1/pool/", "no address"),
        ("/" + "x" * 500, "no address"),
        ("/pöol/", "no address"),
        (7, "no address"),
        ({"x": 1}, "no address"),
        (b"/pool/", "no address"),
    ],
)
def test_any_other_is_refused_with_a_reason_and_not_repeated(stated, why):
    found = read(stated)
    assert found.base == ""
    assert found.refused.what == "info.base_url"
    assert why in found.refused.why
    assert "s3cret" not in found.refused.why


def test_a_source_of_plain_http_may_name_its_own_hosts_either_way():
    assert read("http://cdn.example:8080/pool/", HTTP).base == "http://cdn.example:8080/pool/"
    assert read("https://chan.example/pool/", HTTP).base == "https://chan.example/pool/"
    assert read("https://cdn.example/pool/", HTTP).refused
