"""The conda door over real sockets: one decision in every representation, and real packages behind the one gate."""

import hashlib
import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import msgspec
import pytest
from backports import zstd

from sekisho.sources import Source
from tests.channels import Channel, FakeChannels, make_package
from tests.fake_upstream import run_asgi
from tests.integration.proxy.house import ASK, House, soon, until
from tests.integration.proxy.test_frozen import Frozen, day

SEEN = datetime(2026, 1, 2, tzinfo=UTC)
DATA = make_package("tinydata", "1.1", ending=".tar.bz2", run_exports={"weak": ["tinydata >=1"]})
OLD = make_package("tinydata", "1.0")
TOOL = make_package("tinytool", "0.3", build="h1_0", subdir="linux-64", depends=("tinydata",))
OTHER = make_package("other", "2.0")
EVIL = make_package("evil", "6.6.6")
INSIDE = make_package("tinydata", "1.1", files={"share/inside.txt": b"another channel, same path"}, ending=".tar.bz2")
PACKAGES = (DATA, OLD, TOOL, OTHER, EVIL)
FORMS = ("repodata.json", "repodata.json.zst", "current_repodata.json", "current_repodata.json.zst")


def approved(package, **more):
    artifact = package.artifact(source=more.pop("source", "chan"), seen=SEEN)
    if package.run_exports:
        record = json.loads(artifact.index["record"]) | {"run_exports": package.run_exports}
        artifact = artifact.model_copy(update={"index": {"record": json.dumps(record)}})
    return artifact


@pytest.fixture
def upstream():
    return FakeChannels(channels={"chan": Channel(PACKAGES), "inside": Channel((INSIDE,))})


@pytest.fixture
def base(upstream):
    with run_asgi(upstream) as url:
        yield url


@pytest.fixture
def house(base, tmp_path):
    house = House(tmp_path, upstream=base)
    house.inside = tuple(Source(id=name, kind="conda", url=f"{base}/{name}") for name in ("chan", "inside"))
    return house


def names_of(client, door, subdir="noarch"):
    """Return the file names that each representation of a subdir says, and insist that they say the same."""
    said = {}
    for form in FORMS:
        reply = client.get(f"{door}/{subdir}/{form}")
        assert reply.status_code == 200
        body = zstd.decompress(reply.content) if form.endswith(".zst") else reply.content
        page = json.loads(body)
        said[form] = {**page["packages"], **page["packages.conda"]}
        assert page["info"] == {"subdir": subdir}
    index = msgspec.msgpack.decode(zstd.decompress(client.get(f"{door}/{subdir}/repodata_shards.msgpack.zst").content))
    said["shards"] = {}
    for name, digest in index["shards"].items():
        body = client.get(f"{door}/{subdir}/{digest.hex()}.msgpack.zst")
        assert hashlib.sha256(body.content).digest() == digest
        shard = msgspec.msgpack.decode(zstd.decompress(body.content))
        for filename, record in {**shard["packages"], **shard["packages.conda"]}.items():
            assert record["name"] == name
            plain = {**record, "sha256": record["sha256"].hex(), "md5": record["md5"].hex()}
            plain.pop("run_exports", None)
            said["shards"][filename] = plain
    first = said["repodata.json"]
    assert all(rows == first for rows in said.values())
    data = client.get(f"{door}/channeldata.json").json()
    assert {record["name"] for record in first.values()} == {
        name for name, row in data["packages"].items() if subdir in row["subdirs"]
    }
    exports = client.get(f"{door}/{subdir}/run_exports.json").json()
    assert {*exports["packages"], *exports["packages.conda"]} <= first.keys()
    return first


