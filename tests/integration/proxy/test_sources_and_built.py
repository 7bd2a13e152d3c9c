"""Source on the candidate mount, and wheels that were built here: taken in, inspected, served once approved."""

import pytest

from tests.fake_upstream import FakeUpstream
from tests.integration.proxy.test_quarantine import post
from tests.source_files import make_source
from tests.wheels import make_wheel

JSON = "application/vnd.pypi.simple.v1+json"
MOUNT = "/candidates/sources/3.11.2/2.36/x86_64/simple"
RAW = make_source("raw", "2.0", requires=("beta>=1",), extra="License-Expression: MIT\nRequires-Python: >=3.8\n")
WHEELS = [
    make_wheel("raw", "1.0"),
    make_source("raw", "1.0"),
    make_wheel("raw", "2.0", tag="cp311-cp311-win_amd64"),
    RAW,
]


@pytest.fixture
def upstream():
    """An index with a project whose newest release has a wheel for another platform only."""
    return FakeUpstream(wheels=WHEELS)


def test_source_stands_in_where_a_release_has_no_wheel_for_the_target(house, upstream):
    house.settle()
    with house.open() as client:
        assert client.get(f"{MOUNT}/raw/").status_code == 401
        client.auth = house.basic()
        rows = {row["filename"]: row for row in client.get(f"{MOUNT}/Raw/", headers={"accept": JSON}).json()["files"]}
        assert rows.keys() == {"raw-1.0-py3-none-any.whl", "raw-2.0-0source-py3-none-any.whl"}
        row = rows["raw-2.0-0source-py3-none-any.whl"]
        assert row["core-metadata"] is True
        place = client.get(f"{MOUNT}/raw/").url.join(row["url"])
        assert client.get(place).status_code == 403  # there is no file behind it
        said = client.get(f"{place}.metadata").text
        assert said.splitlines() == [
            "Metadata-Version: 2.1", "Name: raw", "Version: 2.0", "Requires-Python: >=3.8", "Requires-Dist: beta>=1",
        ]  # fmt: skip
        plain = client.get("/candidates/simple/raw/", headers={"accept": JSON}).json()["files"]
        assert not any("0source" in row["filename"] for row in plain)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{MOUNT}/raw", 308),
        (f"{MOUNT}/nope/", 404),
        (f"{MOUNT}/raw/more/", 404),
        (f"{MOUNT}/", 404),
        ("/candidates/sources/3.11/2.36/x86_64/simple/raw/", 400),
        ("/candidates/sources/3.11.2/2.36/m68k/simple/raw/", 400),
        ("/candidates/sources/3.11.2/2.36/x86_64/other/raw/", 404),
    ],
)
def test_addresses_that_are_no_page(house, path, status):
    house.settle()
    with house.open() as client:
        assert client.get(path, auth=house.basic(), follow_redirects=False).status_code == status


BUILT = make_wheel("raw", "2.0")
ARTIFACT = BUILT.artifact().model_copy(
    update={"built": RAW.sha256, "path": f"built/{RAW.sha256}/{BUILT.filename}"}
)  # fmt: skip


def put(client, house, sha256=BUILT.sha256, data=BUILT.data, **more):
    return client.put(f"/quarantine/{sha256}", content=data, **({"auth": house.basic()} | more))


def test_a_wheel_that_was_built_here_is_served_once_it_is_approved(house):
    house.settle()
    page = "/w/everyone/pypi/simple/raw/"
    with house.open() as client:
        assert put(client, house).status_code == 201
        assert put(client, house).status_code == 201
        assert post(client, house, ARTIFACT)[BUILT.sha256]["facts"]["metadata_sha256"]
        assert client.get(f"/w/everyone/pypi/files/{ARTIFACT.path}").status_code == 403
    house.settle(house.approval(ARTIFACT))
    with house.open() as client:
        rows = client.get(page, headers={"accept": JSON}).json()["files"]
        [row] = [row for row in rows if row["hashes"]]
        assert row["_built-from"] == {"sha256": RAW.sha256}
        assert row["url"] == f"../../files/{ARTIFACT.path}"
        assert f'data-built-from="sha256={RAW.sha256}"' in client.get(page, headers={"accept": "text/html"}).text
        assert client.get(f"/w/everyone/pypi/files/{ARTIFACT.path}").content == BUILT.data


def test_only_a_room_of_ours_brings_anything_and_only_what_it_says(house):
    house.settle()
    with house.open() as client:
        assert put(client, house, auth=None).status_code == 401
        assert put(client, house, data=b"other").status_code == 400
        assert put(client, house, sha256="no-hash").status_code == 404
        assert client.get(f"/quarantine/{BUILT.sha256}", auth=house.basic()).status_code == 405
        assert not (house.settings.data / "proxy" / "quarantine" / "sha256").exists()
        assert not list((house.settings.data / "proxy" / "quarantine" / "incoming").iterdir())


def test_a_built_wheel_whose_bytes_are_elsewhere_is_not_listed_and_nobody_is_asked_for_it(house, upstream):
    house.settle(house.approval(ARTIFACT))
    with house.open() as client:
        rows = client.get("/w/everyone/pypi/simple/raw/", headers={"accept": JSON}).json()["files"]
        assert not [row for row in rows if row["hashes"]]
        answer = client.get(f"/w/everyone/pypi/files/{ARTIFACT.path}")
        assert answer.status_code == 503
        assert "was built from source" in answer.json()["title"]
        assert not upstream.paths(f"/{ARTIFACT.path}")
