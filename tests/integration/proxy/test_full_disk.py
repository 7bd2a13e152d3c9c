"""The proxy on a full disk: 507 for what has to be kept, the right bytes for everything else, and all of it afterwards."""

import hashlib
import json

import httpx2
import pytest

from sekisho.policy import SealedSnapshot
from sekisho_proxy.demand.keeper import State
from tests.fake_upstream import FakeUpstream, run_asgi
from tests.integration.line.disk import MEGABYTE, SmallDisk
from tests.integration.proxy.house import House, until
from tests.integration.proxy.test_cold_files import Dripping
from tests.integration.proxy.test_faults import leftovers
from tests.wheels import make_wheel

JSON = {"accept": "application/vnd.pypi.simple.v1+json"}
FULL = "the disk is full"


def _noise(name, size):
    return make_wheel(name, files={f"{name}/noise.bin": hashlib.shake_128(name.encode()).digest(size)})


@pytest.fixture
def place(tmp_path):
    """Make a house whose proxy keeps everything on a small disk; give both."""
    disks = []

    def make(upstream, portal="http://127.0.0.1:9"):
        house = House(tmp_path, upstream=upstream, portal=portal)
        disks.append(SmallDisk(house.settings.data / "proxy", 16))
        return house, disks[0]

    yield make
    for disk in disks:
        disk.unmount()


@pytest.fixture
def wheels():
    return [_noise("warm", 300_000), _noise("cold", 300_000), make_wheel("derived"), make_wheel("evil")]


@pytest.fixture
def full(place, wheels):
    """A running proxy with ``warm`` and ``derived`` here, whose disk has just become full; (house, disk, client)."""
    upstream = FakeUpstream(wheels=wheels)
    with run_asgi(upstream) as url:
        house, disk = place(url)
        with run_asgi(house.portal) as portal:
            house.settings = house.settings.model_copy(update={"portal_url": portal})
            approvals = [house.approval(wheel.artifact()) for wheel in wheels[:3]]
            house.settle(*approvals)
            with house.open() as client:
                for wheel in (wheels[0], wheels[2]):
                    assert client.get(f"/w/everyone/pypi/files/{wheel.path}").content == wheel.data
                disk.fill(leave=0)
                yield house, disk, client


def _file(client, wheel, **more):
    return client.get(f"/w/everyone/pypi/files/{wheel.path}", **more)


def test_what_is_here_goes_on_being_served(full, wheels):
    _, _, client = full
    warm = wheels[0]
    assert _file(client, warm).content == warm.data
    assert _file(client, warm, headers={"range": "bytes=7-99"}).content == warm.data[7:100]
    page = client.get("/w/everyone/pypi/simple/warm/", headers=JSON)
    assert [row["hashes"]["sha256"] for row in page.json()["files"]] == [warm.sha256]
    assert client.get("/w/everyone/pypi/simple/").status_code == 200
    assert client.get("/readyz").status_code == 200


def test_a_cold_file_and_its_metadata_are_507_until_there_is_room(full, wheels):
    house, disk, client = full
    cold, path = wheels[1], f"/w/everyone/pypi/files/{wheels[1].path}"
    for address in (path, f"{path}.metadata"):
        answer = client.get(address)
        assert (answer.status_code, answer.json()["code"]) == (507, "storage-full")
        assert answer.json()["title"] == FULL
        assert "free some space" in answer.json()["todo"]
    assert not [left for left in leftovers(house) if left.stat().st_size == 0]
    disk.enlarge()
    assert client.get(path).content == cold.data
    assert client.get(f"{path}.metadata").content == cold.metadata


