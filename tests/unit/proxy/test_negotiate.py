import pytest

from sekisho_proxy.negotiate import HTML, JSON, PLAIN_HTML, asked_type, coding, matches, page_type


@pytest.mark.parametrize(
    ("accept", "answer"),
    [
        ("", PLAIN_HTML),
        ("*/*", PLAIN_HTML),
        ("text/*", PLAIN_HTML),
        ("text/html", PLAIN_HTML),
        (JSON, JSON),
        ("application/vnd.pypi.simple.latest+json", JSON),
        (f"{JSON}, {HTML};q=0.1, text/html;q=0.01", JSON),
        (f"{JSON}, */*;q=0.1", JSON),
        (f"{JSON};q=0.1, text/html", PLAIN_HTML),
        (f"{JSON};q=0, text/html;q=0.5", PLAIN_HTML),
        (f"{JSON}, {HTML}, text/html", JSON),
        (HTML, HTML),
        (f"*/*, {JSON};q=0", PLAIN_HTML),
        (f"{JSON};q=0", None),
        ("image/png", None),
        ("text/html;q=nonsense", None),
        ("text/html;q=nan", None),
        ("text/html;q=inf", None),
        ("text/html;q=-1", None),
        (f"text/html;q=1e1, {JSON};q=0.001", JSON),
        ("application/*", JSON),
        (f"{JSON};q=0, */*", PLAIN_HTML),
        (f"*/*;q=0, {JSON};q=0.1", JSON),
        (f"text/*;q=0, */*;q=0.5, {JSON};q=0", HTML),
        (f"{JSON};q=0.3, application/vnd.pypi.simple.latest+json, text/html;q=0.9", JSON),
        (f"text/html , {JSON} ; Q=0.5", PLAIN_HTML),
        ("*/*;q=0", None),
    ],
)
def test_page_type(accept, answer):
    assert page_type(accept) == answer


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        ("", ""),
        ("gzip", "gzip"),
        ("gzip, deflate", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0.5, gzip", "gzip"),
        ("zstd;q=0, gzip;q=0.1", "gzip"),
        ("x-gzip", "gzip"),
        ("br", ""),
        ("identity", ""),
        ("gzip;q=0", ""),
        ("*", "gzip"),
        ("gzip;q=0.5, identity", ""),
        ("gzip;q=0.5, identity;q=0.5", "gzip"),
        ("identity;q=0", None),
        ("br, identity;q=0", None),
        ("*;q=0", None),
        ("*;q=0, zstd", "zstd"),
        ("*;q=0, identity", ""),
        ("gzip;q=nonsense", ""),
    ],
)
def test_coding(header, answer):
    assert coding(header) == answer


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("", None),
        (f"format={JSON.replace('+', '%2B')}", JSON),
        ("format=text/html", PLAIN_HTML),
        ("format=application/vnd.pypi.simple.latest%2Bhtml", HTML),
        ("format=image/png", None),
        ("&".join(f"x{n}=1" for n in range(50)), None),
    ],
)
def test_url_parameter(query, answer):
    assert asked_type(query) == answer


def test_matches():
    assert matches('"a", W/"b"', '"b"')
    assert matches("*", '"b"')
    assert not matches('"a"', '"b"')
    assert not matches("", '"b"')
