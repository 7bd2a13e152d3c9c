"""A lock of a file, of what is approved already: by either engine, through the real portal and the real door."""

import json
import sys

import pytest
import yaml

from sekisho.lock import pins, read_conda_lock
from tests.channels import Channel, installed
from tests.integration.line.outside import serving
from tests.integration.line.test_channels import OutsideChannels, packages
from tests.integration.proxy.house import run_pip

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}.{sys.version_info[2]}"


def test_a_file_is_locked_of_what_is_approved_and_its_lock_is_found(site, tmp_path):
    asked = json.loads(site.ok("request", "alpha", "--reason", "tests", "--wait", "--json", who="ana").stdout)
    if asked["state"] == "waiting":
        site.ok("approve", asked["id"], "--reason", "fine", who="ben")
    site.reach(asked["id"], "approved")
    site.in_force(site.git("rev-parse", "HEAD"))
    wanted = tmp_path / "requirements.in"
    wanted.write_text("alpha\n")
    texts = {}
    for engine in ("uv", "pip-tools"):
        out = tmp_path / f"{engine}.lock"
        site.ok("lock", "-r", str(wanted), "--engine", engine, "-o", str(out), "--python", HERE, who="ana")
        texts[engine] = out.read_text()
    assert texts["uv"] == texts["pip-tools"]
    assert "alpha" in pins(texts["uv"], where="x")
    done = run_pip(
        f"{site.proxy}/w/everyone/pypi/simple/",
        tmp_path,
        "--require-hashes",
        "--no-deps",
        "-r",
        str(tmp_path / "uv.lock"),
    )
    assert done.returncode == 0, done.stderr

    site.ok("lock", "--request", asked["id"], "--format", "pylock", "-o", str(tmp_path / "pylock.toml"), who="ana")
    assert f"{site.proxy}/w/everyone/pypi/files/" in (tmp_path / "pylock.toml").read_text()
    wanted.write_text("alpha>=99\n")
    said = site.refused("lock", "-r", str(wanted), "-o", str(tmp_path / "no.lock"), "--python", HERE, who="ana")
    assert "alpha" in said
    assert not (tmp_path / "no.lock").exists()
    assert f"request {asked['id']}): alpha" in site.ok("locks", "alpha", who="ana").stdout


@pytest.fixture
def channelled(make_site):
    """A running site with an index and a channel."""
    with serving(OutsideChannels(main=Channel((*packages(), installed("pip"))))) as served:
        found = make_site(up=False)
        path = found.allowlists / "sources.yaml"
        sources = yaml.safe_load(path.read_text())
        sources["sources"].append({"id": "main", "kind": "conda", "url": f"{served.url}/main"})
        path.write_text(yaml.safe_dump(sources))
        found.commit("Declare a channel")
        found.up()
        yield found
        served.app.release()


def test_an_environment_is_locked_by_conda_lock_both_ways_and_the_same(channelled, tmp_path):
    """Of its request, and of what is approved; ``beta`` is there by ``py-beta``, which only what is in it tells."""
    site, wanted = channelled, tmp_path / "environment.yml"
    content = {"channels": ["main"], "dependencies": [f"python {HERE}", "pip", "tool >=2", {"pip": ["alpha"]}]}
    wanted.write_text(yaml.safe_dump(content))
    target = ("--python", HERE, "--glibc", "2.36")
    asked = site.ok("request", "-r", str(wanted), *target, "--reason", "tests", "--json", who="ana").stdout
    request = json.loads(asked)["id"]
    site.reach(request, "waiting")
    site.ok("approve", request, "--reason", "looked at all of it", who="ben")
    site.reach(request, "approved")
    site.in_force(site.git("rev-parse", "HEAD"))
    texts = {name: tmp_path / f"{name}.yml" for name in ("ours", "of-request", "of-file")}
    site.ok("lock", "--request", request, "-o", str(texts["ours"]), who="ana")
    site.ok("lock", "--request", request, "--engine", "conda-lock", "-o", str(texts["of-request"]), who="ana")
    site.ok("lock", "-r", str(wanted), *target, "-o", str(texts["of-file"]), who="ana")
    rows = {
        name: {
            (row.manager, row.name, row.release, row.url, row.sha256)
            for row in read_conda_lock(path.read_text(), platform="linux-64", where=name)
        }
        for name, path in texts.items()
    }
    assert rows["ours"] == rows["of-request"] == rows["of-file"]
    assert {(row[0], row[1]) for row in rows["ours"]} == {
        *(("conda", name) for name in ("python", "pip", "tool", "py-beta")),
        ("pip", "alpha"),
    }
    assert "py-beta 1.5" in site.ok("locks", "conda:py-beta", who="ana").stdout
