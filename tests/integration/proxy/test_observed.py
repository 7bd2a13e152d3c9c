"""What can be seen of a running proxy."""

import json
import logging
import re

import pytest

from sekisho.logs import JsonLines


def figures(client):
    text = client.get("/metrics").text
    return {
        name: float(value) for name, value in re.findall(r"^([a-z_]+(?:{[^}]*})?) ([0-9.e+-]+)$", text, re.MULTILINE)
    }


def test_every_answer_bears_an_id_and_is_counted(house, approved):
    house.settle(house.approval(*approved))
    with house.open() as client:
        assert client.get("/healthz", headers={"x-request-id": "mine-7"}).headers["x-request-id"] == "mine-7"
        odd = client.get("/healthz", headers={"x-request-id": "no spaces"}).headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]+", odd)
        assert client.get("/w/everyone/pypi/simple/alpha/").headers["x-request-id"] != odd
        client.get(f"/w/everyone/pypi/files/{approved[0].path}")
        client.get(f"/w/everyone/pypi/files/{approved[0].path}.metadata")
        client.get("/w/everyone/pypi/files/packages/x/evil-1.0-py3-none-any.whl")
        client.get("/no-such-place")
        found = figures(client)
        assert found['sekisho_requests_total{method="GET",route="page",status="200"}'] == 1
        assert found['sekisho_requests_total{method="GET",route="file",status="200"}'] == 1
        assert found['sekisho_requests_total{method="GET",route="metadata",status="200"}'] == 1
        assert found['sekisho_requests_total{method="GET",route="file",status="403"}'] == 1
        assert found['sekisho_requests_total{method="GET",route="other",status="404"}'] == 1
        assert found['sekisho_request_seconds_count{route="page"}'] == 1
        assert found["sekisho_policy_sequence"] == 1
        assert found["process_resident_memory_bytes"] > 1e7


def test_strangers_cannot_make_labels(house):
    house.settle()
    with house.open() as client:
        for number in range(20):
            client.request("PROPFIND", f"/odd-{number}/x")
        assert len([name for name in figures(client) if name.startswith("sekisho_requests_total")]) == 1


def test_the_log_has_a_line_for_each_request(house, caplog):
    house.settle()
    with caplog.at_level(logging.INFO, logger="sekisho.proxy.requests"), house.open() as client:
        client.get("/healthz", headers={"x-request-id": "mine-8"})
    (record,) = [row for row in caplog.records if row.name == "sekisho.proxy.requests"]
    said = json.loads(JsonLines().format(record))
    assert (said["message"], said["route"], said["status"]) == ("GET /healthz", "healthz", 200)
    assert said["seconds"] > 0


@pytest.mark.parametrize("path", ["/metrics", "/healthz"])
def test_only_reading_is_allowed(house, path):
    house.settle()
    with house.open() as client:
        assert client.post(path).status_code == 405
