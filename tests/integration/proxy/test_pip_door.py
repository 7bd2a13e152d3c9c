import asyncio
import gzip
import hashlib
import json
from datetime import UTC, datetime, timedelta

import httpx2

from sekisho_proxy.compose import open_app
from tests.integration.proxy.house import ASK, offered, run_pip, run_uv

JSON = "application/vnd.pypi.simple.v1+json"
PAGE = "/w/everyone/pypi/simple"


def settle(house, approved):
    house.settle(*[house.approval(artifact) for artifact in approved])


def test_pip_and_uv_install_what_is_approved(house, approved, tmp_path):
    settle(house, approved)
    with house.open() as client:
        index = str(client.base_url).rstrip("/") + PAGE
        for run, target in ((run_pip, "pip-target"), (run_uv, "uv-target")):
            done = run(index, tmp_path, "alpha")
            assert done.returncode == 0, done.stderr
            assert (tmp_path / target / "alpha" / "__init__.py").is_file()
            assert (tmp_path / target / "beta" / "__init__.py").is_file()


def test_pip_and_uv_print_rule_and_address_of_what_is_refused(house, approved, tmp_path):
    settle(house, approved)
    with house.open() as client:
        index = str(client.base_url).rstrip("/") + PAGE
        for wanted in ("gamma", "gamma>=0.5", "gamma==1.0"):
            pip = run_pip(index, tmp_path, wanted)
            assert pip.returncode
            assert "refused.by.rule.not.approved.ask.at.127.0.0.1.port.9" in pip.stdout + pip.stderr
        uv = run_uv(index, tmp_path, "gamma")
        assert uv.returncode
        text = " ".join((uv.stdout + uv.stderr).split())
        assert "rule not-approved" in text
        assert f"{ASK}/requests/new?project=gamma" in text


def test_a_tombstone_does_not_spoil_other_sets(house, approved, upstream, tmp_path):
    settle(house, approved)
    with house.open() as client:
        index = str(client.base_url).rstrip("/") + PAGE
        for run in (run_pip, run_uv):
            assert run(index, tmp_path, "alpha", "beta>=1").returncode == 0


def test_json_page(house, approved):
    settle(house, approved)
    with house.open() as client:
        answer = client.get(f"{PAGE}/alpha/", headers={"accept": JSON})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == JSON
        assert answer.headers["vary"] == "Accept, Accept-Encoding"
        page = answer.json()
        alpha = approved[0]
        assert page["meta"]["api-version"] == "1.4"
        assert page["versions"] == ["1.2"]
        [row] = offered(page)
        assert row == {
            "filename": alpha.filename,
            "url": f"../../files/{alpha.path}",
            "hashes": {"sha256": alpha.sha256},
            "size": alpha.size,
            "yanked": False,
            "upload-time": "2026-01-01T00:00:00Z",
            "requires-python": ">=3.8",
            "core-metadata": {"sha256": alpha.index["core-metadata"]},
        }


def test_forms_and_conditions(house, approved):
    settle(house, approved)
    with house.open() as client:
        for accept in ("text/html", "*/*", None):
            answer = client.get(f"{PAGE}/alpha/", headers={"accept": accept} if accept else {})
            assert answer.headers["content-type"].startswith("text/html")
            assert 'data-requires-python="&gt;=3.8"' in answer.text
        assert client.get(f"{PAGE}/alpha/", headers={"accept": "image/png"}).status_code == 406
        answer = client.get(f"{PAGE}/ALPHA/", headers={"accept": f"text/html;q=0.1, {JSON}"})
        again = client.get(
            f"{PAGE}/alpha/", headers={"accept": JSON, "if-none-match": f'"x", W/{answer.headers["etag"]}'}
        )
        assert again.status_code == 304
        assert not again.content
        assert client.head(f"{PAGE}/alpha/", headers={"accept": JSON}).headers["content-length"]
        moved = client.get(f"{PAGE}/Al.pha")
        assert (moved.status_code, moved.headers["location"]) == (308, f"{PAGE}/al-pha/")
        assert client.get(f"{PAGE}/-bad-/").status_code == 404
        assert client.post(f"{PAGE}/alpha/").status_code == 405


def test_gzip_is_chosen_by_accept_encoding(house, upstream):
    names = [
        upstream.wheels[0].artifact().model_copy(update={"filename": f"alpha-1.{n}-py3-none-any.whl"}) for n in range(9)
    ]
    names = [
        a.model_copy(update={"sha256": hashlib.sha256(a.filename.encode()).hexdigest(), "path": f"x/{a.filename}"})
        for a in names
    ]
    house.settle(house.approval(*names))
    with house.open() as client:
        url = f"{PAGE}/alpha/"
        with client.stream("GET", url, headers={"accept": JSON, "accept-encoding": "gzip"}) as packed:
            raw = b"".join(packed.iter_raw())
        plain = client.get(url, headers={"accept": JSON, "accept-encoding": "identity"})
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["etag"] != plain.headers["etag"]
        assert gzip.decompress(raw) == plain.content
        assert len(offered(json.loads(plain.content))) == 9


