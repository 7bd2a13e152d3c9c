"""Candidates in quarantine: fetched, verified, inspected, and never served."""

import asyncio
import json
import sys

import pytest

from sekisho.errors import CorruptError
from sekisho_proxy.inspect.pool import Inspectors
from sekisho_proxy.inspect.wheel import Job
from tests.wheels import make_wheel


def post(client, house, *artifacts):
    body = {"artifacts": [artifact.plain() for artifact in artifacts]}
    answer = client.post("/quarantine", json=body, auth=house.basic())
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return {row["sha256"]: row for row in map(json.loads, answer.text.splitlines())}


def test_facts_come_line_by_line_and_are_remembered(house, upstream, approved):
    house.settle()
    with house.open() as client:
        rows = post(client, house, *approved)
        assert set(rows) == {artifact.sha256 for artifact in approved}
        alpha = rows[approved[0].sha256]
        assert alpha["cached"] is False
        assert alpha["facts"]["license_expression"] == "MIT"
        assert alpha["facts"]["requires"] == ["beta>=1"]
        assert alpha["facts"]["top_level"] == ["alpha"]
        assert alpha["facts"]["metadata_sha256"] == approved[0].index["core-metadata"]
        assert "findings" not in alpha["facts"]
        asked = len(upstream.requests)
        assert all(row["cached"] for row in post(client, house, *approved).values())
        assert len(upstream.requests) == asked


def test_the_quarantine_is_not_served_and_is_adopted_once_approved(house, upstream, approved):
    house.settle(house.approval(approved[1]))
    with house.open() as client:
        post(client, house, *approved)
        asked = len(upstream.requests)
        assert client.get(f"/w/everyone/pypi/files/{approved[0].path}").status_code == 403
        assert client.get(f"/w/everyone/pypi/files/{approved[1].path}").content == upstream.wheels[1].data
        assert len(upstream.requests) == asked
        assert not (
            house.settings.data / "proxy" / "quarantine" / "sha256" / approved[1].sha256[:2] / approved[1].sha256
        ).exists()
        assert post(client, house, approved[1])[approved[1].sha256]["facts"]


def test_one_bad_file_is_a_problem_and_the_others_have_facts(house, upstream, approved):
    upstream.faults[f"/{approved[0].path}"] = "wrong"
    house.settle()
    with house.open() as client:
        rows = post(client, house, *approved)
        assert rows[approved[0].sha256]["problem"]["code"] == "corrupt"
        assert rows[approved[1].sha256]["facts"]
    assert not list((house.settings.data / "proxy" / "quarantine" / "incoming").iterdir())


def test_findings(house, upstream):
    pth = make_wheel("sneaky", files={"sneaky.pth": b"import os\n"})
    upstream.wheels.append(pth)
    house.settle()
    with house.open() as client:
        row = post(client, house, pth.artifact())[pth.sha256]
        assert row["facts"]["findings"] == [{"code": "top_level_pth", "detail": "sneaky.pth"}]


def test_a_bad_body_is_named(house):
    house.settle()
    with house.open() as client:
        answer = client.post("/quarantine", content=b'{"artifacts": [{"sha256": 1}]}', auth=house.basic())
        assert answer.status_code == 400
        assert "artifacts.0" in answer.json()["title"]
        assert client.get("/quarantine", auth=house.basic()).status_code == 405


@pytest.mark.parametrize(
    ("program", "word"),
    [("import sys; sys.stdin.readline(); sys.exit(1)", "survive"), ("import time; time.sleep(600)", "too long")],
)
def test_an_inspector_that_dies_or_hangs_is_a_problem(tmp_path, program, word):
    async def scenario():
        inspectors = Inspectors(patience=0.5, command=(sys.executable, "-c", program))
        with pytest.raises(CorruptError, match=word):
            await inspectors.inspect(Job(path="/nothing", filename="x-1-py3-none-any.whl", sha256="0" * 64))
        await inspectors.close()

    asyncio.run(scenario())
