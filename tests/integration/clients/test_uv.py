"""uv as it is, by the file and the variable that `sekisho configure` named, over TLS."""

import tomllib

import pytest

from tests.integration.clients.conftest import sha256s

PROJECT = """\
[project]
name = "work"
version = "0"
requires-python = ">=3.11"
dependencies = ["alpha<2"]
"""


@pytest.fixture
def uv(desk):
    desk.configure("uv")
    return lambda *arguments, ok=True: desk.client("uv", *arguments, ok=ok)


def test_install_and_hash_checking_mode(desk, uv):
    desk.venv()
    hashes = " ".join(f"--hash=sha256:{sha}" for sha in sorted(sha256s("beta", "2.0")))
    (desk.project / "requirements.txt").write_text(f"beta==2.0 {hashes}\n")
    uv("pip", "install", "--require-hashes", "-r", "requirements.txt")
    assert desk.has("beta")
    (desk.project / "requirements.txt").write_text(f"alpha==1.0 --hash=sha256:{'0' * 64}\n")
    assert "Hash mismatch" in uv("pip", "install", "--require-hashes", "-r", "requirements.txt", ok=False).stderr
    uv("pip", "install", "alpha")
    assert desk.has("alpha")


def test_a_refusal_is_explained(desk, uv):
    desk.venv()
    done = uv("pip", "install", "gamma", ok=False)
    assert "rule not-approved" in " ".join(done.stderr.split())


def test_compile_for_every_platform_with_hashes(desk, uv):
    (desk.project / "requirements.in").write_text("alpha\n")
    locked = uv("pip", "compile", "--universal", "--generate-hashes", "requirements.in").stdout
    for project, release in (("alpha", "2.0"), ("beta", "2.0")):
        assert f"{project}=={release}" in locked
        assert all(sha in locked for sha in sha256s(project, release))


def test_exclude_newer(desk, uv):
    (desk.project / "requirements.in").write_text("alpha\n")
    assert "alpha==1.2" in uv("pip", "compile", "--exclude-newer", "2026-06-01T00:00:00Z", "requirements.in").stdout
    assert "alpha==2.0" in uv("pip", "compile", "--exclude-newer", "2026-07-02T00:00:00Z", "requirements.in").stdout


def test_lock_and_sync_of_a_project(desk, uv):
    (desk.project / "pyproject.toml").write_text(PROJECT)
    uv("lock")
    packages = {row["name"]: row for row in tomllib.loads((desk.project / "uv.lock").read_text())["package"]}
    assert {row["hash"] for row in packages["beta"]["wheels"]} == {f"sha256:{sha}" for sha in sha256s("beta", "2.0")}
    index = f"{desk.environment['SEKISHO_PROXY_URL']}/w/everyone/pypi/"
    assert packages["beta"]["source"]["registry"].startswith(index)
    uv("sync", "--frozen")
    assert desk.has("alpha", "beta")


def test_without_the_authority_nothing_is_believed(desk, uv):
    del desk.environment["SSL_CERT_FILE"]
    desk.environment["UV_HTTP_RETRIES"] = "0"
    desk.venv()
    assert "invalid peer certificate" in uv("pip", "install", "alpha", ok=False).stderr
