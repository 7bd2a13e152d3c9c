"""An in-house index that owns names: twine, stages, pip and uv, and nobody outside ever hears of those names."""

import json
from itertools import product

import pytest

from sekisho.model import Artifact, Facts
from sekisho.sources import Source
from tests.integration.line.site import free_port
from tests.integration.proxy.house import run_pip, run_uv

OWNED = ("acme-web", "acme-never-published", "corp-tools")
SPELLINGS = (
    "acme-web",
    "Acme_Web",
    "ACME.web",
    "acme--web",
    "acme%2Dweb",
    "acme-never-published",
    "Corp_Tools",
    "acme-x",
)


@pytest.fixture
def inside(devpi):
    return Source(id="inside", url=f"{devpi.url}/acme/prod/+simple/", owns=("acme-*", "corp-tools"))


def candidates(client, house, *pins):
    """Return the files of releases as a request finds them: from the candidate mount, inspected, measured."""
    found = []
    for project, release in pins:
        rows = client.get(f"/candidates/artifacts/{project}/{release}", auth=house.basic()).json()
        found += [Artifact.parse(row, where="candidates") for row in rows]
    body = {"artifacts": [one.plain() for one in found]}
    lines = client.post("/quarantine", json=body, auth=house.basic()).text.splitlines()
    facts = {row["sha256"]: Facts.parse(row["facts"], where="quarantine") for row in map(json.loads, lines)}
    return [facts[one.sha256].complete(one) for one in found]


def heard(public):
    """Return what the public source was asked of owned names, in whatever spelling."""
    return [path for path in public.paths() if "acme" in path.lower() or "corp" in path.lower()]


def test_a_release_goes_from_twine_through_a_stage_to_pip_and_uv(house, inside, public, tmp_path):
    house.inside = (inside,)
    house.settle()
    with house.open() as client:
        page = client.get("/candidates/simple/acme-web/", auth=house.basic()).text
        assert "acme_web-1.0" in page
        assert "2.0" not in page  # still in `dev`
        assert "99.0" not in page
        found = candidates(client, house, ("acme-web", "1.0"), ("alpha", "1.2"), ("beta", "2.0"))
    assert [(one.source, one.filename.rpartition(".")[2]) for one in found] == [
        ("inside", "whl"), ("inside", "gz"), ("fake", "whl"), ("fake", "whl"),
    ]  # fmt: skip
    assert found[0].path.startswith("acme/prod/+f/")
    assert all(one.size and (one.index.get("core-metadata") or one.filename.endswith(".gz")) for one in found)
    house.settle(*(house.approval(one) for one in found))
    with house.open() as client:
        index = f"{client.base_url}/w/everyone/pypi/simple/"
        for run, name in ((run_pip, "pip"), (run_uv, "uv")):
            done = run(index, tmp_path, "acme-web")
            assert done.returncode == 0, done.stderr
            folder = tmp_path / f"{name}-target"
            assert '__version__ = "1.0"' in (folder / "acme_web.py").read_text()
            assert {"alpha", "beta"} <= {path.name for path in folder.iterdir()}
        files = [f"/w/everyone/pypi/files/{one.path}" for one in found[:2]]
        assert client.get(f"{files[0]}.metadata").status_code == 200
        for path in files:
            assert client.head(path).status_code == 200
            assert client.get(path, headers={"range": "bytes=0-9"}).status_code == 206
    assert heard(public) == []
    assert public.paths("/packages/")  # it was asked for what nobody inside owns


