"""Real packages through the door into environments that run: from the proxy, a frozen door, a replica, over TLS."""

import asyncio
import subprocess
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from sekisho.keys import load_trust, open_signer
from sekisho.sources import Source
from sekisho_proxy.bundle.arrive import import_bundle
from sekisho_proxy.bundle.export import export_bundle
from tests.channels import Channel, FakeChannels, Rattler, RattlerError, make_package, python_package
from tests.channels.packages import PLACEHOLDER
from tests.fake_upstream import run_asgi
from tests.integration.proxy.house import House, until
from tests.integration.proxy.test_conda_door import names_of
from tests.integration.proxy.test_frozen import Frozen, day

SEEN = datetime(2026, 1, 2, tzinfo=UTC)
LIB = make_package(
    "tinylib",
    noarch="python",
    files={"site-packages/tinylib/__init__.py": b"def main():\n    import sys; print('hello', sys.prefix)\n"},
    entry_points=("tinylib-hello = tinylib:main",),
)
NEWER = LIB.but(version="2.0")
DATA = make_package("tinydata", "1.1", ending=".tar.bz2")
TOOL = make_package(
    "tinytool",
    subdir="linux-64",
    depends=("tinydata", "__glibc >=2.17"),
    files={"bin/tinytool": b"#!/bin/sh\ncat " + PLACEHOLDER.encode() + b"/share/tinydata/version.txt\n"},
)
SPECS = ["tinylib", "tinytool"]


@pytest.fixture
def upstream():
    return FakeChannels(channels={"chan": Channel((python_package(), LIB, NEWER, DATA, TOOL))})


@pytest.fixture
def base(upstream):
    with run_asgi(upstream) as url:
        yield url


@pytest.fixture
def rattler(tmp_path):
    with Rattler(tmp_path / "rattler") as client:
        yield client


def sourced(house, base):
    house.inside = (Source(id="chan", kind="conda", url=f"{base}/chan"),)
    return house


def approval(house, *packages, **more):
    return house.approval(*(package.artifact(source="chan", seen=SEEN) for package in packages), **more)


def all_but_newer(house):
    return [approval(house, package) for package in (python_package(), LIB, DATA, TOOL)]


def door_of(client, at=""):
    return f"{str(client.base_url).rstrip('/')}/w/everyone/{at}conda/chan"


def runs(prefix):
    said = [subprocess.run([prefix / "bin" / name], capture_output=True, text=True, check=True).stdout.strip()
            for name in ("tinylib-hello", "tinytool")]  # fmt: skip
    assert said == [f"hello {prefix}", "tinydata 1.1"]


@pytest.mark.parametrize("sharded", [True, False])
def test_an_environment_from_the_door_runs_and_nothing_else_is_fetched(rattler, upstream, base, tmp_path, sharded):
    house = sourced(House(tmp_path / "house", upstream=base), base)
    house.settle(*all_but_newer(house))
    with house.open() as client:
        rows = rattler.install([door_of(client)], SPECS, tmp_path / "env", sharded=sharded)
        assert {row.name: row.version for row in rows}["tinylib"] == "1.0"
        with pytest.raises(RattlerError, match=r"tinylib ==2\.0"):
            rattler.solve([door_of(client)], ["tinylib ==2.0"], sharded=sharded)
    runs(tmp_path / "env")
    fetched = {row.path for row in upstream.asked if row.path.endswith((".conda", ".tar.bz2"))}
    assert fetched == {f"/chan/{package.path}" for package in (python_package(), LIB, DATA, TOOL)}
    assert not [row for row in upstream.asked if "authorization" in row.headers]


def test_a_client_waits_for_files_to_age_by_when_they_were_seen_here(rattler, base, tmp_path):
    house = sourced(House(tmp_path / "house", upstream=base), base)
    old, new = LIB.artifact(source="chan", seen=SEEN), NEWER.artifact(source="chan", seen=datetime.now(UTC))
    python = python_package().artifact(source="chan", seen=SEEN)
    house.settle(house.approval(old, new), house.approval(python))
    with house.open() as client:
        chosen = {row.name: row.version for row in rattler.solve([door_of(client)], ["tinylib"], exclude_newer=7)}
        assert chosen["tinylib"] == "1.0"
        chosen = {row.name: row.version for row in rattler.solve([door_of(client)], ["tinylib"])}
        assert chosen["tinylib"] == "2.0"


