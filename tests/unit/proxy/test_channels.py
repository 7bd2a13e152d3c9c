"""Channels as upstream gives them: in every form, in bad ones, and when files were first seen."""

import asyncio
import shutil
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from sekisho.errors import CorruptError, NotFoundError, SekishoError, UpstreamError
from sekisho.sources import Source
from sekisho_proxy.conda.catalogue import Catalogue
from sekisho_proxy.conda.channels import Channels
from sekisho_proxy.conda.importing import Job, run
from sekisho_proxy.conda.seen import Stamps, age
from sekisho_proxy.conda.shards import read_index
from sekisho_proxy.conda.stated import Refused, Stated
from sekisho_proxy.conda.value import cleaned
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.upstream.fetcher import make_client
from sekisho_proxy.upstream.sources import Upstreams
from tests.channels import Channel, FakeChannels, make_package, zst
from tests.fake_upstream import run_asgi
from tests.records import sha, snapshot

ALPHA, BETA = make_package("alpha"), make_package("beta", "2.0", ending=".tar.bz2")
NEWER = make_package("alpha", "1.1")
INDEX, ZST, JSON = (
    f"/main/noarch/{name}" for name in ("repodata_shards.msgpack.zst", "repodata.json.zst", "repodata.json")
)
START = 1_800_000_000
DAY = 86_400


