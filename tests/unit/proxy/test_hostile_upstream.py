"""What a security test found in what an upstream may send: directories and pages made to be parsed for ever."""

import asyncio
import gzip
import hashlib
import json
import struct
import threading
import time
import zipfile
import zlib

import httpx2
import pytest
from backports import zstd

from sekisho.errors import CorruptError, UpstreamError
from sekisho.sources import Source
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.follow import make_portal_client
from sekisho_proxy.turns import Turns
from sekisho_proxy.upstream import remote_metadata
from sekisho_proxy.upstream.fetcher import Answer, Fetcher, make_client
from sekisho_proxy.upstream.listing import UpstreamFile, parse_listing
from sekisho_proxy.upstream.place import locate
from sekisho_proxy.upstream.releases import newest
from sekisho_proxy.upstream.remote_metadata import fetch_metadata
from sekisho_proxy.upstream.source import CachedPages
from tests.wheels import make_wheel

PLACE = locate(Source(id="s", url="https://index.example/simple"))
NAME = "x-1.0-py3-none-any.whl"


class Bytes:
    """A fetcher of one file, or of one page."""

    place = PLACE

    def __init__(self, data, kind=""):
        self.data = data
        self.kind = kind
        self.ranges = []

    async def range(self, _url, wanted, *, limit):
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start = int(first) if first else max(len(self.data) - int(last), 0)
        part = self.data[start : int(last) + 1 if first else None]
        self.ranges.append(len(part))
        assert len(part) <= limit
        stated = {"content-range": f"bytes {start}-{start + len(part) - 1}/{len(self.data)}"}
        return Answer(206, stated, part, _url)

    async def get(self, _url, *, limit, headers):
        assert headers
        if len(self.data) > limit:
            raise UpstreamError("too long")
        return Answer(200, {"content-type": self.kind}, self.data, _url)

    def require(self, response, *_):
        return response


def upstream_file(data):
    return UpstreamFile(
        NAME, "https://index.example/", NAME, hashlib.sha256(data).hexdigest(), 0, None, None, None, None
    )


def directory_bomb(count):
    entry = struct.pack("<4sBBHHHHHLLLHHHHHLL", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0)
    directory = b"".join(entry + b"%08x" % number for number in range(count))
    wide = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(directory), 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(directory), 1)
    end = struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return directory + wide + locator + end


def test_a_directory_bomb_is_neither_fetched_nor_parsed():
    fetcher = Bytes(directory_bomb(200_000))
    with pytest.raises(CorruptError, match="larger than"):
        asyncio.run(fetch_metadata(fetcher, upstream_file(b"")))
    assert sum(fetcher.ranges) < 1 << 20


def test_a_directory_is_parsed_once_and_off_the_event_loop(monkeypatch):
    files = {f"x/{number:05}.py": b"" for number in range(3000)}
    wheel = make_wheel("x", files=files)
    shift = 200 << 10  # METADATA far from the end, so that it takes another range
    data = make_wheel("x", files={**files, "x/big": bytes(range(256)) * (shift >> 8)}).data
    parsed = []

    class Counting(zipfile.ZipFile):
        def _RealGetContents(self):  # noqa: N802
            super()._RealGetContents()
            parsed.append(threading.current_thread() is threading.main_thread())

    monkeypatch.setattr(remote_metadata.zipfile, "ZipFile", Counting)
    fetcher = Bytes(data)
    assert asyncio.run(fetch_metadata(fetcher, upstream_file(data))) == wheel.metadata
    assert parsed == [False]
    assert len(fetcher.ranges) > 1


@pytest.mark.parametrize(
    ("kind", "size", "good"),
    [("text/html", 9 << 20, False), ("application/json", 9 << 20, True), ("application/json", 65 << 20, False)],
)
def test_pages_are_bounded_by_form(tmp_path, kind, size, good):
    page = json.dumps({"meta": {"api-version": "1.0"}, "files": []}).encode()
    pages = CachedPages(Bytes(page + b" " * (size - len(page)), kind), DiskCache(tmp_path))
    if good:
        assert asyncio.run(pages.page("x")).listing.files == ()
    else:
        with pytest.raises(UpstreamError):
            asyncio.run(pages.page("x"))


