"""One request whose closure is partly made inside and partly public: resolved, judged, approved, locked, installed."""

import yaml

from tests.fake_upstream import run_asgi
from tests.integration.line.site import Site
from tests.integration.proxy.house import run_uv


def test_one_closure_mixes_projects_of_the_house_with_public_ones(devpi, public, tmp_path):
    with run_asgi(public) as url:
        site = Site(tmp_path / "site", url)
        text = yaml.safe_load((site.allowlists / "sources.yaml").read_text())
        text["sources"].append({"id": "inside", "url": f"{devpi.url}/acme/prod/+simple/", "owns": ["Acme_*"]})
        (site.allowlists / "sources.yaml").write_text(yaml.safe_dump(text))
        site.commit("Own what begins with acme")
        site.up()
        try:
            request = site.ask("Acme.Web")["id"]
            status = site.reach(request, "waiting", "approved")
            assert status["closure"]["packages"] == 3
            if status["state"] == "waiting":
                site.ok("approve", request, "--reason", "ours", who="ben")
            site.in_force(site.git("rev-parse", "HEAD"))
            approved = yaml.safe_load((site.allowlists / "pypi" / "acme-web.yaml").read_text())["approvals"]
            files = approved[0]["artifacts"]
            assert [(row["source"], row["release"]) for row in files] == [("inside", "1.0")]
            assert files[0]["size"] > 0
            outside = yaml.safe_load((site.allowlists / "pypi" / "beta.yaml").read_text())["approvals"]
            assert outside[0]["artifacts"][0]["source"] == "fake"
            done = run_uv(f"{site.proxy}/w/everyone/pypi/simple/", tmp_path, "acme-web")
            assert done.returncode == 0, done.stderr
            assert {"acme_web.py", "alpha", "beta"} <= {path.name for path in (tmp_path / "uv-target").iterdir()}
            said = site.ok("why", "acme-web", who="ana").stdout
            assert "acme_web-1.0" in said or "acme-web" in said
            assert "from source inside" in said
            assert "from source" not in site.ok("why", "alpha", who="ana").stdout
        finally:
            site.down()
    assert [path for path in public.paths() if "acme" in path.lower()] == []
