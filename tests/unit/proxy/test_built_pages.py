"""A page's bodies: built once for each form, by one flight, in a thread when they are many; few are kept per origin."""

import asyncio
import gzip
import json
import threading

import pytest
from backports import zstd

from sekisho_proxy.exchange import Request
from sekisho_proxy.negotiate import HTML, JSON
from sekisho_proxy.pages.built import PLAIN_JSON, BuiltPage
from sekisho_proxy.pages.value import FileRow, LatePage, ProjectPage

ROW = FileRow("a-1-py3-none-any.whl", "../../files/a-1-py3-none-any.whl", "0" * 64, 5, provenance="/p/a.provenance")


class Watched:
    """A page of ``rows`` rows that remembers by which threads and for which origins it was rendered."""

    def __init__(self, rows, *, names_origin=False):
        self.rows, self.names_origin = rows, names_origin
        self.threads, self.origins = [], []
        self._page = ProjectPage("a", ("1",), (ROW,) * rows)

    def to_json(self, origin=""):
        self.threads.append(threading.get_ident())
        self.origins.append(origin)
        return self._page.to_json(origin)

    def to_html(self, origin=""):
        return self._page.to_html(origin)


def _request(accept=JSON, encoding="", **headers):
    sent = {"accept": accept, "accept-encoding": encoding, **headers}
    return Request("GET", "/", {name.encode(): value.encode() for name, value in sent.items() if value}, None)


def _answers(page, *requests, origin=lambda _: ""):
    async def run():
        return await asyncio.gather(*(page.answer(request, origin) for request in requests))

    return asyncio.run(run())


def test_many_who_ask_at_once_get_one_build_that_is_not_on_the_event_loop():
    value = Watched(500)
    answers = _answers(BuiltPage(value), *[_request() for _ in range(50)])
    assert len(value.threads) == 1
    assert value.threads != [threading.get_ident()]
    assert all(answer is answers[0] for answer in answers)


def test_few_rows_are_not_worth_a_thread():
    value = Watched(3)
    _answers(BuiltPage(value), _request(), _request())
    assert value.threads == [threading.get_ident()]


def test_every_coding_holds_the_same_bytes_under_an_etag_of_its_own():
    page = BuiltPage(Watched(200))
    plain, packed, small, html = _answers(
        page, _request(), _request(encoding="gzip"), _request(encoding="zstd, gzip"), _request(HTML)
    )
    assert gzip.decompress(packed.body) == zstd.decompress(small.body) == plain.body
    assert dict(packed.headers)[b"content-encoding"] == b"gzip"
    assert dict(small.headers)[b"content-encoding"] == b"zstd"
    assert b"content-encoding" not in dict(plain.headers)
    assert len({dict(answer.headers)[b"etag"] for answer in (plain, packed, small, html)}) == 4
    assert {dict(answer.headers)[b"vary"] for answer in (plain, packed, small, html)} == {b"Accept, Accept-Encoding"}


@pytest.mark.parametrize("encoding", ["gzip", "zstd", ""])
@pytest.mark.parametrize("quick", [True, False])
def test_two_proxies_make_the_same_bytes(encoding, quick):
    request = _request(encoding=encoding)
    [one], [other] = (_answers(BuiltPage(Watched(150), quick=quick), request) for _ in range(2))
    assert (one.headers, one.body) == (other.headers, other.body)


def test_who_has_the_form_gets_304_and_nothing_else():
    page = BuiltPage(Watched(1))
    [whole] = _answers(page, _request(encoding="gzip"))
    etag = dict(whole.headers)[b"etag"].decode()
    same, other = _answers(
        page, _request(encoding="gzip", **{"if-none-match": etag}), _request(**{"if-none-match": etag})
    )
    assert (same.status, same.body, dict(same.headers)[b"etag"]) == (304, b"", etag.encode())
    assert other.status == 200


@pytest.mark.parametrize("request_", [_request("image/png"), _request(encoding="br, identity;q=0")])
def test_what_cannot_be_sent_is_406_and_varies(request_):
    [answer] = _answers(BuiltPage(Watched(1)), request_)
    assert (answer.status, dict(answer.headers)[b"vary"]) == (406, b"Accept, Accept-Encoding")


def test_a_page_of_one_form_comes_as_json_whatever_is_accepted():
    answers = _answers(BuiltPage(Watched(1), only_json=True), _request("text/html"), _request(""))
    assert {dict(answer.headers)[b"content-type"] for answer in answers} == {PLAIN_JSON.encode()}
    assert {dict(answer.headers)[b"vary"] for answer in answers} == {b"Accept-Encoding"}


def test_each_origin_gets_its_own_urls_from_one_rendering_and_only_the_newest_few_are_kept():
    value = Watched(1, names_origin=True)
    page = BuiltPage(value)
    for number in range(20):
        [answer] = _answers(page, _request(), origin=lambda _, number=number: f"https://h{number}.example")
        assert json.loads(answer.body)["files"][0]["provenance"] == f"https://h{number}.example/p/a.provenance"
    assert len(page._built) == 4
    assert len(value.origins) == 1


@pytest.mark.parametrize("origin", ["https://h.example", 'http://x/"\\&<>', "http://\xe9"])
def test_an_origin_is_put_in_as_if_it_had_been_rendered(origin):
    rendered = ProjectPage("a", ("1",), (ROW, ROW._replace(provenance=None), ROW))
    page = BuiltPage(rendered)
    plain, html, packed = _answers(page, _request(), _request(HTML), _request(encoding="zstd"), origin=lambda _: origin)
    assert json.loads(plain.body) == json.loads(zstd.decompress(packed.body)) == json.loads(rendered.to_json(origin))
    assert html.body == rendered.to_html(origin)


def test_a_page_without_whole_urls_is_the_same_for_every_origin():
    value = Watched(1)
    _answers(BuiltPage(value), _request(), _request(), origin=lambda _: pytest.fail("nobody has to know"))
    assert value.origins == [""]


def test_late_rows_are_made_once_for_all_forms():
    made = []
    page = BuiltPage(LatePage(1, lambda: made.append(1) or ProjectPage("a", ("1",), (ROW,))))
    _answers(page, _request(), _request(HTML), _request(encoding="gzip"))
    assert made == [1]


def test_half_a_surrogate_pair_does_not_stop_a_page():
    page = ProjectPage("a", ("1",), (ROW._replace(yanked="\ud800 odd"),))
    assert json.loads(page.to_json())["files"][0]["yanked"] == "? odd"
    assert b'data-yanked="? odd"' in page.to_html()
