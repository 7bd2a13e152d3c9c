"""Packages that are not beside their channel's index (CEP 15), and such as are not there at all, at the real door."""

import asyncio
import random

import httpx2
import pytest

from sekisho.keys import load_trust
from sekisho.sources import Source
from sekisho_proxy.bundle.arrive import import_bundle
from sekisho_proxy.bundle.export import export_bundle
from tests.channels import Channel, FakeChannels, make_package
from tests.fake_upstream import run_asgi
from tests.integration.proxy.house import House
from tests.integration.proxy.test_quarantined_channels import inspected

TOOL = make_package("tool", "1.0")
OTHER = make_package("tool", "1.1")
DOOR = f"/w/everyone/conda/main/{TOOL.path}"


class Site:
    """A channel whose packages are elsewhere, and another host; both log who comes."""

    def __init__(self, folder, urls, fakes, *, cdn=False, approve=True, form="shards"):
        self.upstream, self.other = fakes
        self.url, self.elsewhere = urls
        self.form = form
        self.house = House(folder, upstream=self.url)
        self.house.inside = (
            Source(id="main", kind="conda", url=f"{self.url}/main", file_hosts=(host(self.elsewhere),) if cdn else ()),
        )
        self.upstream.faults[f"/main/{TOOL.path}"] = "404"
        if approve:
            self.house.settle(self.house.approval(TOOL.artifact(source="main")))

    def say(self, base):
        said = {"base_url": base}
        shards = self.form == "shards"
        self.upstream.channels["main"] = Channel((TOOL,), info=said, shard_info=said, shards=shards)

    def log_in(self):
        """Give the proxy a login for the channel's host."""
        file = self.house.settings.data / "sources.netrc"
        file.write_text(f"machine {self.url.removeprefix('http://')} login me password s3cret\n")
        file.chmod(0o600)


@pytest.fixture
def make_site(tmp_path):
    fakes = FakeChannels(), FakeChannels()
    with run_asgi(fakes[0]) as url, run_asgi(fakes[1]) as other:
        yield lambda **more: Site(tmp_path, (url, other), fakes, **more)


def host(url):
    return url.removeprefix("http://")


@pytest.mark.parametrize("form", ["shards", "whole"])
@pytest.mark.parametrize("base", ["../../pool/", "/pool", "//HOST/pool/", "http://HOST/pool/", "../../../x/../pool/"])
def test_a_package_is_had_from_where_its_channel_says(make_site, form, base):
    site = make_site(form=form)
    site.say(base.replace("HOST", host(site.url)))
    site.upstream.lies[f"/pool/{TOOL.filename}"] = TOOL.data
    with site.house.open() as client:
        answer = client.get(DOOR)
        assert (answer.status_code, answer.content) == (200, TOOL.data)
        page = client.get("/w/everyone/conda/main/noarch/repodata.json").json()
        assert page["info"] == {"subdir": "noarch"}
        site.upstream.faults = {"/": "500"}
        assert client.get(DOOR).content == TOOL.data


def test_what_is_known_of_a_channel_is_asked_first_and_survives_a_restart(make_site):
    site = make_site()
    site.say("../../pool/")
    site.upstream.lies[f"/pool/{TOOL.filename}"] = TOOL.data
    with site.house.open() as client:
        client.get("/candidates/conda/main/noarch/repodata_shards.msgpack.zst", auth=site.house.basic())
    site.upstream.requests.clear()
    with site.house.open() as client:
        assert client.get(DOOR).content == TOOL.data
    greeted = "/main/noarch/repodata.json"  # at its start a proxy looks whether its sources are there
    assert [path for path in site.upstream.paths() if path != greeted] == [f"/pool/{TOOL.filename}"]


def test_a_package_is_inspected_and_exported_from_there_and_a_replica_needs_no_channel(make_site, tmp_path):
    site = make_site(approve=False)
    site.say("../../pool/")
    site.upstream.lies[f"/pool/{TOOL.filename}"] = TOOL.data
    site.house.settle()
    with site.house.open() as client:
        row = inspected(site.house, client, TOOL.artifact(source="main"))[TOOL.sha256]
        assert row["facts"]["size"] == len(TOOL.data)
    site.house.settle(site.house.approval(TOOL.artifact(source="main")))
    (site.house.settings.data / "proxy" / "quarantine").rename(tmp_path / "away")
    done = asyncio.run(export_bundle(site.house.settings, tmp_path / "bundle"))
    assert done.blobs == 1
    replica = House(tmp_path / "closed", upstream="http://127.0.0.1:9", replica=True)
    replica.settings.trust_file.write_text(load_trust(site.house.settings.trust_file).dump())
    import_bundle(replica.settings, tmp_path / "bundle")
    with replica.open() as client:
        assert client.get(DOOR).content == TOOL.data
        names = client.get("/w/everyone/conda/main/noarch/repodata.json").json()["packages.conda"]
        assert names.keys() == {TOOL.filename}