def test_every_representation_says_the_same_and_a_real_package_is_behind_it(house, upstream):
    house.settle(house.approval(approved(DATA), approved(OLD)), house.approval(approved(TOOL)))
    with house.open() as client:
        door = "/w/everyone/conda/chan"
        rows = names_of(client, door)
        assert rows.keys() == {DATA.filename, OLD.filename}
        assert rows[DATA.filename]["depends"] == []
        assert rows[DATA.filename]["indexed_timestamp"] == int(SEEN.timestamp() * 1000)
        assert "run_exports" not in rows[DATA.filename]
        assert names_of(client, door, "linux-64").keys() == {TOOL.filename}
        exports = client.get(f"{door}/noarch/run_exports.json").json()
        assert exports["packages"] == {DATA.filename: {"run_exports": {"weak": ["tinydata >=1"]}}}
        assert not [path for path in upstream.paths() if "repodata" in path and "noarch/repodata.json" not in path]
        for package in (DATA, OLD, TOOL):
            assert client.get(f"{door}/{package.path}").content == package.data


def test_what_is_not_approved_is_refused_at_get_and_head_and_counted(house, upstream):
    house.settle(house.approval(approved(DATA)))
    with house.open() as client:
        door = "/w/everyone/conda/chan"
        for method in ("GET", "HEAD"):
            for package in (OTHER, OLD, EVIL):
                reply = client.request(method, f"{door}/{package.path}")
                assert reply.status_code == 403
        said = client.get(f"{door}/{OTHER.path}").json()
        assert "not-approved" in said["title"]
        assert said["todo"] == f"ask at {ASK}/requests/new?project=conda%3Aother"
        assert not upstream.paths(f"/chan/{OTHER.path}")
        rows = client.get("/api/demand", auth=house.basic()).json()["rows"]
        assert {(row["kind"], row["project"], row["release"]) for row in rows} == {
            ("conda", "other", "2.0"),
            ("conda", "tinydata", "1.0"),
            ("conda", "evil", "6.6.6"),
        }


def test_what_another_workspace_may_have_or_what_was_taken_back_is_refused_however_it_is_asked_for(house):
    lab = house.approval(approved(OTHER), scope=("lab",))
    taken_back = "version: 1\nrules:\n  - {id: no-data, check: denied, kind: conda, projects: [tinydata]}\n"
    house.settle(lab, house.approval(approved(DATA)), policy=taken_back)
    with house.open() as client:
        assert client.head(f"/w/lab/conda/chan/{OTHER.path}").status_code == 200
        for package in (OTHER, DATA):
            for more in ({}, {"if-none-match": f'"{package.sha256}"'}, {"if-none-match": "*"}, {"range": "bytes=0-9"}):
                for method in ("GET", "HEAD"):
                    reply = client.request(method, f"/w/everyone/conda/chan/{package.path}", headers=more)
                    assert (reply.status_code, "etag" in reply.headers) == (403, False), (method, more)


def test_an_empty_channel_is_valid_and_what_is_no_channel_is_not_found(house):
    house.settle(house.approval(approved(DATA)))
    with house.open() as client:
        for door in ("/w/everyone/conda/inside", "/w/nobody/conda/chan"):
            for subdir in ("noarch", "linux-64", "osx-arm64"):
                assert names_of(client, door, subdir) == {}
        for path in (
            "/w/everyone/conda/absent/noarch/repodata.json",
            "/w/everyone/conda/chan/noarch/repodata.json.bz2",
            "/w/everyone/conda/chan/noarch/repodata.jlap",
            "/w/everyone/conda/chan/noarch/repodata_from_packages.json",
            "/w/everyone/conda/chan/NoArch/repodata.json",
            "/w/everyone/conda/chan/notices.json",
            f"/w/everyone/conda/chan/noarch/{'0' * 64}.msgpack.zst",
            "/w/everyone/conda/chan/noarch",
            "/w/everyone/conda/chan",
            "/w/everyone/conda",
        ):
            assert client.get(path).status_code == 404, path
            assert client.head(path).status_code == 404, path


def test_two_channels_may_have_the_same_path_and_each_gives_its_own(house):
    house.settle(house.approval(approved(DATA)))
    with house.open() as client:
        assert client.get(f"/w/everyone/conda/inside/{INSIDE.path}").status_code == 403
    house.settle(house.approval(approved(DATA)), house.approval(approved(INSIDE, source="inside")))
    with house.open() as client:
        for channel, package in (("chan", DATA), ("inside", INSIDE)):
            door = f"/w/everyone/conda/{channel}"
            assert names_of(client, door)[package.filename]["sha256"] == package.sha256
            assert client.get(f"{door}/{package.path}").content == package.data


