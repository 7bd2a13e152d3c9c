"""A site that has devpi as its mirror of the public index points at it, and has all that its pages lack."""

from sekisho.sources import Source
from tests.fake_upstream import run_asgi
from tests.integration.proxy.house import run_pip, run_uv
from tests.integration.sources.test_in_house import candidates

JSON = "application/vnd.pypi.simple.v1+json"


def test_pip_and_uv_install_through_a_mirror_index_of_devpi(house, devpi, public, tmp_path):
    with run_asgi(public) as behind:
        mirror = devpi.index("mirror", "type=mirror", f"mirror_url={behind}/simple/", "mirror_no_project_list=True")
        house.source = Source(id="mirror", url=mirror)
        house.settle()
        with house.open() as client:
            found = candidates(client, house, ("alpha", "1.2"), ("beta", "2.0"))
            assert client.get("/candidates/simple/nope/", auth=house.basic()).status_code == 404
        assert [(one.source, one.path.startswith("acme/mirror/+f/")) for one in found] == [("mirror", True)] * 2
        house.settle(*(house.approval(one) for one in found))
        with house.open() as client:
            page = client.get("/w/everyone/pypi/simple/alpha/", headers={"accept": JSON}).json()
            [row] = page["files"]
            assert (row["size"], row["hashes"]["sha256"]) == (len(public.wheels[0].data), public.wheels[0].sha256)
            assert row["core-metadata"]["sha256"]
            index = f"{client.base_url}/w/everyone/pypi/simple/"
            for run, name in ((run_pip, "pip"), (run_uv, "uv")):
                done = run(index, tmp_path, "alpha==1.2")
                assert done.returncode == 0, done.stderr
                assert {"alpha", "beta"} <= {path.name for path in (tmp_path / f"{name}-target").iterdir()}
            answer = client.get(f"/w/everyone/pypi/files/{found[0].path}", headers={"range": "bytes=0-3"})
            assert (answer.status_code, answer.content) == (206, public.wheels[0].data[:4])
        wanted = [f"/{wheel.path}" for wheel in public.wheels[:2]]
        assert sorted(public.paths("/packages/")) == sorted(wanted)  # each file once, by devpi


def test_a_mirror_that_is_gone_costs_nothing_that_is_here(house, devpi, public):
    with run_asgi(public) as behind:
        mirror = devpi.index("gone", "type=mirror", f"mirror_url={behind}/simple/", "mirror_no_project_list=True")
        house.source = Source(id="mirror", url=mirror)
        house.settle()
        with house.open() as client:
            [alpha] = candidates(client, house, ("alpha", "1.2"))
        house.settle(house.approval(alpha))
    with house.open() as client:
        assert client.get(f"/w/everyone/pypi/files/{alpha.path}").content == public.wheels[0].data
        answer = client.get("/candidates/simple/beta/", auth=house.basic())
        assert answer.status_code == 502
        assert "source 'mirror'" in answer.json()["title"]
