"""Several sources as one, what each of them is sent, and where its hosts may be."""

import asyncio
import base64
import contextlib
import socket

import pytest

from sekisho.errors import BadInputError, NotFoundError, RefusedError, UpstreamError
from sekisho.sources import Source
from sekisho.store import BlobStore
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.upstream.address import refuses
from sekisho_proxy.upstream.fetcher import Fetcher, make_client
from sekisho_proxy.upstream.listing import parse_listing
from sekisho_proxy.upstream.logins import Logins, read_logins
from sekisho_proxy.upstream.place import locate
from sekisho_proxy.upstream.sources import Upstreams, fetch_artifact
from tests.fake_upstream import FakeUpstream, run_asgi
from tests.records import snapshot
from tests.wheels import make_wheel

ALPHA = make_wheel("alpha", "1.0")


@pytest.fixture
def blobs(tmp_path):
    return BlobStore(tmp_path / "blobs")


class World:
    """Two upstreams, and the upstreams' pages by a snapshot that lists both."""

    def __init__(self, folder, **first):
        self.first, self.second = FakeUpstream(), FakeUpstream()
        self._options = first
        self._disk = DiskCache(folder)

    def ask(self, work):
        async def run(one, two):
            sources = (
                Source(id="first", url=f"{one}/simple/", **self._options),
                Source(id="second", url=f"{two}/simple/"),
            )
            async with make_client(1.0) as client:
                return await work(Upstreams(client, self._disk, timeout=1.0), snapshot(sources=sources))

        with run_asgi(self.first) as one, run_asgi(self.second) as two:
            return asyncio.run(run(one, two))

    def page(self, project):
        return self.ask(lambda upstreams, policy: upstreams.pages(policy).page(project))


def test_the_first_source_that_has_a_project_provides_all_of_its_files(tmp_path):
    world = World(tmp_path)
    world.first.wheels = [ALPHA]
    world.second.wheels = [make_wheel("alpha", "9.0"), make_wheel("beta")]
    page = world.page("alpha")
    assert page.listing.source == "first"
    assert [file.filename for file in page.listing.files] == [ALPHA.filename]
    assert world.second.requests == []
    assert world.page("beta").listing.source == "second"
    with pytest.raises(NotFoundError, match="no source has nope"):
        world.page("nope")


@pytest.mark.parametrize("fault", ["500", "slow", "truncated", "redirect"])
def test_a_source_that_fails_is_not_passed_over(tmp_path, fault):
    world = World(tmp_path)
    world.first.faults["/simple/"] = fault
    world.second.wheels = [make_wheel("alpha", "9.0")]
    with pytest.raises(UpstreamError):
        world.page("alpha")
    assert world.second.requests == []


@pytest.mark.parametrize("fault", ["500", "404", "slow"])
@pytest.mark.parametrize("name", ["acme-web", "corp-tools"])
def test_an_owned_name_is_asked_at_its_owner_whatever_that_answers(tmp_path, fault, name):
    world = World(tmp_path, owns=("acme-*", "corp-tools"))
    world.first.faults["/"] = fault
    world.second.wheels = [make_wheel(name, "99.0")]
    with pytest.raises((UpstreamError, NotFoundError)):
        world.page(name)
    assert world.first.requests
    assert world.second.requests == []


def test_a_file_is_fetched_from_no_source_that_may_not_provide_it(tmp_path):
    world = World(tmp_path, owns=("acme-*",))
    inside, outside = make_wheel("acme-web", "1.0"), make_wheel("alpha", "1.0")
    world.first.wheels = world.second.wheels = [inside, outside]

    async def fetch(upstreams, policy, wheel, source):
        upstreams.fetcher(policy, source, wheel.project)

    for wheel, source, error in (
        (inside, "second", RefusedError),
        (outside, "first", RefusedError),
        (inside, "third", NotFoundError),
    ):
        with pytest.raises(error):
            world.ask(lambda upstreams, policy, w=wheel, s=source: fetch(upstreams, policy, w, s))
    world.ask(lambda upstreams, policy: fetch(upstreams, policy, inside, "first"))
    world.ask(lambda upstreams, policy: fetch(upstreams, policy, outside, "second"))
    assert world.first.requests == world.second.requests == []