def test_a_name_that_another_channel_owns_is_not_given_and_its_own_channel_alone_is_asked(house, upstream, base):
    house.inside = (
        Source(id="chan", kind="conda", url=f"{base}/chan"),
        Source(id="inside", kind="conda", url=f"{base}/inside", owns=("tinydata",)),
    )
    house.settle(house.approval(approved(DATA), approved(OTHER)), house.approval(approved(INSIDE, source="inside")))
    with house.open() as client:
        assert names_of(client, "/w/everyone/conda/chan").keys() == {OTHER.filename}
        refused = client.get(f"/w/everyone/conda/chan/{DATA.path}")
        assert (refused.status_code, "not-the-owner" in refused.json()["title"]) == (403, True)
        assert names_of(client, "/w/everyone/conda/inside").keys() == {INSIDE.filename}
        assert client.get(f"/w/everyone/conda/inside/{INSIDE.path}").content == INSIDE.data
    assert not upstream.paths(f"/chan/{DATA.path}")


def test_what_is_revoked_while_it_is_fetched_does_not_leave(house, upstream):
    """The gate is asked again once the bytes are here."""
    began, go_on = threading.Event(), threading.Event()
    plain = upstream._answer

    def slowly(path, headers):
        if path == f"/chan/{DATA.path}":
            began.set()
            go_on.wait(20)
        return plain(path, headers)

    upstream._answer = slowly
    with run_asgi(house.portal) as portal:
        house.settings = house.settings.model_copy(update={"portal_url": portal})
        house.settle(house.approval(approved(DATA)), house.approval(approved(OTHER)))
        with house.open() as client, ThreadPoolExecutor(1) as pool:
            asked = pool.submit(client.get, f"/w/everyone/conda/chan/{DATA.path}")
            assert began.wait(20)
            house.publish(house.approval(approved(OTHER)))
            until(lambda: client.get("/api/policy").json()["sequence"] == house.sequence)
            go_on.set()
            assert asked.result(30).status_code == 403


def test_a_change_of_policy_is_in_every_representation_at_once(house, tmp_path):
    both = house.approval(approved(DATA), approved(OTHER))
    with run_asgi(house.portal) as portal:
        house.settings = house.settings.model_copy(update={"portal_url": portal})
        house.settle(both)
        with house.open() as client:
            door = "/w/everyone/conda/chan"
            index = f"{door}/noarch/repodata_shards.msgpack.zst"
            before = client.get(index)
            shards = msgspec.msgpack.decode(zstd.decompress(before.content))["shards"]
            assert names_of(client, door).keys() == {DATA.filename, OTHER.filename}
            denied = "version: 1\nrules:\n  - {id: no-other, check: denied, kind: conda, projects: [other]}\n"
            house.publish(both, house.approval(approved(OLD)), policy=denied)
            until(lambda: client.get(index, headers={"if-none-match": before.headers["etag"]}).status_code == 200)
            assert names_of(client, door).keys() == {DATA.filename, OLD.filename}
            assert client.get(f"{door}/{OTHER.path}").status_code == 403
            assert client.get(f"{door}/noarch/{shards['other'].hex()}.msgpack.zst").status_code == 404
            # what a client has just read of goes on being there, as long as all of it may be had
            assert client.get(f"{door}/noarch/{shards['tinydata'].hex()}.msgpack.zst").status_code == 200


