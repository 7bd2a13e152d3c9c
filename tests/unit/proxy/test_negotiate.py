import pytest

from sekisho_proxy.negotiate import HTML, JSON, PLAIN_HTML, matches, page_type, takes_gzip


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
    ],
)
def test_page_type(accept, answer):
    assert page_type(accept) == answer


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        ("", False),
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("identity", False),
        ("gzip;q=0", False),
        ("*", True),
        ("gzip;q=0.5, identity", False),
    ],
)
def test_takes_gzip(header, answer):
    assert takes_gzip(header) is answer


def test_matches():
    assert matches('"a", W/"b"', '"b"')
    assert matches("*", '"b"')
    assert not matches('"a"', '"b"')
    assert not matches("", '"b"')
