"""The candidate mount's channels, read by an unmodified client: what is not denied, stamped, and never files."""

import msgspec
import pytest
from backports import zstd

from sekisho.sources import Source
from tests.channels import Channel, FakeChannels, Rattler, RattlerError, make_package
from tests.fake_upstream import run_asgi
from tests.integration.proxy.house import POLICY, House

TOOL = make_package("tool", "1.0", depends=("library >=1",))
LIBRARY = make_package("library", "1.2", subdir="linux-64", ending=".tar.bz2")
NEWER = make_package("library", "2.0", subdir="linux-64")
DENIED = '  - {id: no-newer, check: denied, kind: conda, projects: ["library>=2", evil]}\n'


@pytest.fixture
def fake():
    packages = (TOOL, LIBRARY, NEWER, make_package("evil"))
    return FakeChannels(channels={"main": Channel(packages, plain=False)})


@pytest.fixture
def house(tmp_path, fake):
    with run_asgi(fake) as url:
        made = House(tmp_path, upstream=url)
        made.inside = (Source(id="main", kind="conda", url=f"{url}/main"),)
        yield made


def names_of(client, subdir="noarch"):
    answer = client.get(f"/candidates/conda/main/{subdir}/repodata_shards.msgpack.zst")
    assert answer.status_code == 200, answer.text
    return msgspec.msgpack.decode(zstd.decompress(answer.content))["shards"]


def shard_of(client, name, subdir="noarch"):
    key = names_of(client, subdir)[name].hex()
    answer = client.get(f"/candidates/conda/main/{subdir}/{key}.msgpack.zst")
    assert answer.status_code == 200, answer.text
    return msgspec.msgpack.decode(zstd.decompress(answer.content))


def test_a_client_solves_with_what_is_not_denied(house, tmp_path):
    house.settle(policy=POLICY + DENIED)
    with house.open() as client, Rattler(tmp_path / "rattler") as rattler:
        user, password = house.basic()
        rattler.login(client.base_url.host, {"BasicHTTP": {"username": user, "password": password}})
        channel = f"{client.base_url}/candidates/conda/main"
        solved = rattler.solve([channel], ["tool"])
        assert [(row.name, row.version, row.sha256) for row in solved] == [
            ("library", "1.2", LIBRARY.sha256),
            ("tool", "1.0", TOOL.sha256),
        ]
        with pytest.raises(RattlerError, match="evil"):
            rattler.solve([channel], ["evil"])
        client.auth = house.basic()
        assert names_of(client).keys() == {"tool"}, "a name that is denied is not even named"


@pytest.mark.parametrize("sharded", [True, False])
def test_a_small_channel_is_there_in_one_file_too(house, tmp_path, sharded):
    house.settle(policy=POLICY + DENIED)
    with house.open() as client, Rattler(tmp_path / "rattler") as rattler:
        user, password = house.basic()
        rattler.login(client.base_url.host, {"BasicHTTP": {"username": user, "password": password}})
        solved = rattler.solve([f"{client.base_url}/candidates/conda/main"], ["tool"], sharded=sharded)
        assert [row.filename for row in solved] == [LIBRARY.filename, TOOL.filename]
        client.auth = house.basic()
        whole = client.get("/candidates/conda/main/linux-64/repodata.json").json()
        assert whole["packages"].keys() | whole["packages.conda"].keys() == {LIBRARY.filename}
        assert whole["packages"][LIBRARY.filename]["sha256"] == LIBRARY.sha256


def test_only_shards_that_are_needed_are_fetched(house, fake):
    house.settle()
    with house.open() as client:
        client.auth = house.basic()
        before = shard_of(client, "tool")
        assert before == shard_of(client, "tool")
    with house.open() as client:  # another process finds index and shard on the disk
        client.auth = house.basic()
        assert shard_of(client, "tool") == before
    paths = [asked.path for asked in fake.asked]
    assert len(paths) == len(set(paths)) == 2
    assert paths[0] == "/main/noarch/repodata_shards.msgpack.zst"


def test_records_say_when_they_were_first_seen(house):
    house.settle()
    with house.open() as client:
        client.auth = house.basic()
        record = shard_of(client, "tool")["packages.conda"][TOOL.filename]
        assert record["sha256"].hex() == TOOL.sha256
        [artifact] = client.get("/candidates/conda/main/noarch/artifacts/tool").json()
        assert artifact["path"] == TOOL.path
        assert record["indexed_timestamp"] > TOOL.timestamp


def test_names_that_others_own_and_files_are_not_there(house):
    [main] = house.inside
    house.inside = (main, main.model_copy(update={"id": "inside", "owns": ("tool",)}))
    house.settle()
    with house.open() as client:
        assert client.get("/candidates/conda/main/noarch/repodata_shards.msgpack.zst").status_code == 401
        client.auth = house.basic()
        assert names_of(client).keys() == {"evil"}
        assert client.get("/candidates/conda/main/noarch/artifacts/tool").status_code == 404
        assert client.get(f"/candidates/conda/main/{TOOL.path}").status_code == 403
        assert client.get("/candidates/conda/fake/noarch/repodata_shards.msgpack.zst").status_code == 404
        assert client.get("/candidates/conda/main/win_64/repodata_shards.msgpack.zst").status_code == 404
