"""What is recorded once is served the same ever after, and nobody is asked for it again."""

import httpx2
import pytest

from bench.judging.recording import JSON, record
from tests.fake_upstream import FakeUpstream, run_asgi
from tests.wheels import make_wheel

WHEEL = make_wheel("alpha", requires=("beta>=1",))


@pytest.fixture
def upstream():
    return FakeUpstream(wheels=[WHEEL], metadata=False)


def _all(folder, url):
    """Ask for everything of the wheel; give the bodies."""
    with record(folder, f"{url}/simple/") as index, httpx2.Client(trust_env=False) as client:
        page = client.get(f"{index}alpha/", headers={"accept": JSON}).raise_for_status().json()
        [row] = page["files"]
        assert row["url"].startswith(index.removesuffix("/simple/"))
        assert row["core-metadata"] is True
        assert client.get(f"{index}unknown/").status_code == 404
        metadata = client.get(f"{row['url']}.metadata").raise_for_status().content
        length = client.head(row["url"]).headers["content-length"]
        data = client.get(row["url"]).raise_for_status().content
    return row["hashes"], metadata, int(length), data


def test_it_is_asked_for_once_and_kept(tmp_path, upstream):
    with run_asgi(upstream) as url:
        first = _all(tmp_path, url)
        asked = len(upstream.requests)
        assert first == ({"sha256": WHEEL.sha256}, WHEEL.metadata, len(WHEEL.data), WHEEL.data)
        assert _all(tmp_path, url) == first
        assert upstream.requests[asked:] == [("GET", "/simple/unknown/", "")]


def test_metadata_is_read_out_of_a_wheel_that_stays_where_it_is(tmp_path, upstream):
    with (
        run_asgi(upstream) as url,
        record(tmp_path, f"{url}/simple/") as index,
        httpx2.Client(trust_env=False) as client,
    ):
        [row] = client.get(f"{index}alpha/").json()["files"]
        assert client.get(f"{row['url']}.metadata").content == WHEEL.metadata
    assert [kind for kind, path, part in upstream.requests if path == f"/{WHEEL.path}" and not part] == ["HEAD"]
    assert not (tmp_path / "files" / WHEEL.path).exists()


def test_what_cannot_be_had_is_said_and_nothing_half_is_kept(tmp_path, upstream):
    upstream.faults = {f"/{WHEEL.path}": "500"}
    with (
        run_asgi(upstream) as url,
        record(tmp_path, f"{url}/simple/") as index,
        httpx2.Client(trust_env=False) as client,
    ):
        [row] = client.get(f"{index}alpha/").json()["files"]
        assert client.get(f"{row['url']}.metadata").status_code == 502
        assert client.head(row["url"]).status_code == 502
    assert not list(tmp_path.glob("files/**/*.*"))
