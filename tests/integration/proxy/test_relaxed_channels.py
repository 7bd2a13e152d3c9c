"""Channels in workspaces that do not enforce: served as their source lists them, cleaned, counted, and barred as ever."""

import json
import subprocess
import sys

import pytest

from sekisho.sources import Source
from sekisho_proxy.conda import relaxed
from tests.advisories import index, osv
from tests.channels import Channel, FakeChannels, Rattler, RattlerError, make_package
from tests.channels.rattler import REPOSITORY
from tests.fake_upstream import run_asgi
from tests.integration.proxy.house import House, bare_environment
from tests.integration.proxy.test_modes import counted

TOOL = make_package("tool", "1.0", depends=("library >=1",))
LIBRARY = make_package("library", "1.2")
DENIED = make_package("library", "2.0")
POLICY = """\
version: 1
ask: http://127.0.0.1:9
rules:
  - {id: no-evil, check: denied, kind: conda, projects: [evil, "library>=2"]}
workspaces:
  watched: {mode: audit}
  free: {mode: 'off'}
"""


@pytest.fixture
def fake():
    return FakeChannels(channels={"main": Channel((TOOL, LIBRARY, DENIED, make_package("evil")))})


@pytest.fixture
def house(tmp_path, fake):
    with run_asgi(fake) as url:
        made = House(tmp_path, upstream=url)
        made.inside = (Source(id="main", kind="conda", url=f"{url}/main"),)
        made.settle(made.approval(LIBRARY.artifact(source="main"), scope=("watched",)), policy=POLICY)
        yield made


@pytest.fixture(params=["few", "many"])
def _size(request, monkeypatch):
    """A small channel, which is given in every form, and one that counts as large."""
    if request.param == "many":
        monkeypatch.setattr(relaxed, "_FEW", 0)


@pytest.mark.usefixtures("_size")
def test_a_client_installs_what_nobody_approved_and_it_is_counted(house, tmp_path):
    with house.open() as client, Rattler(tmp_path / "rattler") as rattler:
        for workspace in ("watched", "free"):
            channel = f"{client.base_url}/w/{workspace}/conda/main"
            solved = rattler.install([channel], ["tool"], tmp_path / workspace, virtual={})
            assert [(row.name, row.version, row.sha256) for row in solved] == [
                ("library", "1.2", LIBRARY.sha256),
                ("tool", "1.0", TOOL.sha256),
            ]
            with pytest.raises(RattlerError, match="evil"):
                rattler.solve([channel], ["evil"])
        with pytest.raises(RattlerError):
            rattler.solve([f"{client.base_url}/w/everyone/conda/main"], ["tool"])
        assert counted(client, house) == {("watched", "tool", "1.0", "not-approved", True): 1}


@pytest.mark.parametrize("subdir", ["noarch", "linux-64"])
def test_a_client_without_shards_is_told_why_a_large_channel_is_not_in_one_file(house, tmp_path, monkeypatch, subdir):
    """Not that it was empty, nor that what is approved was all: both would pass for an answer."""
    monkeypatch.setattr(relaxed, "_FEW", 0)
    rc = tmp_path / "condarc"
    rc.write_text(f"pkgs_dirs: ['{tmp_path}/pkgs']\n")
    with house.open() as client, Rattler(tmp_path / "rattler") as rattler:
        url = f"{client.base_url}/w/watched/conda/main"
        ran = subprocess.run(
            [sys.executable, "-m", "tests.channels.conda_reader"],
            input=json.dumps({"urls": [f"{url}/{subdir}"], "rc": str(rc), "fn": "repodata.json"}),
            capture_output=True, text=True, timeout=60, check=False, env=bare_environment(tmp_path), cwd=REPOSITORY,
        )  # fmt: skip
        assert "are in shards and not in one file, since workspace watched has mode audit" in ran.stdout
        assert "use a client that reads shards" in ran.stdout
        with pytest.raises(RattlerError, match="406"):
            rattler.solve([url], ["library"], sharded=False, virtual={})
        assert rattler.solve([url], ["library"], virtual={})[0].sha256 == LIBRARY.sha256
        for name in ("repodata.json.zst", "current_repodata.json", "run_exports.json"):
            assert client.get(f"/w/watched/conda/main/{subdir}/{name}").status_code == 404
        said = client.get(f"/w/watched/conda/main/{subdir}/repodata.json").json()
        assert (said["status"], said["code"]) == (406, "conflict")
        held = client.get("/w/everyone/conda/main/noarch/repodata.json")
        assert (held.status_code, held.json()["packages.conda"]) == (200, {})


