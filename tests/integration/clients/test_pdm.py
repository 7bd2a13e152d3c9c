"""pdm as it is, by the user's file that `sekisho configure` wrote."""

import tomllib

from tests.integration.clients.conftest import sha256s

PROJECT = """\
[project]
name = "work"
version = "0"
requires-python = ">=3.11"
dependencies = ["alpha<2"]

[tool.pdm]
distribution = false
"""


def test_lock_and_install_of_a_project(desk):
    (desk.project / "pyproject.toml").write_text(PROJECT)
    desk.configure("pdm")
    desk.venv()
    desk.client("pdm", "lock")
    packages = {row["name"]: row for row in tomllib.loads((desk.project / "pdm.lock").read_text())["package"]}
    assert packages["alpha"]["version"] == "1.2"
    assert {row["hash"] for row in packages["beta"]["files"]} == {f"sha256:{sha}" for sha in sha256s("beta", "2.0")}
    desk.client("pdm", "install", "--frozen-lockfile")
    assert desk.has("alpha", "beta")


def test_lock_of_what_was_uploaded_in_time(desk):
    (desk.project / "pyproject.toml").write_text(PROJECT.replace("alpha<2", "alpha"))
    desk.configure("pdm")
    desk.venv()
    desk.client("pdm", "lock", "--exclude-newer", "2026-06-01T00:00:00Z")
    assert 'version = "1.2"' in (desk.project / "pdm.lock").read_text()