def test_refused_page_is_never_404(house, approved):
    settle(house, approved)
    with house.open() as client:
        for workspace, project in (("everyone", "gamma"), ("nobody", "alpha"), ("everyone", "no-such-thing")):
            answer = client.get(f"/w/{workspace}/pypi/simple/{project}/", headers={"accept": JSON})
            assert answer.status_code == 200
            page = answer.json()
            assert page["files"]
            assert page["versions"] == offered(page) == []
            for row in page["files"]:
                assert f"(rule not-approved). Ask at {ASK}/requests/new?project={project}" in row["yanked"]
                refused = client.get(answer.url.join(row["url"]))
                assert refused.status_code == 403
                assert refused.headers["content-type"] == "application/problem+json"
                problem = refused.json()
                assert problem["status"] == 403
                assert "rule not-approved" in problem["title"]
                assert f"/requests/new?project={project}" in problem["todo"]


def test_denied_project_says_the_policys_rule(house, upstream):
    house.settle(house.approval(upstream.wheels[3].artifact()))
    with house.open() as client:
        [row, *_] = client.get(f"{PAGE}/evil/", headers={"accept": JSON}).json()["files"]
        assert "the policy denies evil (rule no-evil)" in row["yanked"]
        assert client.get(f"/w/everyone/pypi/files/{upstream.wheels[3].path}").status_code == 403


def test_project_list(house, approved, upstream):
    settle(house, approved)
    with house.open() as client:
        answer = client.get(f"{PAGE}/", headers={"accept": JSON})
        assert [row["name"] for row in answer.json()["projects"]] == ["alpha", "beta"]
        assert client.get("/w/nobody/pypi/simple/", headers={"accept": JSON}).json()["projects"] == []
        assert client.get("/w/everyone/pypi/simple").status_code == 308
        assert client.get("/w/everyone/").json()["todo"] == "the index is at /w/everyone/pypi/simple/"
        assert set(upstream.paths()) <= {"/simple/alpha/", "/simple/beta/"}  # never the list of all projects


def test_files_ranges_and_conditions(house, approved, upstream):
    settle(house, approved)
    alpha, data = approved[0], upstream.wheels[0].data
    url = f"/w/everyone/pypi/files/{alpha.path}"
    etag = f'"{alpha.sha256}"'
    with house.open() as client:
        cold = client.get(url, headers={"range": "bytes=10-19"})
        assert (cold.status_code, cold.content) == (206, data[10:20])
        assert cold.headers["content-range"] == f"bytes 10-19/{len(data)}"
        whole = client.get(url)
        assert whole.content == data
        assert whole.headers["etag"] == etag
        assert whole.headers["accept-ranges"] == "bytes"
        assert "content-encoding" not in whole.headers
        assert client.get(url, headers={"range": "bytes=-5"}).content == data[-5:]
        assert client.get(url, headers={"range": "bytes=5-", "if-range": etag}).content == data[5:]
        assert client.get(url, headers={"range": "bytes=5-", "if-range": '"other"'}).content == data
        assert client.get(url, headers={"range": "bytes=0-1,3-4"}).status_code == 200
        beyond = client.get(url, headers={"range": f"bytes={len(data)}-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(data)}")
        assert client.get(url, headers={"if-none-match": etag}).status_code == 304
        head = client.head(f"/w/everyone/pypi/files/{approved[1].path}")
        assert (head.status_code, head.headers["content-length"], head.content) == (200, str(approved[1].size), b"")
        assert upstream.paths(f"/{alpha.path}") == [f"/{alpha.path}"]


def test_metadata_is_extracted_here(house, approved, upstream):
    settle(house, approved)
    with house.open() as client:
        answer = client.get(f"/w/everyone/pypi/files/{approved[0].path}.metadata")
        assert answer.content == upstream.wheels[0].metadata
        assert not upstream.paths(f"/{approved[0].path}.metadata")


def test_metadata_that_is_not_the_stated_one_is_not_served(house, upstream):
    wrong = upstream.wheels[0].artifact().model_copy(update={"index": {"core-metadata": "1" * 64}})
    house.settle(house.approval(wrong))
    with house.open() as client:
        answer = client.get(f"/w/everyone/pypi/files/{wrong.path}.metadata")
        assert answer.status_code == 502
        assert answer.json()["code"] == "corrupt"


def test_an_approval_that_expires_takes_its_page_along(house, approved):
    """The clock is the test's own: nothing waits."""
    now = [datetime.now(UTC) + timedelta(days=1)]  # the policy was made before
    house.settle(house.approval(approved[0], expires=now[0] + timedelta(days=1)))

    async def scenario():
        async with open_app(house.settings, lambda: now[0]) as app:
            transport = httpx2.ASGITransport(app=app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://proxy") as client:
                before = (await client.get(f"{PAGE}/alpha/", headers={"accept": JSON})).json()
                now[0] += timedelta(days=1)
                after = (await client.get(f"{PAGE}/alpha/", headers={"accept": JSON})).json()
                file = await client.get(f"/w/everyone/pypi/files/{approved[0].path}")
                return before, after, file.status_code

    before, after, status = asyncio.run(scenario())
    assert len(offered(before)) == 1
    assert "rule expired" in after["files"][0]["yanked"]
    assert status == 403