class World:
    """A channel, and a proxy's view of it; ``now`` is in seconds of the epoch."""

    def __init__(self, folder: Path, fake: FakeChannels, url: str, **source):
        self.fake = fake
        self.url = url
        self.folder = folder
        self.now = START
        self._source = source

    def ask(self, *works):
        """Do each of ``works`` with one proxy, which begins with what is on the disk; return the last answer."""

        async def do():
            sources = (Source(id="main", kind="conda", url=f"{self.url}/main", **self._source),)
            async with make_client(1.0) as client:
                upstreams = Upstreams(client, DiskCache(self.folder / "pages"), timeout=1.0)
                channels = Channels(upstreams, self.folder, lambda: self.now)
                try:
                    for work in works:
                        answer = await work(channels, snapshot(sources=sources))
                    return answer
                finally:
                    await channels.close()

        return asyncio.run(do())

    def names(self):
        return self.ask(names)

    def listed(self, name="alpha"):
        return self.ask(listed(name))

    def seen(self, name="alpha"):
        """Return the days after the beginning on which each file of a name was first seen."""
        return {row.filename: (row.seen - START) // DAY for row in self.listed(name).rows}

    def has(self, **changes):
        held = self.fake.channels["main"]
        self.fake.channels["main"] = Channel(**{**{key: getattr(held, key) for key in FIELDS}, **changes})

    def files(self):
        """Return what is kept; SQLite's own files come and go."""
        return sorted(path for path in (self.folder / "channels").rglob("*") if path.is_file())

    @property
    def paths(self):
        return [asked.path for asked in self.fake.asked]


FIELDS = ("packages", "removed", "records", "info", "top", "shard_info", "shards", "plain")


async def names(channels, policy):
    return await channels.names(policy, "main", "noarch")


def listed(name="alpha"):
    async def work(channels, policy):
        return await channels.listed(policy, "main", "noarch", name)

    return work


@pytest.fixture(params=["shards", "zst", "json"])
def form(request):
    """Each form in which a channel may be had."""
    return request.param


@pytest.fixture
def open_world(tmp_path):
    """Make worlds, each with a server of its own; its state is in the test's folder."""
    with ExitStack() as stack:

        def make(channel, **source):
            fake = FakeChannels(channels={"main": channel})
            url = stack.enter_context(run_asgi(fake))
            return World(tmp_path / urlsplit(url).netloc, fake, url, **source)

        yield make


@pytest.fixture
def world(open_world, form):
    made = open_world(Channel((ALPHA, BETA), shards=form == "shards"))
    if form == "json":
        made.fake.faults[ZST] = "404"
    return made


def test_every_form_lists_the_same(world):
    assert world.names().digests.keys() == {"alpha", "beta"}
    [row] = world.listed("beta").rows
    assert world.listed("beta").artifact(row) == BETA.artifact(source="main", seen=datetime.fromtimestamp(START, UTC))
    with pytest.raises(NotFoundError, match="gamma"):
        world.listed("gamma")


def test_of_a_channel_with_shards_only_what_is_wanted_is_fetched(open_world):
    world = open_world(Channel((ALPHA, BETA)))
    world.listed()
    assert [path for path in world.paths if "repodata" in path] == [INDEX]
    assert len(world.paths) == 2


def test_it_is_asked_again_only_if_it_changed(world, form):
    world.listed()
    before = len(world.paths)
    world.now += 599
    world.ask(names, names)
    assert len(world.paths) == before
    world.now += 1
    world.ask(listed(), names)
    again = [asked for asked in world.fake.asked[before:] if asked.headers.get("if-none-match")]
    assert [asked.path for asked in again] == [{"shards": INDEX, "zst": ZST, "json": JSON}[form]]
    assert len(world.paths) - before == {"shards": 1, "zst": 2, "json": 3}[form]


def test_a_file_that_came_later_was_seen_later(world):
    world.listed()
    world.has(packages=(ALPHA, BETA, NEWER))
    world.now += 2 * DAY
    world.names()
    world.now += DAY
    assert world.seen() == {ALPHA.filename: 0, NEWER.filename: 2}


def test_another_file_under_an_old_name_is_a_new_one(world):
    world.listed()
    changed = ALPHA.but(files={"share/other": b"other"})
    world.has(packages=(changed,))
    world.now += DAY
    assert world.seen() == {ALPHA.filename: 1}
    world.has(packages=(ALPHA,))
    world.now += DAY
    assert world.seen() == {ALPHA.filename: 0}


def test_what_is_stated_counts_only_where_the_source_is_trusted_to_say_it(open_world, form):
    old, future = (START - 50 * DAY) * 1000, (START + 900 * DAY) * 1000
    rows = {
        "there": {"timestamp": old},
        "stamped": {"timestamp": future, "indexed_timestamp": old + 10 * DAY * 1000},
        "ahead": {"timestamp": future, "indexed_timestamp": future},
        "odd": {"timestamp": True, "indexed_timestamp": "long ago"},
    }
    made = {name: make_package("alpha", "1.0", build=name) for name in [*rows, "later", "latest"]}
    records = {made[name].path: {**made[name].record, **row} for name, row in rows.items()}
    records[made["odd"].path].pop("timestamp")
    later = {
        made["later"].path: {**made["later"].record, "timestamp": old},
        made["latest"].path: {**made["latest"].record, "indexed_timestamp": old},
    }
    world = open_world(Channel(records=records, shards=form == "shards"), ages="stated")
    if form == "json":
        world.fake.faults[ZST] = "404"
    at = {made[name].filename: days for name, days in {"there": -50, "stamped": -40, "ahead": 0, "odd": 0}.items()}
    assert world.seen() == at
    world.has(records=records | later)
    world.now += DAY
    assert world.seen() == at | {made["later"].filename: 1, made["latest"].filename: -50}
    other = open_world(Channel(records=records | later, shards=form == "shards"))
    assert set(other.seen().values()) == {0}


@pytest.mark.parametrize("said", [0, -1, -(10**30), 10**30, True, 1.5, "5", None])
def test_a_time_that_no_file_can_have_makes_none_older(said):
    stamps = Stamps({sha("a"): START}, START)
    for key in ("timestamp", "indexed_timestamp"):
        assert age(stamps, sha("a"), {key: said}) == START
    assert age(stamps, sha("a"), {"timestamp": said, "indexed_timestamp": 5000}) == 5


def test_what_is_derived_may_be_thrown_away_and_stamps_may_not(world):
    world.listed()
    shutil.rmtree(world.folder / "channels")
    world.now += 3 * DAY
    assert world.seen() == {ALPHA.filename: 0}
    (world.folder / "first-seen.sqlite").unlink()
    for rest in world.folder.glob("first-seen.sqlite-*"):
        rest.unlink()
    world.now += DAY
    assert world.seen() == {ALPHA.filename: 4}


def test_a_piece_that_is_not_whole_is_had_again(open_world):
    world = open_world(Channel((ALPHA, BETA), shards=False))
    world.listed()
    [file] = world.folder.rglob("*.pieces")
    file.write_bytes(b"x" * file.stat().st_size)
    with pytest.raises(CorruptError, match="not whole"):
        world.listed()
    assert world.listed().rows[0].filename == ALPHA.filename


def test_a_reading_that_was_killed_leaves_what_was_there(open_world):
    """It is killed with a part of its pieces written, and what came still there: the catalogue in force knows neither."""
    world = open_world(Channel((ALPHA, BETA), shards=False))
    world.listed()
    [pieces] = world.folder.rglob("*.pieces")
    with pieces.open("ab") as file:
        file.write(b'[["alpha-1.1-0.conda",{"na')
    for name in ("came", "came.catalogue", "came.old"):
        (pieces.parent / "incoming" / name).write_bytes(b"half")
    assert world.listed().rows[0].filename == ALPHA.filename
    world.has(packages=(ALPHA, BETA, NEWER))
    world.now += 700
    assert len(world.listed().rows) == 2
    assert len(world.listed("beta").rows) == 1
    assert list((pieces.parent / "incoming").iterdir()) == []


def test_a_large_file_is_read_by_a_process_of_its_own(open_world):
    record = {**ALPHA.record, "name": "big", "version": "1.0"}
    big = {f"noarch/big-1.0-{n}.conda": {**record, "build": f"{n}", "sha256": sha(f"{n}")} for n in range(8000)}
    world = open_world(Channel((ALPHA,), shards=False, records=big))
    assert len(world.fake.channels["main"].files["noarch/repodata.json.zst"]) > 256 << 10
    assert len(world.listed("big").rows) == 8000
    world.fake.lies[ZST] = world.fake.channels["main"].files["noarch/repodata.json.zst"][:-7]
    world.now += DAY
    assert "ends in the middle" in world.names().stale
    world.fake.lies.clear()
    world.has(records={**big, "noarch/big-1.0-x.conda": {**record, "build": "x", "sha256": sha("x")}})
    world.now += DAY
    seen = world.seen("big")
    assert (len(seen), seen["big-1.0-x.conda"], seen["big-1.0-0.conda"]) == (8001, 2, 0)


@pytest.mark.parametrize("fault", ["500", "slow", "truncated", "redirect", "404"])
def test_a_channel_that_fails_keeps_what_is_there(world, form, fault):
    if form == "json" and fault in {"500", "slow", "truncated"}:
        pytest.skip("these take seconds, and are the same for each file")
    world.listed()
    before = world.files()
    world.has(packages=(NEWER,))
    world.fake.faults = {"/main": fault}
    world.now += 700
    if fault == "404":
        with pytest.raises(NotFoundError):
            world.names()
    else:
        assert world.names().stale
        assert world.listed().rows[0].filename == ALPHA.filename
    assert world.files() == before


BAD = {
    "no zstd": b"nonsense",
    "cut": zst(b"x" * 10_000)[:-7],
    "no object": zst(b"\x93\x01\x02\x03"),
    "nested": zst(b"\x81\xa6shards" + b"\x91" * 100_000),
    "of another subdir": zst(msgspec.msgpack.encode({"info": {"subdir": "linux-64"}, "shards": {}})),
    "bomb": zst(bytes(65 << 20)),
    "of frames that hold nothing": zst(b"") * 200 + zst(msgspec.msgpack.encode({"info": {}, "shards": {}})),
    "of too many names": zst(msgspec.msgpack.encode({"info": {}, "shards": {f"{n}": b"" for n in range(200_001)}})),
    "of too many keys": zst(msgspec.msgpack.encode({"info": {}, "shards": {}, **{f"{n}": 0 for n in range(1000)}})),
    "of a large info": zst(msgspec.msgpack.encode({"info": {"x": [{}] * (1 << 16)}, "shards": {}})),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_index_of_shards_is_an_error_and_changes_nothing(open_world, bad):
    world = open_world(Channel((ALPHA, BETA)))
    world.fake.lies[INDEX] = bad
    with pytest.raises(CorruptError):
        world.names()
    world.fake.lies.clear()
    world.listed()
    world.fake.lies[INDEX] = bad
    world.now += 700
    assert world.names().stale
    assert world.listed().rows[0].filename == ALPHA.filename


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"[]",
        b"{",
        b'{"packages": 1}',
        b'{"packages": {"a": ',
        b"[" * 100_000,
        b'{"packages": [1]}',
        b"\xff\xfe",
        b"null",
    ],
)
def test_bad_repodata_is_an_error_and_changes_nothing(open_world, bad):
    world = open_world(Channel((ALPHA, BETA), shards=False))
    world.listed()
    before = world.files()
    world.fake.lies |= {ZST: zst(bad), JSON: bad}
    world.now += 700
    assert "sent what is no repodata" in world.names().stale
    assert world.listed().rows[0].filename == ALPHA.filename
    assert world.files() == before
    other = open_world(Channel(shards=False))
    other.fake.lies |= {ZST: zst(bad), JSON: bad}
    with pytest.raises(CorruptError, match="no repodata"):
        other.names()


