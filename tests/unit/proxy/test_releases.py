"""Which releases exist: asked for once, of the one source that may be asked, and never waited for long."""

import asyncio

import pytest

from sekisho.policy.sealing import seal_snapshot
from sekisho.sources import Source
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.follow import Held
from sekisho_proxy.upstream import releases as module
from sekisho_proxy.upstream.fetcher import make_client
from sekisho_proxy.upstream.releases import Releases, newest
from sekisho_proxy.upstream.sources import Upstreams
from tests.fake_upstream import FakeUpstream, run_asgi
from tests.records import NOW, SIGNER, TRUST, artifact, signed, snapshot
from tests.wheels import make_wheel


class Shop:
    """Two sources, of which the second owns ``acme-*``; alpha is approved."""

    def __init__(self, folder):
        self.folder = folder
        self.public = FakeUpstream(wheels=[make_wheel("alpha", one) for one in ("1.0", "1.10", "1.9")])
        self.private = FakeUpstream(wheels=[make_wheel("acme-tool", "3.0")])
        self.now = 1_000_000.0
        self.strangers = 600

    def ask(self, work):
        """Run ``work(releases, held)`` in a process of its own, as it were."""
        with run_asgi(self.public) as one, run_asgi(self.private) as two:
            return asyncio.run(self._run(work, one, two))

    async def _run(self, work, one, two):
        sources = (Source(id="a", url=f"{one}/simple/"), Source(id="b", url=f"{two}/simple/", owns=("acme-*",)))
        trust = self.folder / "trust.json"
        trust.write_text(TRUST.dump())
        held = Held(self.folder / "snapshot.json", trust, lambda: NOW)
        given = snapshot(signed(artifact("alpha", "1.0")), sources=sources)
        assert await held.offer(seal_snapshot(given, SIGNER).canonical(), store=False)
        disk = DiskCache(self.folder / "releases")
        async with make_client(1.0) as client:
            upstreams = Upstreams(client, DiskCache(self.folder / "pages"), timeout=1.0)
            found = Releases(held, upstreams, disk, lambda: self.now, strangers=self.strangers)
            try:
                return await work(found)
            finally:
                await found.close()


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path)


async def _learned(releases, *projects):
    for project in projects:
        await releases.learn(project)
    return [releases.of(project) for project in projects]


def test_releases_are_known_newest_first_and_asked_for_once(shop):
    async def work(releases):
        first = await _learned(releases, "alpha", "alpha", "nothing", "nothing")
        assert releases.of("alpha") is first[0]
        return first

    assert shop.ask(work) == [("1.10", "1.9", "1.0")] * 2 + [(), ()]
    assert shop.public.paths() == ["/simple/alpha/", "/simple/nothing/"]


def test_many_that_ask_at_once_are_one_request(shop):
    async def work(releases):
        await asyncio.gather(*(releases.learn("alpha") for _ in range(50)))
        return releases.of("alpha")

    assert len(shop.ask(work)) == 3
    assert shop.public.paths() == ["/simple/alpha/"]


def test_a_name_that_a_source_owns_is_asked_there_only(shop):
    assert shop.ask(lambda releases: _learned(releases, "acme-tool", "acme-else")) == [("3.0",), ()]
    assert shop.public.paths() == []


def test_what_is_approved_is_remembered_on_the_disk_and_asked_for_again_when_old(shop):
    assert shop.ask(lambda releases: _learned(releases, "alpha", "nothing"))[0]
    shop.public.requests.clear()
    assert shop.ask(lambda releases: _learned(releases, "alpha"))[0]
    assert shop.public.paths() == []
    shop.now += 601
    shop.public.wheels.append(make_wheel("alpha", "2.0"))

    async def work(releases):
        before = (await _learned(releases, "alpha"))[0]
        await asyncio.gather(*releases._flights._tasks.values())
        return before, releases.of("alpha")

    assert shop.ask(work)[1] == ("2.0", "1.10", "1.9", "1.0")
    assert shop.public.paths() == ["/simple/alpha/"]


def test_releases_that_are_still_the_same_are_the_same_object(shop):
    async def work(releases):
        first = (await _learned(releases, "alpha"))[0]
        shop.now += 601
        await releases.learn("alpha")
        assert releases.of("alpha") is first  # at once: nobody waits for what was known
        await asyncio.gather(*releases._flights._tasks.values())
        return releases.of("alpha") is first

    assert shop.ask(work)
    assert shop.public.paths() == ["/simple/alpha/"] * 2


@pytest.mark.parametrize("fault", ["500", "truncated", "redirect"])
def test_without_an_answer_nothing_is_known_and_what_was_known_stays(shop, fault):
    shop.public.faults = {"/simple/": fault}
    assert shop.ask(lambda releases: _learned(releases, "alpha")) == [()]
    shop.public.faults = {}
    shop.now += 61

    async def work(releases):
        known = (await _learned(releases, "alpha"))[0]
        shop.public.faults = {"/simple/": fault}
        shop.now += 601
        await releases.learn("alpha")
        await asyncio.gather(*releases._flights._tasks.values(), return_exceptions=True)
        return known, releases.of("alpha")

    known, after = shop.ask(work)
    assert known == after == ("1.10", "1.9", "1.0")


def test_after_one_waited_in_vain_nobody_waits(shop, monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    shop.public.faults = {"/simple/": "slow"}

    async def work(releases):
        await releases.learn("alpha")
        assert releases._flights._tasks.keys() == {"alpha"}
        monkeypatch.setattr(module, "_PATIENCE", 3600)
        return await asyncio.wait_for(_learned(releases, "beta", "gamma"), 60)

    assert shop.ask(work) == [(), ()]


def test_names_of_which_nothing_is_approved_are_asked_for_so_many_times_an_hour(shop, monkeypatch):
    shop.strangers = 2
    monkeypatch.setattr(module, "_MOST_NAMES", 3)

    async def work(releases):
        await _learned(releases, "one", "two", "three", "alpha")
        assert len(releases._known) == 3
        shop.now += 3601
        await _learned(releases, "four")
        return len(releases._known)

    assert shop.ask(work) == 3
    assert shop.public.paths() == [f"/simple/{name}/" for name in ("one", "two", "alpha", "four")]


def test_what_people_type_can_be_kept_inside(shop):
    shop.strangers = 0
    found = shop.ask(lambda releases: _learned(releases, "one", "alpha"))
    assert found == [(), ("1.10", "1.9", "1.0")]
    assert shop.public.paths() == ["/simple/alpha/"]


def test_an_index_of_html_names_releases_by_its_files(shop):
    shop.public.html = True
    assert shop.ask(lambda releases: _learned(releases, "alpha")) == [("1.10", "1.9", "1.0")]


def test_what_is_no_version_is_left_out_and_the_newest_are_kept():
    assert newest(["1.0", "1.00", "x", None, "2.0rc1", "1!0"]) == ("1!0", "2.0rc1", "1.0")
    assert newest(f"{n}.0" for n in range(3000))[-1] == "2000.0"