@pytest.mark.parametrize(
    ("coding", "body", "why"),
    [
        ("zstd", zstd.compress(b"") * 1000, "unwanted"),  # each frame costs, and none has any contents
        ("gzip, gzip", gzip.compress(gzip.compress(b"x", mtime=0), mtime=0), "unwanted"),
        ("deflate", zlib.compress(b"x"), "unwanted"),
        ("gzip", gzip.compress(bytes(2000), mtime=0), "more than"),
        ("gzip", gzip.compress(b"x", mtime=0) + bytes(2000), "more than"),
        ("gzip", gzip.compress(b"x", mtime=0), ""),
        ("", b"x", ""),
    ],
)
def test_answers_are_unpacked_within_bounds_and_only_as_asked(coding, body, why):
    asked = []

    def answer(request):
        asked.append(request.headers["accept-encoding"])
        return httpx2.Response(200, headers={"content-encoding": coding}, stream=httpx2.ByteStream(body))

    async def scenario():
        async with make_client(1.0, httpx2.MockTransport(answer)) as client:
            return await Fetcher(client, PLACE, timeout=1.0).get("https://index.example/simple/x/", limit=1000)

    if why:
        with pytest.raises(UpstreamError, match=why):
            asyncio.run(scenario())
    else:
        assert asyncio.run(scenario()).content == b"x"
    assert asked == ["gzip"]


@pytest.mark.parametrize("body", [b"<a " * 200_000, b"<!-- >" * 200_000, b"<a>" * 300_000, b"<" * 300_000])
def test_html_that_would_be_parsed_for_ever(body):
    begun = time.monotonic()
    with pytest.raises(CorruptError, match="no index of files"):
        parse_listing("s", "a", "https://index.example/simple/a/", "text/html", b"<!DOCTYPE html>" + body)
    assert time.monotonic() - begun < 1


def test_a_number_that_python_does_not_read_spoils_no_page():
    endless, sha256 = "1" * 5000, "a" * 64
    names = [f"x-{endless}-py3-none-any.whl", f"x-{endless}.tar.gz", "x-1.0.tar.gz"]
    rows = [{"filename": name, "url": f"/{name}", "hashes": {"sha256": sha256}} for name in names]
    body = json.dumps({"meta": {"api-version": "1.1"}, "files": rows}).encode()
    listing = parse_listing("pypi", "x", "https://files.example/x/", "application/json", body)
    assert listing.versions == ("1.0",)
    assert [one.filename for one in listing.artifacts("1.0")] == ["x-1.0.tar.gz"]
    assert newest([endless, "1.0", f"1.0+{endless}", "2.0"]) == ("2.0", "1.0")


def test_who_waits_for_one_is_not_behind_who_waits_for_many():
    async def scenario():
        turns, order = Turns(1), []

        async def work(owner):
            async with turns.take(owner):
                order.append(owner)
                await asyncio.sleep(0)

        many = [asyncio.create_task(work("many")) for _ in range(20)]
        await asyncio.sleep(0)
        one = asyncio.create_task(work("one"))
        many[5].cancel()
        await asyncio.gather(*many, one, return_exceptions=True)
        async with turns.take("again"):
            return order

    order = asyncio.run(scenario())
    assert order.index("one") <= 3
    assert len(order) == 20


def test_a_slot_handed_to_someone_who_left_is_passed_on():
    async def scenario():
        turns = Turns(1)
        first = turns.take("a")
        await first.__aenter__()
        second = asyncio.create_task(turns.take("b").__aenter__())
        await asyncio.sleep(0)
        await first.__aexit__(None, None, None)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        async with asyncio.timeout(1), turns.take("c"):
            pass

    asyncio.run(scenario())


@pytest.mark.parametrize("portal", ["http://portal.example", "https://portal.example"])
def test_rooms_talk_directly_and_upstreams_through_the_proxy(monkeypatch, portal):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert make_portal_client(portal)._mounts == {}
    assert make_client(1.0)._mounts


def test_tls_to_the_portal_trusts_what_the_environment_names(monkeypatch, tmp_path):
    file = tmp_path / "none.pem"
    file.write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(OSError, match=r"(?i)certificate|ssl|pem|cert"):
        make_portal_client("https://portal.example")
    assert make_portal_client("http://portal.example").trust_env is False