def test_no_route_leads_an_owned_name_outside(house, inside, public):
    house.inside = (inside,)
    stranger = public.wheels[2]
    assert stranger.release == "99.0"
    house.settle(house.approval(stranger.artifact()), house.approval(public.wheels[1].artifact()))
    doors = ("/w/everyone/pypi/simple/{}/", "/w/everyone/pypi/{}/json", "/w/everyone/pypi/{}/99.0/json",
             "/w/team/pypi/simple/{}/", "/candidates/simple/{}/", "/candidates/artifacts/{}/99.0")  # fmt: skip
    path = stranger.path
    files = ("/w/everyone/pypi/files/{}", "/w/everyone/pypi/files/{}.metadata", "/w/everyone/pypi/files/{}.provenance",
             "/w/everyone/denied/{}", "/candidates/files/fake/{}.metadata", "/candidates/files/inside/{}.metadata",
             "/candidates/files/fake/{}")  # fmt: skip
    with house.open() as client:
        client.auth = house.basic()
        asked = [door.format(name) for door, name in product(doors, SPELLINGS)] + [one.format(path) for one in files]
        for address, method in product(asked, ("GET", "HEAD")):
            answer = client.request(method, address, headers={"range": "bytes=0-99"}, follow_redirects=True)
            assert answer.status_code < 500, answer.text
            assert answer.status_code >= 400 or stranger.filename not in answer.text
            assert answer.content != stranger.data[:100]
        sent = {"artifacts": [wheel.artifact().plain() for wheel in public.wheels[2:]]}
        for line in client.post("/quarantine", json=sent).text.splitlines():
            assert json.loads(line)["problem"]["code"] == "refused"
        refused = client.get(f"/w/everyone/pypi/files/{path}")
        assert refused.status_code == 403
        assert "acme-web is owned by source inside" in refused.json()["title"]
        assert client.get(f"/w/everyone/pypi/files/{public.wheels[1].path}").status_code == 200
    assert heard(public) == []


def test_an_owner_that_is_away_is_waited_for_and_nobody_else_is_asked(house, public):
    house.inside = (Source(id="inside", url=f"http://127.0.0.1:{free_port()}/", owns=("acme-*", "corp-tools")),)
    published = public.wheels[2].artifact(source="inside")
    house.settle(house.approval(published), house.approval(public.wheels[0].artifact()))
    with house.open() as client:
        for name in OWNED:
            answer = client.get(f"/candidates/simple/{name}/", auth=house.basic())
            assert answer.status_code == 502
            assert "source 'inside'" in answer.json()["title"]
        page = client.get("/w/everyone/pypi/simple/acme-web/")
        assert page.status_code == 200
        assert "cannot be reached" in page.text
        assert client.get(f"/w/everyone/pypi/files/{published.path}").status_code == 502
        assert client.get(f"/w/everyone/pypi/files/{public.wheels[0].path}").status_code == 200
    assert heard(public) == []


def test_what_was_approved_outside_is_not_served_once_the_name_is_owned(house, inside, public):
    stranger = public.wheels[2]
    house.settle(house.approval(stranger.artifact()))
    with house.open() as client:
        assert client.get(f"/w/everyone/pypi/files/{stranger.path}").content == stranger.data
    del public.requests[:]
    house.inside = (inside,)
    house.settle(house.approval(stranger.artifact()))
    with house.open() as client:
        answer = client.get(f"/w/everyone/pypi/files/{stranger.path}")
        assert (answer.status_code, answer.json()["code"]) == (403, "refused")
        assert "rule not-the-owner" in answer.json()["title"]
        page = client.get("/w/everyone/pypi/simple/acme-web/")
        assert stranger.filename not in page.text
        assert "not-the-owner" in page.text
    assert heard(public) == []


def test_a_source_that_is_not_listed_any_more_holds_no_page_up(house, public):
    gone, here = public.wheels[0].artifact(source="gone"), public.wheels[1].artifact()
    house.settle(house.approval(gone), house.approval(here))
    with house.open() as client:
        page = client.get("/w/everyone/pypi/simple/alpha/")
        assert "cannot be reached" in page.text
        assert client.get(f"/w/everyone/pypi/files/{gone.path}").status_code == 404
        assert here.filename in client.get("/w/everyone/pypi/simple/beta/").text