@pytest.mark.parametrize(("options", "seconds"), [({"owns": ("alpha",)}, 5), ({}, 600)])
def test_a_release_that_was_just_published_inside_is_seen_at_once(tmp_path, options, seconds):
    upstream, now = FakeUpstream(wheels=[ALPHA]), [0.0]

    async def versions(url):
        source = Source(id="inside", url=f"{url}/simple/", **options)
        async with make_client(1.0) as client:
            upstreams = Upstreams(client, DiskCache(tmp_path), timeout=1.0, clock=lambda: now[0])
            pages = upstreams.pages(snapshot(sources=(source,)))
            yield (await pages.page("alpha")).listing.versions
            upstream.wheels.append(make_wheel("alpha", "2.0"))
            for now[0] in (seconds - 1.0, seconds + 1.0):
                yield (await pages.page("alpha")).listing.versions

    async def run(url):
        return [found async for found in versions(url)]

    with run_asgi(upstream) as url:
        assert asyncio.run(run(url)) == [("1.0",), ("1.0",), ("1.0", "2.0")]


# what a source is sent


class Guarded(FakeUpstream):
    """Wants a login, keeps what it was sent, and sends files on to ``elsewhere``."""

    def __init__(self, wheels, login):
        super().__init__(wheels=wheels)
        self.wanted = f"Basic {base64.b64encode(login.encode()).decode()}" if login else ""
        self.sent = []

    async def __call__(self, scope, receive, send):
        given = dict(scope["headers"]).get(b"authorization", b"").decode()
        self.sent.append((scope["path"], given))
        if given != self.wanted:
            self.requests.append((scope["method"], scope["path"], ""))
            await self._send(send, 401, {"www-authenticate": "Basic"}, b"", "")
            return
        await super().__call__(scope, receive, send)


def _logins(folder, text, mode=0o600):
    file = folder / "logins"
    file.write_text(text)
    file.chmod(mode)
    return read_logins(file, folder / "none")


def test_a_login_goes_to_its_own_host_only_and_over_no_redirect(tmp_path, blobs):
    inside, files = Guarded([ALPHA], "me:secret"), Guarded([ALPHA], "")
    inside.faults["/packages/"] = "redirect"
    with run_asgi(inside) as url, run_asgi(files) as other:
        inside.elsewhere = f"{other}/"
        host = url.removeprefix("http://")
        logins = _logins(tmp_path, f"machine {host} login me password secret\n")
        source = Source(id="s", url=f"{url}/simple/", file_hosts=(other.removeprefix("http://"),))

        async def fetch():
            async with make_client(2.0) as client:
                fetcher = Fetcher(client, locate(source), timeout=2.0, logins=logins)
                answer = await fetcher.get(f"{url}/simple/alpha/", limit=1 << 20)
                listing = parse_listing("s", "alpha", answer.url, answer.headers["content-type"], answer.content)
                [artifact] = listing.artifacts("1.0")
                place = locate(source.model_copy(update={"file_hosts": (host, *source.file_hosts)}))
                fetcher = Fetcher(client, place, timeout=2.0, logins=logins)
                await fetch_artifact(fetcher, artifact, blobs)

        asyncio.run(fetch())
    assert blobs.has(ALPHA.sha256)
    assert {given for _, given in inside.sent} == {inside.wanted}
    assert files.sent == [(f"/{ALPHA.path}", "")]


def test_without_its_login_a_source_fails_and_says_where_one_is_written(tmp_path):
    world = World(tmp_path)
    world.first = Guarded([ALPHA], "me:secret")
    world.second.wheels = [ALPHA]
    with pytest.raises(UpstreamError, match="answers 401") as caught:
        world.page("alpha")
    assert "docs/how-to/sources.md" in caught.value.todo
    assert world.second.requests == []