def test_what_is_denied_since_is_in_no_representation_of_a_frozen_door_either(tmp_path, base):
    house = Frozen(tmp_path, upstream=base)
    house.source = Source(id="chan", kind="conda", url=f"{base}/chan")
    both = house.approval(approved(DATA)), house.approval(approved(OTHER))
    denied = "version: 1\nrules:\n  - {id: no-other, check: denied, kind: conda, projects: [other]}\n"
    with run_asgi(house.portal) as portal:
        house.settings = house.settings.model_copy(update={"portal_url": portal})
        house.turn_and_settle(5, *both)
        later = house.approval(approved(OLD))
        house.turn_and_settle(2, *both, later)
        with house.open() as client:
            door = f"/w/everyone/@{day(4)}/conda/chan"
            assert names_of(client, door).keys() == {DATA.filename, OTHER.filename}
            house.turn_and_publish(1, *both, later, policy=denied)
            until(lambda: client.get("/api/policy").json()["sequence"] == house.sequence)
            assert names_of(client, door).keys() == {DATA.filename}
            assert client.get(f"{door}/{OTHER.path}").status_code == 403


def test_an_end_is_an_end_in_every_representation(house):
    house.settle(house.approval(approved(DATA), expires=soon(2 / 86400)), house.approval(approved(OTHER)))
    with house.open() as client:
        door = "/w/everyone/conda/chan"
        assert DATA.filename in client.get(f"{door}/noarch/repodata.json").json()["packages"]
        until(lambda: client.get(f"{door}/{DATA.path}").status_code == 403)
        assert names_of(client, door).keys() == {OTHER.filename}