def job_of(folder, data):
    """Write repodata into a folder, and return the job of reading it."""
    (folder / "came").write_bytes(zst(data))
    return Job(
        file=str(folder / "came"),
        packed=True,
        where="here",
        folder=str(folder / "pieces"),
        old="",
        new=str(folder / "new"),
        seen=str(folder / "seen.sqlite"),
        source="main",
        subdir="noarch",
        now=START,
    )


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"packages":{' + b",".join(b'"a%d-1-0.conda":0' % n for n in range(200_001)) + b"}}", "200000 names"),
        (b'{"packages":{"a-1-0.conda":"' + b"x" * (64 << 20) + b'"}}', "bytes on a"),
        (zst(b"") * 10_001, "frames"),
    ],
    ids=["names", "bytes of a name", "frames"],
)
def test_repodata_of_too_much_is_refused_before_the_proxy_reads_it(tmp_path, data, why):
    job = job_of(tmp_path, data)
    if why == "frames":
        (tmp_path / "came").write_bytes(data)
    with pytest.raises(CorruptError, match=why):
        run(job)
    assert not (tmp_path / "new").exists()


def test_of_many_keys_that_are_not_known_some_are_named(tmp_path):
    run(job_of(tmp_path, b'{"packages":{}' + b"".join(b',"k%d":0' % n for n in range(1000)) + b"}"))
    assert 0 < len(Catalogue.load((tmp_path / "new").read_bytes()).refused) <= 100