def test_a_frozen_door_gives_the_channel_as_it_was_approved_then(rattler, base, tmp_path):
    house = sourced(Frozen(tmp_path / "house", upstream=base), base)
    house.source, kept = house.inside[0], house.source
    assert kept
    before = all_but_newer(house)
    after = approval(house, NEWER)
    house.turn_and_settle(5, *before)
    house.turn_and_settle(2, *before, after)
    with house.open() as client:
        then, now = (
            {row.name: row.version for row in rattler.solve([door_of(client, at)], SPECS)} for at in (f"@{day(4)}/", "")
        )
        assert (then["tinylib"], now["tinylib"]) == ("1.0", "2.0")
        assert NEWER.filename not in names_of(client, f"/w/everyone/@{day(4)}/conda/chan")
        refused = client.get(f"/w/everyone/@{day(4)}/conda/chan/{NEWER.path}")
        assert (refused.status_code, "not-approved-then" in refused.json()["title"]) == (403, True)


def test_a_replica_gives_a_channel_that_it_cannot_reach(rattler, upstream, base, tmp_path):
    house = sourced(House(tmp_path / "house", upstream=base), base)
    house.settle(*all_but_newer(house), approval(house, NEWER, scope=("risk",)))
    asyncio.run(export_bundle(house.settings, tmp_path / "bundle"))
    replica = House(tmp_path / "far", upstream="http://127.0.0.1:9", replica=True)
    open_signer(house.settings, "export")
    replica.settings.trust_file.write_text(load_trust(house.settings.trust_file).dump())
    import_bundle(replica.settings, tmp_path / "bundle")
    asked = len(upstream.asked)
    with replica.open() as client:
        rattler.install([door_of(client)], SPECS, tmp_path / "env")
        assert names_of(client, "/w/everyone/conda/chan").keys() == {LIB.filename, DATA.filename}
        assert client.get(f"/w/everyone/conda/chan/{NEWER.path}").status_code == 403
        assert client.get(f"/w/risk/conda/chan/{NEWER.path}").content == NEWER.data
        assert client.get("/candidates/conda/chan/noarch/repodata_shards.msgpack.zst").status_code == 404
    runs(tmp_path / "env")
    assert len(upstream.asked) == asked
    (gone,) = (replica.settings.data / "proxy" / "blobs").rglob(LIB.sha256)
    gone.unlink()
    with replica.open() as client:  # what is not here is not listed
        assert names_of(client, "/w/everyone/conda/chan").keys() == {DATA.filename}


def test_a_client_that_logs_in_is_answered_and_its_login_stays_in_the_house(rattler, upstream, base, tmp_path):
    house = sourced(House(tmp_path / "house", upstream=base), base)
    house.settle(*all_but_newer(house))
    with house.open() as client:
        host = str(client.base_url).partition("//")[2].rstrip("/").partition(":")[0]
        for login in ({"BearerToken": "sk-secret"}, {"CondaToken": "sk-secret"},
                      {"BasicHTTP": {"username": "ann", "password": "sk-secret"}}):  # fmt: skip
            rattler.login(host, login)
            rows = rattler.solve([door_of(client)], ["tinydata"])
            assert [row.name for row in rows] == ["tinydata"]
            with suppress(RattlerError):  # the channel itself, to see that the client does log in
                rattler.solve([f"{base}/chan"], ["tinydata"])
            assert [row for row in upstream.asked if "authorization" in row.headers or row.path.startswith("/t/")]
            upstream.asked.clear()
        rows = rattler.install([door_of(client)], ["tinydata"], tmp_path / "env")
        assert rows
    assert not [row for row in upstream.asked if "sk-secret" in repr(row)]


def test_a_change_reaches_a_client_that_has_read_the_channel_before(rattler, base, tmp_path):
    house = sourced(House(tmp_path / "house", upstream=base), base)
    with run_asgi(house.portal) as portal:
        house.settings = house.settings.model_copy(update={"portal_url": portal})
        both = approval(house, LIB, NEWER), approval(house, python_package())
        house.settle(*both)
        with house.open() as client:
            door = door_of(client)
            chosen = rattler.solve([door], ["tinylib"], cache="kept")
            assert {row.name: row.version for row in chosen}["tinylib"] == "2.0"
            house.publish(approval(house, LIB), both[1])
            until(lambda: client.get(f"{door}/{NEWER.path}").status_code == 403)
            for sharded in (True, False):
                again = rattler.solve([door], ["tinylib"], cache="kept", sharded=sharded)
                assert {row.name: row.version for row in again}["tinylib"] == "1.0"