def test_a_login_goes_to_no_other_host_though_that_is_one_of_the_sources(make_site):
    site = make_site(cdn=True)
    site.log_in()
    site.say(f"{site.elsewhere}/pool/")
    site.other.lies[f"/pool/{TOOL.filename}"] = TOOL.data
    with site.house.open() as client:
        assert client.get(DOOR).content == TOOL.data
    assert {row.headers.get("authorization") for row in site.upstream.asked} == {"Basic bWU6czNjcmV0"}
    assert [row.path for row in site.other.asked][-1] == f"/pool/{TOOL.filename}"
    assert not [row for row in site.other.asked if "s3cret" in repr(row) or "authorization" in row.headers]


@pytest.mark.parametrize(
    ("base", "why"),
    [
        ("OTHER/pool/", "not one of its hosts"),
        ("http://me:s3cret@HOST/pool/", "a login in it"),
        ("../../pool/?sig=s3cret", "a query"),
        ("http://[/pool/", "no address"),
    ],
)
def test_a_place_that_is_not_followed_is_named_in_the_answer_and_in_what_is_refused(make_site, base, why):
    site = make_site()
    site.say(base.replace("OTHER", site.elsewhere).replace("HOST", host(site.url)))
    with site.house.open() as client:
        answer = client.get(DOOR)
        assert answer.status_code == 502
        assert why in answer.json()["title"]
        assert "docs/how-to/channels.md" in answer.json()["todo"]
        rows = client.get("/candidates/conda/main/noarch/refused", auth=site.house.basic()).json()
        assert [why in row["why"] for row in rows if row["what"] == "info.base_url"] == [True]
        assert "s3cret" not in answer.text + repr(rows)
        site.upstream.faults = {}
        assert client.get(DOOR).content == TOOL.data  # where it is beside its index all the same, that will do
    assert site.other.asked == []


def test_another_file_at_the_stated_place_is_not_given(make_site):
    site = make_site()
    site.say("../../pool/")
    site.upstream.lies[f"/pool/{TOOL.filename}"] = OTHER.data
    with site.house.open() as client:
        assert client.get(DOOR).status_code == 502
        site.upstream.lies[f"/pool/{TOOL.filename}"] = TOOL.data
        assert client.get(DOOR).content == TOOL.data


def test_shards_of_another_host_that_is_the_sources_are_read_there(make_site):
    site = make_site(cdn=True)
    site.log_in()
    shards = Channel((TOOL,), plain=False, shard_info={"shards_base_url": f"{site.elsewhere}/s/"})
    site.upstream.channels["main"] = shards
    for path, data in shards.files.items():
        site.other.lies[f"/s/{path.rpartition('/')[2]}"] = data
        if path.count(".") == 2 and "repodata" not in path:
            site.upstream.faults[f"/main/{path}"] = "404"
    with site.house.open() as client:
        [row] = client.get("/candidates/conda/main/noarch/artifacts/tool", auth=site.house.basic()).json()
        assert row["sha256"] == TOOL.sha256
    assert len(site.other.asked) == 1
    assert "authorization" not in site.other.asked[0].headers


# packages that are not there (yet)


@pytest.fixture
def plain(make_site):
    site = make_site()
    site.upstream.channels["main"] = Channel((TOOL,))
    return site


def test_a_file_that_is_listed_and_not_there_yet_is_said_to_be_so_and_had_once_it_is(plain):
    with plain.house.open() as client:
        for _ in range(2):
            answer = client.get(DOOR)
            assert answer.status_code == 404
            assert answer.json()["title"] == f"source 'main' does not have {TOOL.filename} (yet)"
            assert answer.json()["where"] == TOOL.path
            assert answer.json()["todo"].startswith("try again later")
        asked = plain.upstream.paths(f"/main/{TOOL.path}")
        assert len(asked) == 2  # each time again: no answer of before sticks
        plain.upstream.faults = {}
        assert client.get(DOOR).content == TOOL.data


def test_a_candidate_that_is_not_there_yet_is_a_problem_with_a_reason_and_inspected_once_it_is(plain):
    artifact = TOOL.artifact(source="main")
    with plain.house.open() as client:
        problem = inspected(plain.house, client, artifact)[TOOL.sha256]["problem"]
        assert (problem["code"], "(yet)" in problem["title"]) == ("not-found", True)
        plain.upstream.faults = {}
        assert inspected(plain.house, client, artifact)[TOOL.sha256]["facts"]["size"] == len(TOOL.data)


@pytest.mark.parametrize("size", [1 << 12, 3 << 20], ids=["small", "streamed"])
def test_bytes_that_differ_never_come_whole_and_are_had_once_they_are_right(plain, size):
    large = make_package("tool", "2.0", files={"share/x": random.Random(1).randbytes(size)}, ending=".tar.bz2")
    plain.upstream.channels["main"] = Channel((large,))
    plain.house.settle(plain.house.approval(large.artifact(source="main")))
    path = f"/w/everyone/conda/main/{large.path}"
    plain.upstream.lies[f"/main/{large.path}"] = large.data[:-1] + b"x"
    with plain.house.open() as client:
        for _ in range(2):
            try:
                answer = client.get(path)
            except httpx2.RemoteProtocolError:
                continue
            assert answer.status_code == 502
            assert "other bytes" in answer.json()["title"]
        plain.upstream.lies.clear()
        assert client.get(path).content == large.data