def test_conditions_ranges_and_heads_are_answered_as_http_says(house):
    house.settle(house.approval(approved(DATA)))
    with house.open() as client:
        door = "/w/everyone/conda/chan"
        cold = client.head(f"{door}/{DATA.path}")
        assert (cold.status_code, cold.headers["content-length"], cold.content) == (200, str(len(DATA.data)), b"")
        etag = cold.headers["etag"]
        assert etag == f'"{DATA.sha256}"'
        part = client.get(f"{door}/{DATA.path}", headers={"range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, DATA.data[10:20])
        ranged = client.get(f"{door}/{DATA.path}", headers={"range": "bytes=10-19", "if-range": '"other"'})
        assert (ranged.status_code, ranged.content) == (200, DATA.data)
        assert client.get(f"{door}/{DATA.path}", headers={"if-none-match": etag}).status_code == 304
        assert client.get(f"{door}/{DATA.path}", headers={"range": "bytes=999999-"}).status_code == 416
        for form in (*FORMS, "repodata_shards.msgpack.zst", "run_exports.json", "run_exports.json.zst"):
            whole = client.get(f"{door}/noarch/{form}")
            head = client.head(f"{door}/noarch/{form}")
            assert head.status_code == 200
            assert head.headers["etag"] == whole.headers["etag"]
            assert not whole.headers["etag"].startswith("W/")
            again = client.get(f"{door}/noarch/{form}", headers={"if-none-match": whole.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
        plain = client.get(f"{door}/noarch/repodata.json", headers={"accept-encoding": "identity"})
        packed = client.get(f"{door}/noarch/repodata.json", headers={"accept-encoding": "gzip"})
        assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
        assert packed.headers["content-encoding"] == "gzip"
        assert plain.headers["etag"] != packed.headers["etag"]
        assert plain.content == packed.content
        refused = client.get(f"{door}/noarch/repodata.json", headers={"accept-encoding": "identity;q=0"})
        assert refused.status_code == 406


@pytest.mark.parametrize("fault", ["wrong", "truncated", "redirect", "404", "500"])
def test_no_complete_wrong_package_ever_leaves(house, upstream, fault):
    upstream.faults = {f"/chan/{DATA.path}": fault}
    house.settle(house.approval(approved(DATA)))
    with house.open() as client:
        reply = client.get(f"/w/everyone/conda/chan/{DATA.path}")
        assert reply.status_code in {404, 502}
        upstream.faults = {}
        assert client.get(f"/w/everyone/conda/chan/{DATA.path}").content == DATA.data


def test_a_package_that_is_here_needs_no_channel(house, upstream):
    house.settle(house.approval(approved(DATA)))
    with house.open() as client:
        path = f"/w/everyone/conda/chan/{DATA.path}"
        assert client.get(path).content == DATA.data
        upstream.faults = {"/": "500"}
        assert client.get(path).content == DATA.data
        assert names_of(client, "/w/everyone/conda/chan").keys() == {DATA.filename}


SECRET = "s3cret-token-abc"


@pytest.mark.parametrize(
    ("prefix", "headers"),
    [
        (f"/t/{SECRET}", {}),
        ("", {"authorization": f"Bearer {SECRET}"}),
        ("", {"authorization": "Basic X190b2tlbl9fOnMzY3JldC10b2tlbi1hYmM="}),
    ],
)
def test_a_token_in_any_form_opens_what_anybody_may_have_and_is_seen_nowhere(house, caplog, prefix, headers):
    caplog.set_level(logging.DEBUG)
    house.settle(house.approval(approved(DATA)))
    with house.open() as client:
        door = f"{prefix}/w/everyone/conda/chan"
        bodies = []
        for path in (
            f"{door}/noarch/repodata.json",
            f"{door}/noarch/repodata_shards.msgpack.zst",
            f"{door}/{DATA.path}",
            f"{door}/{OTHER.path}",
            f"{door}/noarch/repodata.json.bz2",
            f"{prefix}/w/everyone/pypi/simple",
            f"{prefix}/w/no such/conda",
            f"{prefix}/metrics/no",
        ):
            reply = client.get(path, headers=headers)
            assert reply.status_code in {200, 308, 403, 404}, path
            bodies.append(reply.content + repr(reply.headers).encode())
        assert bodies[0]
        bodies.append(client.get("/metrics").content)
    assert not [body for body in bodies if SECRET.encode() in body]
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("sekisho")]
    assert ours
    assert not [line for line in ours if SECRET in line]


def test_a_path_with_a_token_leads_nowhere_else(house):
    house.settle(house.approval(approved(DATA)))
    with house.open() as client:
        for path in ("/t/x/healthz", "/t/x/t/x/w/everyone/conda/chan/noarch/repodata.json", "/t//w/everyone/conda"):
            assert client.get(path).status_code == 404
        assert (
            client.get(f"/t/{house.token}/candidates/conda/chan/noarch/repodata_shards.msgpack.zst").status_code == 200
        )
        assert client.get("/t/wrong/candidates/conda/chan/noarch/repodata_shards.msgpack.zst").status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "noarch%2Frepodata.json",
        "noarch/..%2F..%2Fother",
        "noarch/%00repodata.json",
        "noarch/repodata.json%00",
        "noarch/repodata.json%0d%0aX-Evil: 1",
        "noarch/\uff52epodata.json",
        "noarch//repodata.json",
        "noarch/./repodata.json",
        f"noarch/{DATA.filename}%00",
        f"noarch/x/{DATA.filename}",
        f"noarch//{DATA.filename}",
        f"linux-64/{DATA.filename}",
        f"noarch/..%2fnoarch%2f{DATA.filename}",
        f"NOARCH/{DATA.filename}",
        "%6eoarch%2f%2e%2e%2fnoarch/repodata.json",
    ],
)
def test_tricks_of_paths_are_answered_by_400_403_or_404_and_never_by_a_file(house, upstream, path):
    house.settle(house.approval(approved(DATA)))
    with house.open() as client:
        for method in ("GET", "HEAD"):
            reply = client.request(method, f"/w/everyone/conda/chan/{path}")
            if reply.status_code == 200:  # the very same address, spelt with an escape or tidied by the client
                assert reply.url.path.endswith("/noarch/repodata.json")
            else:
                assert reply.status_code in {400, 403, 404}
            assert "x-evil" not in reply.headers
        assert not upstream.paths(f"/chan/{DATA.path}")


def test_metrics_call_the_routes_by_a_few_words(house):
    house.settle(house.approval(approved(DATA)))
    with house.open() as client:
        door = "/w/everyone/conda/chan"
        names_of(client, door)
        client.get(f"{door}/{DATA.path}")
        text = client.get("/metrics").text
        for route in ("channel", "shards", "shard", "package"):
            assert f'route="{route}"' in text
