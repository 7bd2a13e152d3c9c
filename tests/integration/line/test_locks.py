"""A lock of a file, of what is approved already: by either engine, through the real portal and the real door."""

import json
import sys

from sekisho.lock import pins
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