def test_repodata_that_is_too_large_is_refused(tmp_path):
    job = msgspec.structs.replace(job_of(tmp_path, b'{"packages":{},"x":"' + b"x" * 100_000 + b'"}'), limit=50_000)
    with pytest.raises(CorruptError, match="more than 50000 bytes"):
        run(job)
    assert [path.name for path in tmp_path.iterdir()] == ["came"]
    assert run(msgspec.structs.replace(job, limit=200_000)).records == 0


def test_a_shard_that_lies_about_its_hash_is_refused(open_world):
    world = open_world(Channel((ALPHA, BETA)))
    digest = world.names().digests["alpha"].hex()
    path = f"/main/noarch/{digest}.msgpack.zst"
    world.fake.lies[path] = world.fake.channels["main"].shards_of("noarch")["beta"]
    with pytest.raises(CorruptError, match="not to what the index says"):
        world.listed()
    world.fake.lies.clear()
    assert world.listed().rows[0].filename == ALPHA.filename


def test_a_shard_that_is_gone_has_the_index_read_again(open_world):
    world = open_world(Channel((ALPHA,)))
    world.names()
    world.has(packages=(ALPHA, NEWER))

    async def try_it(channels, policy):
        with pytest.raises(UpstreamError):
            await listed()(channels, policy)

    assert len(world.ask(try_it, listed()).rows) == 2


RECORDS = {
    "no sha256": {"sha256": None},
    "no size": {"size": None},
    "another name": {"name": "other"},
    "another subdir": {"subdir": "linux-64"},
    "odd depends": {"depends": "python"},
    "a number": 7,
    "larger than any": {"about": "x" * (1 << 20)},
}


@pytest.mark.parametrize("odd", RECORDS.values(), ids=RECORDS)
def test_an_odd_record_is_refused_with_a_reason_and_the_others_stay(open_world, form, odd):
    record = {**NEWER.record, **odd} if isinstance(odd, dict) else odd
    records = {NEWER.path: record, "noarch/alpha.conda": ALPHA.record, "noarch/alpha-1-0-0.whl": {}}
    if form == "shards" and not isinstance(record, dict):
        pytest.skip("the fake cannot make such shards")
    world = open_world(Channel((ALPHA,), records=records, shards=form == "shards"))
    if form == "json":
        world.fake.faults[ZST] = "404"
    found = world.listed()
    assert [row.filename for row in found.rows] == [ALPHA.filename]
    if odd != {"name": "other"} or form != "shards":  # there it is in a shard of its own
        assert any(row.what == NEWER.filename and row.why for row in found.refused)


def test_a_file_that_is_listed_twice_counts_as_none_of_the_two():
    alpha, newer = (Stated(msgspec.Raw(msgspec.json.encode(one.record)), msgspec.json.decode) for one in (ALPHA, NEWER))
    kept, refused = cleaned(
        "alpha", "noarch", [(ALPHA.filename, alpha), (NEWER.filename, newer), (ALPHA.filename, alpha)]
    )
    assert [filename for filename, _ in kept] == [NEWER.filename]
    assert set(refused) == {Refused(ALPHA.filename, "it is listed twice")}


@pytest.mark.parametrize("short", [b"", b"x" * 16, b"x" * 31, b"x" * 33, b"x" * 64])
def test_a_shard_without_a_whole_sha256_is_none(short):
    index = {"version": 1, "info": {"subdir": "noarch"}, "shards": {"alpha": b"x" * 32, "beta": short}}
    found = read_index(zst(msgspec.msgpack.encode(index)), url="http://main.invalid/noarch/index", subdir="noarch")
    assert found.names == {"alpha": b"x" * 32}
    assert found.refused == (Refused("beta", "its shard has no sha256"),)


