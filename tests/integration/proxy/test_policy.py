"""The snapshot in force: followed, refused, and asked by every byte route."""

import asyncio
import json

import pytest

from sekisho.errors import ConflictError
from sekisho.listening import listen
from sekisho.signing import Signer
from sekisho_proxy.follow import Held
from sekisho_proxy.service import serve
from tests.fake_upstream import run_asgi
from tests.fakes import FakeClock, FakeDisk
from tests.integration.proxy.house import House, until

JSON = "application/vnd.pypi.simple.v1+json"


@pytest.fixture
def followed(tmp_path, upstream):
    """A house whose portal is up."""
    with run_asgi(upstream) as url:
        house = House(tmp_path, upstream=url)
        with run_asgi(house.portal) as portal:
            house.settings = house.settings.model_copy(update={"portal_url": portal})
            yield house


def sequence(client):
    answer = client.get("/api/policy")
    return answer.json().get("sequence") if answer.status_code == 200 else None


def byte_routes(artifact):
    page = f"/w/everyone/pypi/simple/{artifact.project}/"
    file = f"/w/everyone/pypi/files/{artifact.path}"
    return page, [
        ("GET", file, {}),
        ("HEAD", file, {}),
        ("GET", file, {"range": "bytes=0-3"}),
        ("GET", file, {"if-none-match": f'"{artifact.sha256}"'}),
        ("GET", file.replace("packages", "%70ackages"), {}),
        ("GET", f"{file}.metadata", {}),
        ("HEAD", f"{file}.metadata", {}),
    ]


def test_every_byte_route_refuses_after_the_approval_is_gone(followed, approved):
    followed.publish(followed.approval(approved[0]), followed.approval(approved[1]))
    page, routes = byte_routes(approved[0])
    with followed.open() as client:
        until(lambda: sequence(client) == 1)
        for method, route, headers in routes:
            assert client.request(method, route, headers=headers).status_code in {200, 206, 304}
        etag = client.get(page, headers={"accept": JSON}).headers["etag"]
        followed.publish(followed.approval(approved[1]))
        until(lambda: sequence(client) == 2)
        for method, route, headers in routes:
            answer = client.request(method, route, headers=headers)
            assert answer.status_code == 403, (method, route)
        changed = client.get(page, headers={"accept": JSON, "if-none-match": etag})
        assert changed.status_code == 200
        assert "rule not-approved" in changed.json()["files"][0]["yanked"]
        assert followed.portal.tokens == {f"Bearer {followed.token}"}


def test_a_workspace_has_its_own_door(house, approved):
    house.settle(house.approval(approved[0], scope=("risk",)))
    with house.open() as client:
        assert client.get(f"/w/risk/pypi/files/{approved[0].path}").status_code == 200
        refused = client.get(f"/w/everyone/pypi/files/{approved[0].path}")
        assert refused.status_code == 403
        assert "approved, but not for workspace everyone" in refused.json()["title"]


def test_odd_paths_are_refused(house, approved):
    house.settle(house.approval(approved[0]))
    with house.open() as client:
        for path in (
            "",
            "/",
            "../../../etc/passwd",
            "%2e%2e/%2e%2e/data/service.token",
            ".metadata",
            "%00",
            "x" * 5000,
        ):
            answer = client.get(f"/w/everyone/pypi/files/{path}")
            assert answer.status_code in {403, 404}, path


def test_bad_snapshots_are_refused_and_the_old_one_stays(followed, approved):
    followed.publish(followed.approval(*approved[:1]))
    with followed.open() as client:
        until(lambda: sequence(client) == 1)
        followed.publish(signer=Signer.generate())
        until(lambda: client.get("/api/policy").json()["stale"])
        told = client.get("/api/policy").json()
        assert told["sequence"] == 1
        assert "unknown key" in told["snapshot_refused"]["why"]
        assert client.get(f"/w/everyone/pypi/files/{approved[0].path}").status_code == 200
        followed.publish()
        until(lambda: sequence(client) == 3)
        assert not client.get("/api/policy").json()["stale"]


def test_a_snapshot_played_back_is_refused(followed, approved):
    followed.publish(followed.approval(approved[0]))
    old = followed.portal.sealed
    with followed.open() as client:
        until(lambda: sequence(client) == 1)
        followed.publish()
        until(lambda: sequence(client) == 2)
        followed.portal.sealed, followed.portal.sequence = old, 99
        until(lambda: client.get("/api/policy").json()["stale"])
        assert "not newer than 2" in client.get("/api/policy").json()["snapshot_refused"]["why"]
        assert client.get(f"/w/everyone/pypi/files/{approved[0].path}").status_code == 403


def test_without_the_portal_the_disk_is_enough(house, approved):
    house.settle(house.approval(approved[0]))
    with house.open() as client:
        assert client.get("/readyz").status_code == 200
        until(lambda: client.get("/api/policy").json()["portal_unreachable"])
        assert client.get("/api/policy").json()["stale"]


def test_without_any_policy_nothing_is_served(house, approved):
    with house.open() as client:
        assert client.get("/healthz").status_code == 200
        for path in (
            "/readyz",
            "/api/policy",
            "/w/everyone/pypi/simple/alpha/",
            f"/w/everyone/pypi/files/{approved[0].path}",
        ):
            answer = client.get(path)
            assert answer.status_code == 503
            assert answer.json()["status"] == 503
        assert client.get("/nothing").status_code == 404


def test_a_changed_file_on_the_disk_is_refused_at_the_start(house, approved):
    house.settle(house.approval(approved[0]))
    file = house.settings.data / "proxy" / "snapshot.json"
    sealed = json.loads(file.read_bytes())
    payload = sealed["head"]["payload"]
    head = {**sealed["head"], "payload": payload[:-8] + "AAAA" + payload[-4:]}
    file.write_text(json.dumps({**sealed, "head": head}))
    with house.open() as client:
        assert client.get("/readyz").status_code == 503


def test_a_taken_port_is_named(house):
    with listen("127.0.0.1", 0, service="proxy") as taken:
        port = taken.getsockname()[1]
        settings = house.settings.model_copy(update={"proxy_port": port})
        with pytest.raises(ConflictError, match=str(port)):
            asyncio.run(serve(settings, asyncio.Event()))


def test_a_policy_that_a_full_disk_does_not_take_is_in_force_and_kept_later(tmp_path, approved):
    """It may revoke something. Until it is kept, ``/api/policy`` says so."""
    house = House(tmp_path, upstream="http://127.0.0.1:9")
    house.settle(house.approval(approved[0]))
    disk = FakeDisk()
    file = house.settings.data / "proxy" / "snapshot.json"
    before = file.read_bytes()

    async def scenario():
        held = Held(file, house.settings.trust_file, FakeClock(), disk=disk)
        await held.load()
        disk.full = True
        for _ in range(2):
            sealed = house.seal().canonical()
            assert await held.offer(sealed, store=True)
            assert (held.present().sequence, held.present().approvals) == (house.sequence, ())
            assert "the disk is full" in held.unkept.why
        assert file.read_bytes() == before
        disk.full = False
        await held.keep()
        assert held.unkept is None
        assert file.read_bytes() == sealed

    asyncio.run(scenario())
