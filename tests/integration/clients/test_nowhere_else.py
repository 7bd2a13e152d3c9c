"""No request leaves the house: what was not configured does, which is how the check is known to work."""

import os
from datetime import UTC, datetime

import pytest

from sekisho.settings import Settings
from sekisho.tls import Tls
from sekisho.tls.authority import open_authority, parse_name
from tests.fake_upstream import FakeUpstream, run_asgi
from tests.integration.clients.outside import outside
from tests.wheels import make_wheel

PROJECT = """\
[project]
name = "work"
version = "0"
requires-python = ">=3.11"
dependencies = ["alpha"]

[tool.poetry]
package-mode = false
"""
FIRST = {
    "pip": ("download", "--retries", "0", "alpha"),
    "uv": ("lock",),
    "pdm": ("lock",),
}


@pytest.mark.parametrize("client", FIRST)
def test_a_client_that_is_not_configured_is_seen_outside(desk, client):
    (desk.project / "pyproject.toml").write_text(PROJECT)
    with outside() as beyond:
        desk.environment |= beyond.environment() | {"UV_HTTP_RETRIES": "0"}
        desk.client(client, *FIRST[client], ok=False)
        assert beyond.asked
        assert all(line.startswith("CONNECT ") for line in beyond.asked)


@pytest.mark.parametrize(("client", "says"), [("pip", "permitted subtree"), ("uv", "NameConstraint")])
def test_what_the_authoritys_key_signs_for_another_house_is_refused(desk, tmp_path, client, says):
    """The generated CA vouches for its own names alone, and the clients' TLS libraries hold it to that."""
    now = datetime.now(UTC)
    house = [parse_name("house.example"), parse_name("127.0.0.1")]
    authority = open_authority(tmp_path / "authority.pem", house, now)
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    (tmp_path / "pair.pem").write_bytes(authority.issue([parse_name("localhost"), parse_name("127.0.0.1")], now))
    tls = Tls(Settings(tls="files", tls_certificate=tmp_path / "pair.pem", tls_key=tmp_path / "pair.pem"))
    with run_asgi(FakeUpstream(), tls=tls.context) as url:
        desk.environment |= {"SEKISHO_PROXY_URL": url.replace("127.0.0.1", "localhost"), "UV_HTTP_RETRIES": "0"}
        desk.configure(client, "--ca", str(tmp_path / "ca.pem"))
        (desk.project / "pyproject.toml").write_text(PROJECT)
        done = desk.client(client, *(("download", "--retries=0", "alpha") if client == "pip" else ("lock",)), ok=False)
        assert says in done.stdout + done.stderr


@pytest.fixture
def elsewhere():
    """Another index, which has a newer alpha."""
    upstream = FakeUpstream(wheels=[make_wheel("alpha", "9.0"), make_wheel("evil", "6.6")])
    with run_asgi(upstream) as url:
        yield upstream, f"{url}/simple/"


def test_what_the_machine_says_of_other_indexes_does_not_count_for_pip(desk, elsewhere):
    upstream, url = elsewhere
    folder = desk.home / "xdg" / "pip"
    folder.mkdir(parents=True)
    (folder / "pip.conf").write_text(f"[global]\nextra-index-url = {url}\nfind-links = {url}evil/\n")
    desk.environment["XDG_CONFIG_DIRS"] = str(desk.home / "xdg")
    desk.configure("pip")
    desk.client("pip", "download", "--dest", "got", "alpha")
    assert (desk.project / "got" / "alpha-2.0-py3-none-any.whl").exists()
    assert upstream.requests == []
    (folder / "pip.conf").write_text(f"[download]\nextra-index-url = {url}\n")
    assert f"{folder}/pip.conf, [download]: extra-index-url leads elsewhere" in desk.configure("pip", ok=False)
    desk.client("pip", "download", "--dest", "led", "alpha")
    assert upstream.requests  # so what was said is true


@pytest.mark.parametrize(
    ("client", "variable"), [("pip", "PIP_EXTRA_INDEX_URL"), ("uv", "UV_INDEX"), ("uv", "UV_FIND_LINKS")]
)
def test_variables_that_lead_elsewhere_are_named(desk, elsewhere, client, variable):
    upstream, url = elsewhere
    desk.environment[variable] = url
    said = desk.configure(client, ok=False)
    assert f"{variable}: this variable leads elsewhere; do now: unset {variable}" in said
    assert url not in said
    del desk.environment[variable]
    desk.configure(client)
    desk.configure(client, "--check")
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("client", "lines"),
    [
        ("uv", '[[tool.uv.index]]\nname = "more"\nurl = "{}"\n'),
        ("poetry", '[[tool.poetry.source]]\nname = "more"\nurl = "{}"\npriority = "primary"\n'),
        ("pdm", '[[tool.pdm.source]]\nname = "more"\nurl = "{}"\n'),
    ],
    ids=["uv", "poetry", "pdm"],
)
def test_a_projects_own_index_is_named_and_is_really_asked(desk, elsewhere, client, lines):
    upstream, url = elsewhere
    (desk.project / "pyproject.toml").write_text(PROJECT + lines.format(url))
    said = desk.configure(client, ok=False)
    assert f"{desk.project}/pyproject.toml: there is another index, more; do now: remove it" in said
    desk.venv()
    desk.client(client, "lock", ok=None)
    assert upstream.requests
    (desk.project / "pyproject.toml").write_text(PROJECT)
    desk.configure(client)
    upstream.requests.clear()
    (desk.project / f"{client}.lock").unlink(missing_ok=True)
    desk.client(client, "lock")
    assert upstream.requests == []


def test_lines_for_a_shell_are_enough(desk, elsewhere):
    """`sekisho configure env` configures pip, uv and pdm for a job, without any file of the client's."""
    upstream, url = elsewhere
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "UV_INDEX", "UV_INDEX_URL", "UV_FIND_LINKS"):
        desk.environment[name] = url
    for line in desk.configure("env").splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        desk.environment[name] = value.strip("'")
    assert desk.environment["PIP_CONFIG_FILE"] == os.devnull
    desk.venv()
    desk.client("pip", "--python", str(desk.project / ".venv" / "bin" / "python"), "install", "alpha<2")
    desk.client("uv", "pip", "install", "alpha>=2")
    assert desk.has("alpha", "beta")
    (desk.project / "pyproject.toml").write_text(PROJECT)
    desk.client("pdm", "lock")
    assert upstream.requests == []


@pytest.mark.parametrize("client", ["pip", "uv", "pdm"])
def test_a_file_of_any_name_serves_with_its_variable(desk, client):
    """With ``--to`` nothing in the home is touched; the command says which variable leads to the file."""
    (desk.project / "pyproject.toml").write_text(PROJECT)
    desk.configure(client, "--to", str(desk.project / "conf" / "file"))
    assert not (desk.home / ".config").exists()
    desk.configure(client, "--to", str(desk.project / "conf" / "file"), "--check")
    desk.client(client, *(("download", "alpha") if client == "pip" else ("lock",)))