def test_what_is_derived_is_answered_and_only_not_kept(full, wheels):
    """METADATA read out of a wheel that is here, and pages of a source."""
    house, disk, client = full
    for _ in range(2):
        assert client.get(f"/w/everyone/pypi/files/{wheels[2].path}.metadata").content == wheels[2].metadata
        page = client.get("/candidates/simple/cold/", headers=JSON, auth=house.basic())
        assert [row["hashes"]["sha256"] for row in page.json()["files"]] == [wheels[1].sha256]
        metadata = client.get(f"/candidates/files/fake/{wheels[1].path}.metadata", auth=house.basic())
        assert (metadata.status_code, metadata.content) == (200, wheels[1].metadata)
    kept = house.settings.data / "proxy"
    assert [path for name in ("metadata", "pages") for path in (kept / name).rglob("*") if path.is_file()] == []
    disk.enlarge()
    assert client.get(f"/w/everyone/pypi/files/{wheels[2].path}.metadata").content == wheels[2].metadata
    assert [path for path in (kept / "metadata").rglob("*") if path.is_file()]


def test_the_quarantine_says_it_for_each_file(full, wheels):
    house, disk, client = full
    body = json.dumps({"artifacts": [wheels[1].artifact().plain()]})
    answer = client.post("/quarantine", content=body, auth=house.basic())
    assert answer.json()["problem"]["code"] == "storage-full"
    disk.enlarge()
    answer = client.post("/quarantine", content=body, auth=house.basic())
    assert answer.json()["facts"]["sha256"] == wheels[1].sha256


def test_a_revocation_holds_although_it_cannot_be_kept(full, wheels):
    house, disk, client = full
    file = house.settings.data / "proxy" / "snapshot.json"
    before = file.read_bytes()
    house.publish()
    until(lambda: client.get("/readyz").json()["sequence"] == house.sequence)
    assert _file(client, wheels[0]).status_code == 403
    told = client.get("/api/policy").json()
    assert FULL in told["snapshot_unkept"]["why"]
    assert file.read_bytes() == before
    disk.enlarge()
    until(lambda: client.get("/api/policy").json()["snapshot_unkept"] is None)
    kept, sent = (SealedSnapshot.parse_json(data, where="") for data in (file.read_bytes(), house.portal.sealed))
    assert kept == sent


def test_what_was_refused_is_counted_and_saved_later(full, wheels):
    house, disk, client = full
    file = house.settings.data / "proxy" / "demand.json"
    assert client.get("/w/everyone/pypi/files/none/evil-1.0-py3-none-any.whl").status_code == 403
    assert [row["project"] for row in client.get("/api/demand", auth=house.basic()).json()["rows"]] == ["evil"]
    assert not file.exists()
    disk.enlarge()
    until(file.exists)
    state = State.parse_json(file.read_bytes(), where="demand")
    rows = [*state.rows, *(state.pending.rows if state.pending else ())]
    assert [(row.project, row.count) for row in rows] == [("evil", 1)]


def test_a_start_on_a_full_disk_serves_what_is_here(full, wheels):
    house, _, _ = full
    with house.open() as again:
        assert _file(again, wheels[0]).content == wheels[0].data
        assert _file(again, wheels[1]).status_code == 507


def test_a_stream_that_fills_the_disk_is_cut_and_never_complete(place):
    large = _noise("large", 6 * MEGABYTE)
    upstream = Dripping(large)
    with run_asgi(upstream) as url:
        house, disk = place(url)
        house.settle(house.approval(large.artifact()))
        address = f"/w/everyone/pypi/files/{large.path}"
        with house.open() as client:
            got = bytearray()
            half = len(large.data) // 2 - MEGABYTE // 2  # what the source has sent, but for a last piece in memory

            def read(answer):
                for chunk in answer.iter_raw():
                    got.extend(chunk)
                    if len(got) > MEGABYTE and not upstream.release.is_set():
                        until(lambda: sum(path.stat().st_size for path in leftovers(house)) >= half)
                        disk.fill(leave=MEGABYTE)
                        upstream.release.set()

            with client.stream("GET", address) as answer:
                assert (answer.status_code, answer.headers["content-length"]) == (200, str(len(large.data)))
                with pytest.raises(httpx2.RemoteProtocolError):
                    read(answer)
            assert MEGABYTE < len(got) < len(large.data)
            assert large.data.startswith(bytes(got))
            until(lambda: not [path for path in leftovers(house) if path.stat().st_size])
            answer = client.get(address)
            assert (answer.status_code, answer.json()["title"]) == (507, FULL)
            disk.enlarge()
            assert client.get(address).content == large.data
