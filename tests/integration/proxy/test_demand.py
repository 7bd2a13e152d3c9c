"""Refusals are counted where they become replies, and reach a real portal once, whatever fails on the way."""

import contextlib
import json

import pytest

from sekisho.model import OTHERS
from tests.fake_upstream import run_asgi
from tests.integration.proxy.house import House, until
from tests.unit.portal.house import House as PortalHouse
from tests.unit.portal.house import Web

JSON = "application/vnd.pypi.simple.v1+json"


class Line:
    """The way to a portal. It may be ``cut``, or ``deaf``: what is asked arrives, and the answer is lost."""

    def __init__(self, app) -> None:
        self.app = app
        self.cut = self.deaf = False
        self.posts = 0

    async def __call__(self, scope, receive, send) -> None:
        is_post = scope["method"] == "POST"
        self.posts += is_post
        if self.cut or (is_post and self.deaf):
            if self.deaf and not self.cut:

                async def lose(message):
                    pass

                await self.app(scope, receive, lose)
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await self.app(scope, receive, send)


@pytest.fixture
def site(tmp_path):
    """A real portal and a proxy that follows it, on the same data folder."""
    portal = PortalHouse(tmp_path)
    line = Line(Web(portal).app)
    with run_asgi(line) as url:
        house = House(tmp_path / "unused", upstream="http://127.0.0.1:9")
        house.settings = portal.settings.model_copy(update={"portal_url": url, "proxy_port": 0})
        yield house, portal, line
    portal.ledger._engine.dispose()


def ready(client):
    until(lambda: client.get("/readyz").status_code == 200)


def counted(portal):
    return {(row.project, row.release, row.rule): row.count for row in portal.desk.demand.most_wanted(limit=1000)[1]}


def test_refused_pages_files_and_tombstones_reach_the_portal(site):
    house, portal, _ = site
    with house.open() as client:
        ready(client)
        page = None
        for spelling in ("some-thing", "some-thing", "Some.Thing/"):
            page = client.get(f"/w/everyone/pypi/simple/{spelling.rstrip('/')}/", headers={"accept": JSON})
        client.get(page.url.path, headers={"accept": JSON, "if-none-match": page.headers["etag"]})
        client.head("/w/everyone/pypi/files/packages/some_thing-1.0-py3-none-any.whl.metadata")
        client.get("/w/everyone/pypi/files/packages/some_thing-1.0.tar.gz")
        tombstone = page.url.join(page.json()["files"][0]["url"])
        assert client.get(tombstone).status_code == 403
        client.get("/w/everyone/pypi/simple/")
        until(lambda: len(counted(portal)) == 2)
        until(lambda: sum(counted(portal).values()) == 7)
        assert counted(portal) == {("some-thing", "", "not-approved"): 5, ("some-thing", "1.0", "not-approved"): 2}


def test_a_tombstone_of_what_is_no_release_stops_no_counting(site):
    house, portal, _ = site
    with house.open() as client:
        ready(client)
        assert client.get("/w/everyone/denied/some-thing/%25%5C").status_code == 403
        until(lambda: counted(portal) == {("some-thing", "", "not-approved"): 1})


def test_what_the_portal_took_without_being_heard_counts_once(site):
    house, portal, line = site
    line.deaf = True
    with house.open() as client:
        ready(client)
        client.get("/w/everyone/pypi/simple/missing/")
        until(lambda: line.posts >= 2)
        assert counted(portal) == {("missing", "", "not-approved"): 1}
    with house.open() as client:  # after a restart, the same batch is sent again
        before = line.posts
        until(lambda: line.posts > before)
        line.deaf = False
        client.get("/w/everyone/pypi/simple/missing/")
        until(lambda: counted(portal) == {("missing", "", "not-approved"): 2})


def test_counts_outlive_an_absent_portal_and_a_restart(site):
    house, portal, line = site
    with house.open() as client:
        ready(client)
        line.cut = True
        for _ in range(3):
            client.get("/w/everyone/pypi/simple/missing/")
    assert counted(portal) == {}
    line.cut = False
    with house.open():
        until(lambda: counted(portal) == {("missing", "", "not-approved"): 3})


def test_a_replica_keeps_its_counts_and_shows_them_to_its_own(tmp_path, approved):
    house = House(tmp_path, upstream="http://127.0.0.1:9", replica=True)
    house.settle(house.approval(*approved[:1]))
    with house.open() as client:
        client.get("/w/everyone/pypi/simple/gamma/")
        client.get("/w/everyone/pypi/simple/alpha/")
    with house.open() as client:
        client.get("/w/everyone/pypi/simple/gamma/")
        assert client.get("/api/demand").status_code == 401
        rows = client.get("/api/demand", headers={"authorization": f"Bearer {house.token}"}).json()["rows"]
        assert [(row["project"], row["rule"], row["count"]) for row in rows] == [
            ("gamma", "not-approved", 2),
            ("alpha", "not-imported", 1),
        ]


HOSTILE = ("%00", "a%0d%0aX: y", "%1b[2J-1.0.tar.gz", "<script>-1.0-py3-none-any.whl", "%F0%9F%92%A9-1", "x" * 900, "-")


def test_names_that_are_none_are_counted_without_a_name(tmp_path, approved):
    house = House(tmp_path, upstream="http://127.0.0.1:9", replica=True)
    house.settle(house.approval(*approved[:1]))
    with house.open() as client:
        for name in HOSTILE:
            assert client.get(f"/w/everyone/pypi/files/{name}").status_code in {403, 404}
            assert client.get(f"/w/everyone/denied/{name}").status_code in {403, 404}
        rows = client.get("/api/demand", headers={"authorization": f"Bearer {house.token}"}).json()["rows"]
        assert {row["project"] for row in rows} <= {OTHERS, "script", "x" * 200}
        assert sum(row["count"] for row in rows) >= len(HOSTILE)
    saved = json.loads((house.settings.data / "proxy" / "demand.json").read_text())
    assert [row.get("project", "") for row in saved["rows"]] == [row["project"] for row in rows]


def test_a_file_of_counts_that_cannot_be_read_stops_nothing(tmp_path, approved):
    house = House(tmp_path, upstream="http://127.0.0.1:9", replica=True)
    house.settle(house.approval(*approved[:1]))
    with contextlib.suppress(FileExistsError):
        (house.settings.data / "proxy").mkdir()
    (house.settings.data / "proxy" / "demand.json").write_text("{")
    with house.open() as client:
        assert client.get("/w/everyone/pypi/simple/gamma/").status_code == 200
