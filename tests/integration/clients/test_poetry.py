"""poetry as it is: the source is in the project's own file, the authority in the user's."""

import tomllib
from datetime import UTC, datetime

from tests.integration.clients.conftest import sha256s

PROJECT = """\
[project]
name = "work"
version = "0"
requires-python = ">=3.11"
dependencies = ["alpha<2"]

[tool.poetry]
package-mode = false
"""


def test_lock_and_install_of_a_project(desk):
    (desk.project / "pyproject.toml").write_text(PROJECT)
    desk.configure("poetry")
    desk.client("poetry", "lock")
    packages = {row["name"]: row for row in tomllib.loads((desk.project / "poetry.lock").read_text())["package"]}
    assert packages["alpha"]["version"] == "1.2"
    assert {row["hash"] for row in packages["beta"]["files"]} == {f"sha256:{sha}" for sha in sha256s("beta", "2.0")}
    desk.client("poetry", "check", "--lock")
    desk.venv()
    desk.client("poetry", "install")
    assert desk.has("alpha", "beta")


def test_lock_of_what_is_old_enough(desk):
    (desk.project / "pyproject.toml").write_text(PROJECT.replace("alpha<2", "alpha"))
    desk.configure("poetry")
    days = (datetime.now(UTC) - datetime(2026, 6, 15, tzinfo=UTC)).days
    desk.environment["POETRY_SOLVER_MIN_RELEASE_AGE"] = str(days)
    desk.client("poetry", "lock")
    packages = {row["name"]: row for row in tomllib.loads((desk.project / "poetry.lock").read_text())["package"]}
    assert packages["alpha"]["version"] == "1.2"