def test_a_login_is_not_sent_in_the_clear():
    logins = Logins({"inside.example": "Basic x", "inside.example:8443": "Basic y"})
    assert logins.header("https://inside.example/a", private=False) == {"authorization": "Basic x"}
    assert logins.header("https://INSIDE.example:8443/a", private=False) == {"authorization": "Basic y"}
    assert logins.header("http://inside.example/a", private=True) == {"authorization": "Basic x"}
    assert logins.header("https://inside.example:9/a", private=True) == {}
    assert logins.header("https://other.inside.example/a", private=True) == {}
    with pytest.raises(UpstreamError, match="not sent over plain http"):
        logins.header("http://inside.example/a", private=False)


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("machine a login b password c\n", 0o644, "others may read"),
        ("machine a login b password c\ndefault login d password e\n", 0o600, "every source"),
        ("machine\n", 0o600, "not a netrc file"),
        ("nonsense secret\n", 0o600, "not a netrc file"),
    ],
)
def test_a_file_of_logins_that_is_unsafe_or_unreadable_is_refused(tmp_path, text, mode, why):
    with pytest.raises(BadInputError, match=why) as caught:
        _logins(tmp_path, text, mode)
    assert "logins" in caught.value.where
    assert "secret" not in str(caught.value)


def test_a_file_of_logins_may_be_absent_unless_it_is_named(tmp_path):
    assert read_logins(None, tmp_path / "none").header("https://a/", private=False) == {}
    with pytest.raises(BadInputError, match="no such file"):
        read_logins(tmp_path / "none", tmp_path / "none")


# where its hosts may be


@pytest.mark.parametrize(
    ("address", "of_public", "of_private"),
    [
        ("8.8.8.8", False, False),
        ("2600::1", False, False),
        ("10.0.0.1", True, False),
        ("192.168.1.1", True, False),
        ("100.64.0.1", True, False),
        ("127.0.0.1", True, False),
        ("::1", True, False),
        ("fd00:ec2::254", True, False),
        ("169.254.169.254", True, True),
        ("fe80::1%eth0", True, True),
        ("0.0.0.0", True, True),
        ("::", True, True),
        ("224.0.0.1", True, True),
        ("::ffff:169.254.169.254", True, True),
        ("::ffff:10.0.0.1", True, False),
        ("64:ff9b::a9fe:a9fe", True, True),
        ("64:ff9b::808:808", False, False),
        ("2002:a9fe:a9fe::1", True, True),
        ("::10.0.0.1", True, False),
        ("fec0::1", True, False),
        ("168.63.129.16", True, True),
        ("198.18.0.1", True, False),
        ("203.0.113.80", False, False),
    ],
)
def test_addresses_that_a_host_may_have(address, of_public, of_private):
    assert refuses(address, private=False) is of_public
    assert refuses(address, private=True) is of_private


@pytest.fixture
def rebound(monkeypatch):
    """Make ``index.example`` a name that leads to this machine, as a changed DNS answer would."""
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *more, **options: real("127.0.0.1" if host in {"index.example", b"index.example"} else host, *more, **options)
    )  # fmt: skip


@pytest.mark.parametrize("private", [False, True])
def test_a_name_that_leads_to_a_private_address_is_asked_only_if_declared(tmp_path, rebound, private):
    upstream = FakeUpstream(wheels=[ALPHA])
    with run_asgi(upstream) as url:
        source = Source(id="s", url=f"{url.replace('127.0.0.1', 'index.example')}/simple/", private=private)

        async def ask():
            async with make_client(2.0) as client:
                upstreams = Upstreams(client, DiskCache(tmp_path), timeout=2.0)
                return await upstreams.pages(snapshot(sources=(source,))).page("alpha")

        expected = pytest.raises(UpstreamError, match=r"index.example has the address 127\.0\.0\.1")
        with contextlib.nullcontext() if private else expected as caught:
            asyncio.run(ask())
    assert [path for _, path, _ in upstream.requests] == (["/simple/alpha/"] if private else [])
    if not private:
        assert "private: true" in caught.value.todo


# layouts of other index servers

