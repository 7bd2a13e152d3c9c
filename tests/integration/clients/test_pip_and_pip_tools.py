"""pip and pip-tools as they are, by the file that `sekisho configure` wrote, over TLS."""

import re

import pytest

from tests.integration.clients.conftest import sha256s
from tests.integration.clients.desk import asked


@pytest.fixture
def python(desk):
    """An environment with pip, configured."""
    desk.configure("pip")
    desk.venv()
    return desk


def pip(desk, *arguments, ok=True):
    return desk.client("pip", "--python", str(desk.project / ".venv" / "bin" / "python"), *arguments, ok=ok)


def test_install_and_versions(python):
    pip(python, "install", "alpha<2")
    assert python.has("alpha", "beta")
    said = pip(python, "index", "versions", "alpha").stdout
    assert "Available versions: 2.0, 1.2, 1.0" in said
    assert "INSTALLED: 1.2" in said


def test_download_only_what_was_uploaded_in_time(python):
    pip(python, "download", "--dest", "then", "--uploaded-prior-to", "2026-06-01T00:00:00Z", "alpha")
    pip(python, "download", "--dest", "now", "alpha")
    names = {folder: {path.name for path in (python.project / folder).iterdir()} for folder in ("then", "now")}
    assert "alpha-1.2-py3-none-any.whl" in names["then"]
    assert "alpha-2.0-py3-none-any.whl" in names["now"]


def test_hash_checking_mode(python):
    requirements = python.project / "requirements.txt"
    lines = [f"alpha==1.0 --hash=sha256:{sha}" for sha in sha256s("alpha", "1.0")]
    requirements.write_text("\n".join(lines))
    pip(python, "install", "--require-hashes", "-r", "requirements.txt")
    assert python.has("alpha")
    requirements.write_text("alpha==1.2 --hash=sha256:" + "0" * 64 + "\nbeta==1.0 --hash=sha256:" + "0" * 64)
    done = pip(python, "install", "--require-hashes", "-r", "requirements.txt", ok=False)
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr


def test_a_refusal_is_explained(python):
    done = pip(python, "install", "gamma", ok=False)
    assert "refused.by.rule.not.approved" in done.stdout + done.stderr


def test_without_the_authority_nothing_is_believed(desk):
    desk.configure("pip")
    desk.venv()
    path = desk.home / ".config" / "pip" / "pip.conf"
    path.write_text(re.sub(r"(?m)^cert = .*\n", "", path.read_text()))
    done = pip(desk, "install", "--retries", "0", "alpha", ok=False)
    assert "CERTIFICATE_VERIFY_FAILED" in done.stdout + done.stderr


def test_pip_compile_pins_every_approved_file_by_its_hash(desk, caplog):
    desk.configure("pip-tools")
    (desk.project / "requirements.in").write_text("alpha<2\n")
    desk.client("pip-compile", "--quiet", "--generate-hashes", "--cache-dir", str(desk.home / "cache"))
    locked = (desk.project / "requirements.txt").read_text()
    for project, release in (("alpha", "1.2"), ("beta", "2.0")):
        part = re.search(rf"(?ms)^{project}=={release} .*?(?=^[a-z]|\Z)", locked)[0]
        assert set(re.findall(r"sha256:([0-9a-f]{64})", part)) == sha256s(project, release)
    requests = asked(caplog)
    assert {f"GET /w/everyone/pypi/{name}/json" for name in ("alpha", "beta")} <= set(requests)
    assert [line for line in requests if line.endswith(".whl")] == []  # nothing was fetched in order to hash it
    desk.venv()
    pip(desk, "install", "--require-hashes", "-r", "requirements.txt")
    assert desk.has("alpha", "beta")
