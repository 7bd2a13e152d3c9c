"""The candidate mount: pages and metadata for the builder, never files."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fake_upstream import FakeUpstream
from tests.integration.proxy.house import bare_environment
from tests.wheels import make_wheel

JSON = "application/vnd.pypi.simple.v1+json"


def test_only_with_the_service_token(house):
    house.settle()
    with house.open() as client:
        for path in (
            "/candidates/simple/alpha/",
            "/candidates/artifacts/alpha/1.2",
            "/candidates/files/fake/x",
        ):
            assert client.get(path).status_code == 401
            assert client.get(path).headers["www-authenticate"].startswith("Basic")
            assert client.get(path, auth=("__token__", "wrong")).status_code == 401
        assert client.post("/quarantine", json={"artifacts": []}).status_code == 401
        for sent in (
            {"auth": house.basic()},
            {"auth": (house.token, "")},
            {"headers": {"authorization": f"Bearer {house.token}"}},
        ):
            assert client.get("/candidates/simple/alpha/", **sent).status_code == 200


def test_pages_files_and_artifacts(house, upstream):
    house.settle()
    alpha = upstream.wheels[0]
    with house.open() as client:
        client.auth = house.basic()
        page = client.get("/candidates/simple/Alpha/", headers={"accept": JSON}).json()
        [row] = page["files"]
        assert row["core-metadata"] is True
        assert row["url"] == f"../../files/fake/{alpha.path}"
        assert page["versions"] == ["1.2"]
        assert client.get(f"/candidates/files/fake/{alpha.path}").status_code == 403
        assert client.get("/candidates/simple/nope/").status_code == 404
        assert client.get(f"/candidates/files/other/{alpha.path}.metadata").status_code == 404
        [artifact] = client.get("/candidates/artifacts/alpha/1.2").json()
        assert artifact == alpha.artifact().plain()
        assert client.get("/candidates/artifacts/alpha").json() == [artifact]
        assert client.get("/candidates/artifacts/nope").status_code == 404
        assert not upstream.paths(f"/{alpha.path}")


def test_what_the_policy_denies_is_not_listed(house, upstream):
    house.settle()
    with house.open() as client:
        client.auth = house.basic()
        assert client.get("/candidates/simple/evil/", headers={"accept": JSON}).json()["files"] == []
        assert client.get(f"/candidates/files/fake/{upstream.wheels[3].path}.metadata").status_code == 404


@pytest.mark.parametrize(
    "options", [{}, {"metadata": False}, {"metadata": False, "ranges": False}, {"html": True, "metadata": False}]
)
def test_metadata_however_the_upstream_gives_it(house, upstream, options):
    for key, value in options.items():
        setattr(upstream, key, value)
    big = make_wheel("big", files={f"big/{n}.bin": bytes([n]) * 1000 + n.to_bytes(4, "big") * 9 for n in range(250)})
    stuffed = make_wheel("stuffed", files={"stuffed/data.bin": hash_noise(400_000), "stuffed/__init__.py": b""})
    upstream.wheels += [big, stuffed]
    house.settle()
    with house.open() as client:
        client.auth = house.basic()
        for wheel in (upstream.wheels[0], big, stuffed):
            for _ in range(2):
                answer = client.get(f"/candidates/files/fake/{wheel.path}.metadata")
                assert answer.status_code == 200, answer.text
                assert answer.content == wheel.metadata
        asked = list(upstream.paths("/packages"))
        assert len(asked) == len(set(asked)) or options.get("metadata") is False


def hash_noise(size):
    import random

    return random.Random(7).randbytes(size)


def test_only_part_of_a_large_wheel_is_read(house, upstream):
    upstream.metadata = False
    stuffed = make_wheel("stuffed", files={"stuffed/data.bin": hash_noise(3_000_000), "stuffed/__init__.py": b""})
    upstream.wheels.append(stuffed)
    house.settle()
    with house.open() as client:
        client.auth = house.basic()
        client.get(f"/candidates/files/fake/{stuffed.path}.metadata")
    ranges = [sent for _, path, sent in upstream.requests if path == f"/{stuffed.path}"]
    assert ranges == ["bytes=-65536"]


def test_uv_resolves_through_it(house, upstream: FakeUpstream, tmp_path):
    house.settle()
    with house.open() as client:
        index = str(client.base_url).rstrip("/").replace("://", f"://__token__:{house.token}@") + "/candidates/simple/"
        uv = Path(sys.executable).with_name("uv")
        command = [
            str(uv),
            "pip",
            "compile",
            "--no-cache",
            "-q",
            "--no-header",
            "--no-annotate",
            "-p",
            sys.executable,
            "--index-url",
            index,
            "-",
        ]
        done = subprocess.run(
            command,
            input="alpha\n",
            env=bare_environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout.split() == ["alpha==1.2", "beta==2.0"], done.stderr


def test_pages_are_kept_while_the_upstream_is_down(house, upstream):
    house.settle()
    with house.open() as client:
        client.auth = house.basic()
        assert client.get("/candidates/simple/alpha/").status_code == 200
    upstream.faults["/"] = "500"
    with house.open() as client:
        client.auth = house.basic()
        assert client.get("/candidates/simple/alpha/").status_code == 200
        down = client.get("/candidates/simple/beta/")
        assert down.status_code == 502
        assert "source 'fake'" in down.json()["title"]
        assert down.json()["where"] == "/simple/beta/"