LAYOUTS = {
    "nexus": ("/repository/pypi-all/simple/alpha/", "../../packages/alpha/1.0/"),
    "artifactory": ("/artifactory/api/pypi/pypi-virtual/simple/alpha/", "../../packages/packages/ab/cd/0123/"),
    "devpi": ("/root/pypi/+simple/alpha/", "../../+f/ab1/23456789abcde/"),
    "prefix": ("/base/simple/alpha/", "/base/packages/"),
    "below": ("/simple/alpha/", ""),
}


class Layout(FakeUpstream):
    """An index that speaks HTML 1.0 below a prefix, without sizes, times or metadata."""

    def __init__(self, page, href):
        super().__init__(wheels=[ALPHA])
        self.page, self.href = page, f"{href}{ALPHA.filename}"

    def _answer(self, path, headers):
        if path == self.page:
            other = '<a href="../../packages/alpha/0.9/alpha-0.9.tar.gz#md5=02dfef373c7bd87df2121a92d82b2d5c">alpha-0.9.tar.gz</a>'
            body = f'<html><body><a href="{self.href}#sha256={ALPHA.sha256}" rel="internal">{ALPHA.filename}</a>{other}</body></html>'
            return 200, {"content-type": "text/html;charset=utf-8"}, body.encode()
        if path.endswith(ALPHA.filename) and path != ALPHA.filename:
            return 200, {}, ALPHA.data
        return 404, {}, b""


@pytest.mark.parametrize("name", LAYOUTS)
def test_files_may_lie_anywhere_below_the_hosts_root(tmp_path, blobs, name):
    page, href = LAYOUTS[name]
    layout = Layout(page, href)

    async def fetch(url):
        source = Source(id="s", url=f"{url}{page.removesuffix('alpha/').removesuffix('/')}")
        policy = snapshot(sources=(source,))
        async with make_client(2.0) as client:
            upstreams = Upstreams(client, DiskCache(tmp_path / "pages"), timeout=2.0)
            listing = (await upstreams.pages(policy).page("alpha")).listing
            [artifact] = listing.artifacts("1.0")
            await fetch_artifact(upstreams.fetcher(policy, "s", "alpha"), artifact, blobs)
            return listing, artifact

    with run_asgi(layout) as url:
        listing, artifact = asyncio.run(fetch(url))
    assert [file.filename for file in listing.files] == [ALPHA.filename]  # the other has no sha256
    assert (artifact.size, artifact.uploaded) == (0, None)
    assert layout.paths() == [page, f"/{artifact.path}"]
    assert blobs.has(ALPHA.sha256)


def test_links_are_read_from_where_a_redirect_led(tmp_path):
    """A page without its slash, or under an older spelling, is sent on; its relative links count from there."""

    class Moved(FakeUpstream):
        def _answer(self, path, headers):
            if path == "/old/simple/alpha/":
                return 301, {"location": "/new/root/simple/alpha/"}, b""
            return (
                200,
                {"content-type": "text/html"},
                f'<a href="../../f/{ALPHA.filename}#sha256={ALPHA.sha256}">{ALPHA.filename}</a>'.encode(),
            )

    async def ask(url):
        policy = snapshot(sources=(Source(id="s", url=f"{url}/old/simple"),))
        async with make_client(2.0) as client:
            return await Upstreams(client, DiskCache(tmp_path), timeout=2.0).pages(policy).page("alpha")

    with run_asgi(Moved()) as url:
        [file] = asyncio.run(ask(url)).listing.files
    assert file.path == f"new/root/f/{ALPHA.filename}"


@pytest.mark.parametrize(
    "where", ["http://169.254.169.254/latest/", "http://127.0.0.1:9/", "http://localhost/", "http://[::1]/"]
)
def test_a_redirect_to_an_address_of_the_network_behind_is_not_followed(tmp_path, where):
    world = World(tmp_path)
    world.first.faults["/simple/"], world.first.elsewhere = "redirect", where
    with pytest.raises(UpstreamError, match="which is not one of its hosts"):
        world.page("alpha")