@pytest.mark.usefixtures("_size")
def test_what_is_barred_is_barred_in_every_mode(house):
    with house.open() as client:
        for workspace in ("watched", "free", "everyone"):
            assert client.get(f"/w/{workspace}/conda/main/{DENIED.path}").status_code == 403
        answer = client.get("/w/watched/conda/main/noarch/repodata_shards.msgpack.zst")
        assert answer.headers["sekisho-mode"] == "audit"
        assert client.get(answer.url.path, headers={"if-none-match": answer.headers["etag"]}).status_code == 304
        assert "sekisho-mode" not in client.get("/w/everyone/conda/main/noarch/repodata.json").headers
        assert client.get("/w/watched/conda/main/linux-aarch64/repodata_shards.msgpack.zst").status_code == 200


def test_what_is_reported_as_malicious_by_its_name_on_the_index_is_barred_and_what_is_unmapped_is_not(house):
    said = index(osv("MAL-2026-1", "py-tool", summary="steals")).named({"tool": ("py-tool",), "library": ("other",)})
    rules = POLICY.replace("rules:\n", "rules:\n  - {id: mal, check: malicious}\n")
    house.settle(policy=rules, reports=said.reports().dump().decode())
    with house.open() as client:
        listed = client.get("/w/free/conda/main/noarch/repodata.json").json()
        assert listed["packages.conda"].keys() == {LIBRARY.filename}
        refused = client.get(f"/w/free/conda/main/{TOOL.path}")
        assert (refused.status_code, "MAL-2026-1" in refused.text) == (403, True)
        assert client.get(f"/w/free/conda/main/{LIBRARY.path}").content == LIBRARY.data


def test_a_small_channel_is_given_in_every_form(house, fake):
    with house.open() as client:
        listed = client.get("/w/watched/conda/main/noarch/repodata.json").json()
        assert listed["packages.conda"].keys() == {TOOL.filename, LIBRARY.filename}
        assert client.get(f"/w/free/conda/main/{TOOL.path}").content == TOOL.data
        fake.lies[f"/main/{LIBRARY.path}"] = TOOL.data
        assert client.get(f"/w/free/conda/main/{LIBRARY.path}").status_code == 502


def test_an_index_does_not_shrink_when_its_source_is_away(house, fake):
    fake.faults["/main"] = "404"
    with house.open() as client:
        assert client.get("/w/watched/conda/main/noarch/repodata.json").json()["packages.conda"].keys() == {
            LIBRARY.filename
        }
    fake.faults["/main"] = "500"
    with house.open() as client:
        assert client.get("/w/watched/conda/main/noarch/repodata.json").status_code == 502


def test_subdirs_that_are_made_up_are_asked_of_nobody_and_missing_ones_once(house, fake):
    fake.channels["main"] = Channel((TOOL, LIBRARY), subdirs=("noarch",))
    with house.open() as client:
        client.get("/w/free/conda/main/noarch/repodata.json")
        before = len(fake.asked)
        for number in range(10):
            for workspace in ("watched", "free", f"made-up-{number}"):
                for name in ("repodata.json", "repodata_shards.msgpack.zst", "tool-1.0-0.conda"):
                    answer = client.get(f"/w/{workspace}/conda/main/os-{number}/{name}")
                    assert answer.status_code == (403 if name.startswith("tool") else 200)
        assert len(fake.asked) == before
        for name in ("repodata.json", "repodata_shards.msgpack.zst", "current_repodata.json.zst", "tool-1.0-0.conda"):
            client.get(f"/w/free/conda/main/osx-arm64/{name}")
        missing = [row.path for row in fake.asked[before:]]
        assert len(missing) == len(set(missing)) == 3
        assert all(path.startswith("/main/osx-arm64/") for path in missing)