def test_names_that_are_none_keep_no_other_name_away(open_world, form):
    odd = {f"noarch/{name}": ALPHA.record for name in ("..%2fx-1-0.conda", "-1-0.conda", "A B-1-0.conda", "x.conda")}
    world = open_world(Channel((ALPHA,), records=odd, shards=form == "shards"), owns=("alpha", "acme-*"))
    if form == "json":
        world.fake.faults[ZST] = "404"
    assert world.names().digests.keys() == {"alpha"}
    assert world.listed().rows[0].filename == ALPHA.filename
    said = {row.what for row in (*world.names().refused, *world.listed().refused)}
    assert {"..%2fx-1-0.conda", "-1-0.conda", "A B-1-0.conda", "x.conda"} <= said


def test_what_leads_elsewhere_is_dropped_and_shown(world, form):
    world.has(
        info={"base_url": "http://elsewhere.invalid/", "channel_relations": {"base": "../other"}},
        shard_info={"base_url": "http://elsewhere.invalid/", "channel_relations": {"base": "../other"}},
        top={"signatures": {}, "v3": {"whl": {"x-1-0.whl": {"url": "http://elsewhere.invalid/x"}}}},
        records={
            NEWER.path: {**NEWER.record, "url": "http://elsewhere.invalid/x", "base_url": "http://elsewhere.invalid/"}
        },
    )
    shown = {row.what for row in world.names().refused}
    assert shown >= {"info.base_url", "info.channel_relations"}
    assert form == "shards" or shown >= {"signatures", "v3"}
    assert "elsewhere" not in repr([row.record for row in world.listed().rows])


def test_shards_that_are_elsewhere_are_not_asked_for(open_world):
    with run_asgi(other := FakeChannels()) as elsewhere:
        world = open_world(Channel((ALPHA,), shard_info={"shards_base_url": f"{elsewhere}/main/noarch/"}))
        assert any(row.what == "info.shards_base_url" for row in world.names().refused)
        assert world.listed().rows[0].filename == ALPHA.filename
        world.has(plain=False)
        shutil.rmtree(world.folder / "channels")
        with pytest.raises(UpstreamError, match="shards elsewhere"):
            world.names()
    assert other.requests == []


def test_made_up_subdirs_leave_nothing_and_push_no_other_out(open_world):
    world = open_world(Channel((ALPHA, BETA), shards=False))

    async def made_up(channels, policy):
        for number in range(70):
            with pytest.raises(NotFoundError):
                await channels.names(policy, "main", f"os-{number}")

    world.ask(names, made_up, names)
    assert world.paths.count(ZST) == 1
    assert len(list((world.folder / "channels" / "pieces").iterdir())) == 1


@pytest.mark.parametrize(("owns", "seconds"), [((), 60), (("alpha",), 5)])
def test_a_subdir_that_is_missing_is_asked_for_again_after_a_while(open_world, owns, seconds):
    world = open_world(Channel((ALPHA,)), owns=owns)
    world.fake.faults["/main"] = "404"

    async def ask(channels, policy):
        with pytest.raises(NotFoundError):
            await channels.names(policy, "main", "noarch")

    async def wait(channels, policy):
        world.now += seconds - 1
        await ask(channels, policy)
        assert len(world.paths) == 3
        world.now += 1
        await ask(channels, policy)
        assert len(world.paths) == 6
        world.fake.faults.clear()
        world.now += seconds
        assert (await names(channels, policy)).digests.keys() == {"alpha"}

    world.ask(ask, ask, wait)


def test_a_subdir_that_goes_missing_is_not_asked_for_at_each_request(open_world):
    world = open_world(Channel((ALPHA,)))

    async def go(channels, policy):
        await names(channels, policy)
        world.fake.faults["/main"] = "404"
        world.now += 700
        before = len(world.paths)
        for _ in range(5):
            with pytest.raises(NotFoundError):
                await channels.names(policy, "main", "noarch")
        assert len(world.paths) - before == 3
        world.fake.faults.clear()
        world.now += 60
        assert (await names(channels, policy)).digests.keys() == {"alpha"}

    world.ask(go)


def test_a_subdir_or_channel_that_is_none_is_not_asked_for(world):
    for source, subdir in (("main", "../secret"), ("main", "NOARCH"), ("other", "noarch")):
        with pytest.raises(SekishoError):
            world.ask(lambda channels, policy, at=(source, subdir): channels.names(policy, *at))
    assert world.paths == []
