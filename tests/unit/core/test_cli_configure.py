import configparser
import json
import os
import stat
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sekisho.tls import fingerprint
from sekisho.tls.authority import open_authority, parse_name
from tests.command_line import run

TEAM = {"SEKISHO_PROXY_URL": "http://proxy.invalid:8471/", "SEKISHO_WORKSPACE": "team-a"}
INDEX = "http://proxy.invalid:8471/w/team-a/pypi/simple/"


def test_pip_is_pointed_at_one_index_and_no_other(tmp_path):
    path = tmp_path / "deep" / "pip.conf"
    assert run("configure", "pip", "--to", str(path), **TEAM).status == 0
    parser = configparser.ConfigParser()
    parser.read(path)
    assert dict(parser["global"]) == {
        "index-url": INDEX,
        "extra-index-url": "",
        "find-links": "",
        "trusted-host": "proxy.invalid",
        "disable-pip-version-check": "true",
    }


@pytest.mark.parametrize(
    ("client", "line"),
    [
        ("pip", 'proxy_url = "http://evil.invalid"'),
        ("uv", 'proxy_host = "evil.invalid"'),
        ("env", 'tls_ca = "ca.pem"'),
        ("twine", 'upload_url = "http://evil.invalid/"'),
    ],
)
def test_a_folder_does_not_decide_what_clients_ask(tmp_path, monkeypatch, client, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sekisho.toml").write_text(f"{line}\n")
    done = run("configure", client, HOME=str(tmp_path))
    assert done.status == 1
    assert "the sekisho.toml of this folder would decide what clients ask and trust" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["sekisho.toml"]


def test_a_file_of_settings_that_is_named_decides_what_clients_ask(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sekisho.toml").write_text('proxy_url = "http://proxy.invalid:8471/"\nworkspace = "team-a"\n')
    path = tmp_path / "pip.conf"
    assert run("configure", "pip", "--to", str(path), SEKISHO_CONFIG="sekisho.toml").status == 0
    assert INDEX in path.read_text()


def test_uv_is_pointed_at_one_index_and_no_other(tmp_path):
    path = tmp_path / "uv.toml"
    assert run("configure", "uv", "--to", str(path), **TEAM).status == 0
    assert tomllib.loads(path.read_text()) == {
        "python-downloads": "never",
        "index": [{"name": "sekisho", "url": INDEX, "default": True}],
    }


def test_a_host_is_not_trusted_blindly_over_https(tmp_path):
    path = tmp_path / "pip.conf"
    run("configure", "pip", "--to", str(path), SEKISHO_PROXY_URL="https://proxy.invalid")
    assert "trusted-host" not in path.read_text()


@pytest.mark.parametrize("client", ["pip", "uv"])
def test_a_file_that_somebody_else_wrote_is_not_overwritten(tmp_path, client):
    path = tmp_path / "conf"
    path.write_text("mine\n")
    done = run("configure", client, "--to", str(path))
    assert done.status == 1
    assert "--force" in done.err
    assert path.read_text() == "mine\n"


def test_force_overwrites(tmp_path):
    path = tmp_path / "conf"
    path.write_text("mine\n")
    assert run("configure", "pip", "--to", str(path), "--force").status == 0
    assert "mine" not in path.read_text()


def test_its_own_file_is_written_again(tmp_path):
    path = tmp_path / "conf"
    run("configure", "pip", "--to", str(path))
    assert run("configure", "pip", "--to", str(path), **TEAM).status == 0
    assert INDEX in path.read_text()


def test_without_a_path_it_is_the_clients_own_file(tmp_path):
    done = run("configure", "pip", "--json", HOME=str(tmp_path))
    assert json.loads(done.out)["path"] == str(tmp_path / ".config" / "pip" / "pip.conf")
    assert (tmp_path / ".config" / "pip" / "pip.conf").is_file()


@pytest.mark.parametrize("at", ["2026-11-24", "2026-11-24T12:00:00Z", "0123abc"])
@pytest.mark.parametrize("client", ["pip", "uv"])
def test_a_client_can_be_pointed_at_a_frozen_door(tmp_path, client, at):
    path = tmp_path / "conf"
    assert run("configure", client, "--to", str(path), "--at", at, **TEAM).status == 0
    assert f"http://proxy.invalid:8471/w/team-a/@{at}/pypi/simple/" in path.read_text()
    assert INDEX not in path.read_text()


@pytest.mark.parametrize("at", ["", "yesterday", "../x", "2026-11-31"])
def test_an_address_that_is_none_writes_nothing(tmp_path, at):
    path = tmp_path / "conf"
    done = run("configure", "pip", "--to", str(path), "--at", at)
    assert done.status == 1
    assert "neither a revision nor a date" in done.err
    assert not path.exists()


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A home and a project folder; XDG folders of the machine are empty, and this test's own authority is there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "work"\nversion = "0"\n')
    ca = open_authority(tmp_path / "authority.pem", [parse_name("proxy.invalid")], datetime.now(UTC))
    (tmp_path / "given.pem").write_bytes(ca.pem)
    return {
        "HOME": str(tmp_path / "home"),
        "XDG_CONFIG_DIRS": str(tmp_path / "xdg"),
        "XDG_CONFIG_HOME": None,
        "VIRTUAL_ENV": None,
        "CONDA_PREFIX": None,
        "SEKISHO_PROXY_URL": "https://proxy.invalid",
        "SEKISHO_WORKSPACE": "team-a",
        "SEKISHO_TLS_CA": str(tmp_path / "given.pem"),
        "SEKISHO_UPLOAD_URL": "https://inhouse.invalid/root/dev/",
    }


OVER_TLS = "https://proxy.invalid/w/team-a/pypi/simple/"
FILES = {
    "pip": ".config/pip/pip.conf",
    "pip-tools": ".config/pip/pip.conf",
    "uv": ".config/uv/uv.toml",
    "poetry": ".config/pypoetry/config.toml",
    "pdm": ".config/pdm/config.toml",
    "twine": ".pypirc",
}


@pytest.mark.parametrize("client", FILES)
def test_each_client_gets_its_own_file_and_its_copy_of_the_authority(tmp_path, desk, client):
    done = run("configure", client, "--json", **desk)
    said = json.loads(done.out)
    assert (done.status, said["elsewhere"]) == (0, [])
    assert str(tmp_path / "home" / FILES[client]) in said["files"]
    copy = Path(said["ca"])
    assert copy.parent == tmp_path / "home" / ".config" / "sekisho"
    assert copy.read_bytes() == (tmp_path / "given.pem").read_bytes()
    assert said["fingerprint"] == fingerprint(copy.read_bytes())
    texts = [Path(path).read_text() for path in said["files"]]
    assert any(str(copy) in text for text in texts) or said["variables"] == {"SSL_CERT_FILE": str(copy)}
    assert any((OVER_TLS if client != "twine" else desk["SEKISHO_UPLOAD_URL"]) in text for text in texts)
    again = run("configure", client, "--json", **desk)
    assert (again.status, [Path(path).read_text() for path in said["files"]]) == (0, texts)
    assert run("configure", client, "--check", **desk, **said["variables"]).status == 0


@pytest.mark.parametrize("client", FILES)
def test_check_writes_nothing_and_names_what_is_missing(tmp_path, desk, client):
    done = run("configure", client, "--check", **desk)
    assert done.status == 1
    assert str(tmp_path / "home" / FILES[client]) in done.out
    assert f"run `sekisho configure {client}`" in done.out
    assert not (tmp_path / "home").exists()


def test_poetry_gets_a_part_of_the_projects_file_and_the_rest_stays(tmp_path, desk):
    path = tmp_path / "pyproject.toml"
    before = path.read_text()
    run("configure", "poetry", **desk)
    path.write_text(path.read_text() + "\n[tool.other]\nx = 1\n")
    run("configure", "poetry", **desk | {"SEKISHO_WORKSPACE": "team-b"})
    text = path.read_text()
    assert text.startswith(before)
    found = tomllib.loads(text)["tool"]
    assert found["other"] == {"x": 1}
    [source] = found["poetry"]["source"]
    assert source == {"name": "sekisho", "url": OVER_TLS.replace("team-a", "team-b"), "priority": "primary"}


def test_a_part_that_does_not_fit_is_not_written(tmp_path, desk):
    path = tmp_path / "pyproject.toml"
    path.write_text('[tool.poetry]\nsource = [{name = "x", url = "https://x.invalid/"}]\n')
    before = path.read_text()
    done = run("configure", "poetry", **desk)
    assert done.status == 1
    assert "do not fit" in done.err
    assert path.read_text() == before
    assert not (tmp_path / "home").exists()


def test_a_part_whose_end_was_lost_is_not_guessed(tmp_path, desk):
    path = tmp_path / "pyproject.toml"
    run("configure", "poetry", **desk)
    path.write_text(path.read_text().replace("# end: ", "# "))
    done = run("configure", "poetry", **desk)
    assert (done.status, "the last line of our part is missing" in done.err) == (1, True)


def test_twine_without_a_place_to_upload_to_says_so(desk):
    done = run("configure", "twine", **desk | {"SEKISHO_UPLOAD_URL": None})
    assert done.status == 1
    assert "SEKISHO_UPLOAD_URL" in done.err


def test_twine_means_the_house_when_it_is_told_nothing_and_its_file_is_private(tmp_path, desk):
    done = run("configure", "twine", **desk)
    path = tmp_path / "home" / ".pypirc"
    assert done.out.startswith(f"{path}: twine uploads to {desk['SEKISHO_UPLOAD_URL']} and nowhere else\n")
    assert json.loads(run("configure", "twine", "--json", **desk).out)["index"] == desk["SEKISHO_UPLOAD_URL"]
    parser = configparser.ConfigParser()
    parser.read(path)
    assert parser["pypi"]["repository"] == parser["sekisho"]["repository"] == desk["SEKISHO_UPLOAD_URL"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://ann:secret@proxy.invalid", "a name or a password"),
        ("https://0.0.0.0:8471", "nobody can ask"),
        ("https://[::]:8471", "nobody can ask"),
        ("ftp://proxy.invalid", "is not an address"),
        ("https://proxy.invalid/\nextra-index-url = https://x.invalid", "is not an address"),
        ('https://proxy.invalid/"x', "is not an address"),
        ("https://proxy.invalid/\x1b[2J", "is not an address"),
        ("https://proxy.invalid/\u202e", "is not an address"),
        ("https://proxy.invalid/#", "is not an address"),
        ("https://proxy.invalid?x=", "is not an address"),
        ("https://[::1", "is not an address"),
        ("https://proxy.invalid:99999", "is not an address"),
    ],
)
def test_an_address_that_no_file_should_hold_is_refused(tmp_path, desk, url, says):
    done = run("configure", "pip", **desk | {"SEKISHO_PROXY_URL": url})
    assert (done.status, says in done.err) == (1, True)
    assert "SEKISHO_PROXY_URL" in done.err
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("workspace", ["a/../../x", "a?x=", "a#", "a\nb", "Team A", ""])
def test_a_workspace_that_is_none_is_refused(tmp_path, desk, workspace):
    done = run("configure", "pip", **desk | {"SEKISHO_WORKSPACE": workspace})
    assert (done.status, "workspace" in done.err) == (1, True)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("client", FILES)
def test_no_path_begins_another_line_of_a_file(tmp_path, desk, client):
    folder = tmp_path / "x\n[install]\nextra-index-url = http:"
    folder.mkdir()
    done = run("configure", client, "--to", str(folder / "conf"), **desk | {"XDG_CONFIG_HOME": str(folder)})
    if done.status == 0:
        assert client == "uv"  # whose file names no other
        assert "install" not in (folder / "conf").read_text()
    else:
        assert "cannot be written into a configuration file" in done.err
        assert not (folder / "conf").exists()


def test_a_file_of_somebody_else_keeps_its_mode_and_its_odd_bytes(tmp_path, desk):
    project = tmp_path / "pyproject.toml"
    project.write_bytes(b'[project]\nname = "work" # caf\xe9\n')
    project.chmod(0o600)
    assert run("configure", "poetry", **desk).status == 0
    assert stat.S_IMODE(project.stat().st_mode) == 0o600
    assert project.read_bytes().startswith(b'[project]\nname = "work" # caf\xe9\n')


def test_an_authority_that_cannot_be_read_stops_it(tmp_path, desk):
    done = run("configure", "pip", "--ca", str(tmp_path / "none.pem"), **desk)
    assert (done.status, "no such file of authorities" in done.err) == (1, True)
    done = run("configure", "pip", "--ca", str(tmp_path / "authority.pem"), **desk)
    assert (done.status, "private key" in done.err) == (1, True)
    assert not (tmp_path / "home").exists()


def test_the_authority_of_the_data_folder_is_found_where_it_is_needed(tmp_path, desk):
    folder = tmp_path / "data" / "tls"
    folder.mkdir(parents=True)
    (folder / "ca.pem").write_bytes((tmp_path / "given.pem").read_bytes())
    here = desk | {"SEKISHO_TLS_CA": None, "SEKISHO_DATA": str(tmp_path / "data")}
    assert json.loads(run("configure", "pip", "--json", **here).out)["ca"]
    assert json.loads(run("configure", "twine", "--json", **here).out)["ca"] is None
    plain = here | {"SEKISHO_PROXY_URL": "http://proxy.invalid"}
    assert json.loads(run("configure", "pip", "--json", **plain).out)["ca"] is None


@pytest.mark.parametrize(
    ("client", "variable", "value"),
    [
        ("pip", "PIP_INDEX_URL", "https://x.invalid/simple"),
        ("pip", "PIP_EXTRA_INDEX_URL", "https://x.invalid/simple"),
        ("pip", "PIP_FIND_LINKS", "/wheels"),
        ("pip", "PIP_CERT", "/other.pem"),
        ("pip", "PIP_CONFIG_FILE", os.devnull),
        ("uv", "UV_DEFAULT_INDEX", "https://x.invalid/simple"),
        ("uv", "UV_INDEX_URL", "https://x.invalid/simple"),
        ("uv", "UV_INDEX", "https://x.invalid/simple"),
        ("uv", "UV_EXTRA_INDEX_URL", "https://x.invalid/simple"),
        ("uv", "UV_FIND_LINKS", "/wheels"),
        ("uv", "UV_TORCH_BACKEND", "auto"),
        ("uv", "UV_NO_CONFIG", "1"),
        ("pdm", "PDM_PYPI_URL", "https://x.invalid/simple"),
        ("pdm", "PDM_IGNORE_STORED_INDEX", "1"),
        ("pdm", "PDM_CHECK_UPDATE", "true"),
        ("twine", "TWINE_REPOSITORY_URL", "https://x.invalid/"),
        ("twine", "TWINE_REPOSITORY", "testpypi"),
        ("twine", "TWINE_CERT", "/other.pem"),
    ],
)
def test_variables_that_lead_elsewhere_are_named(desk, client, variable, value):
    done = run("configure", client, "--json", **desk, **{variable: value})
    assert done.status == 1
    assert [(row["where"], row["todo"]) for row in json.loads(done.out)["elsewhere"]] == [
        (variable, f"unset {variable}")
    ]


@pytest.mark.parametrize(
    ("client", "path", "text", "where"),
    [
        ("pip", "xdg/pip/pip.conf", "[install]\nindex-url = https://x.invalid/\n", "[install]"),
        ("pip", "home/.pip/pip.conf", "[download]\nextra_index_url = https://x.invalid/\n", "[download]"),
        ("pip", "venv/pip.conf", "[global]\nfind-links = /wheels\n", "[global]"),
        ("pip", "named.conf", "[global]\nindex-url = https://x.invalid/\n", "[global]"),
        ("uv", "xdg/uv/uv.toml", 'find-links = ["/wheels"]\n', "uv.toml"),
        ("uv", "uv.toml", '[[index]]\nurl = "https://x.invalid/"\n', "uv.toml"),
        ("uv", "pyproject.toml", '[tool.uv.pip]\nextra-index-url = ["https://x.invalid/"]\n', "pip"),
        ("poetry", "pyproject.toml", '[[tool.poetry.source]]\nname = "pypi"\n', "pyproject.toml"),
        ("pdm", "pyproject.toml", '[[tool.pdm.source]]\nname = "pypi"\nurl = "https://x.invalid/"\n', "pyproject.toml"),
        ("pdm", "pdm.toml", '[pypi]\nurl = "https://x.invalid/"\n', "pdm.toml"),
        ("pdm", "xdg/pdm/config.toml", '[pypi.more]\nurl = "https://x.invalid/"\n', "config.toml"),
    ],
)
def test_files_that_lead_elsewhere_are_named(tmp_path, desk, client, path, text, where):
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(text)
    around = desk | {"VIRTUAL_ENV": str(tmp_path / "venv")}
    if path == "named.conf":
        around["PIP_CONFIG_FILE"] = str(tmp_path / path)
    done = run("configure", client, "--json", **around)
    [row] = json.loads(done.out)["elsewhere"]
    assert done.status == 1
    assert row["where"].startswith(str(tmp_path / path))
    assert where in row["where"]


@pytest.mark.parametrize(
    ("client", "path", "text"),
    [
        ("pip", "xdg/pip/pip.conf", "[global]\nindex-url = https://x.invalid/\nextra-index-url = https://x.invalid/\n"),
        ("pip", "venv/pip.conf", f"[global]\nindex-url = {OVER_TLS}\ntimeout = 3\n"),
        ("uv", "pyproject.toml", f'[[tool.uv.index]]\nname = "same"\nurl = "{OVER_TLS}"\n'),
        ("pdm", "xdg/pdm/config.toml", '[pypi]\nurl = "https://x.invalid/"\n'),
        ("pip", "venv/pip.conf", "not a configuration"),
        ("uv", "uv.toml", "not = [a configuration"),
    ],
)
def test_what_leads_nowhere_else_is_left_alone(tmp_path, desk, client, path, text):
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(text)
    done = run("configure", client, "--json", **desk | {"VIRTUAL_ENV": str(tmp_path / "venv")})
    assert (done.status, json.loads(done.out)["elsewhere"]) == (0, [])


def test_lines_for_an_image(tmp_path, desk):
    done = run("configure", "dockerfile", **desk)
    assert done.status == 0
    assert f'ENV PIP_INDEX_URL="{OVER_TLS}"' in done.out
    assert 'ENV PIP_EXTRA_INDEX_URL=""\n' in done.out  # else the base image's own would count
    assert "COPY sekisho-ca.pem /etc/ssl/sekisho-ca.pem" in done.out
    assert fingerprint((tmp_path / "given.pem").read_bytes()) in done.out
    assert not (tmp_path / "home").exists()


def test_lines_are_printed_and_not_written(desk):
    for more in (["--to", "x"], ["--check"]):
        assert run("configure", "env", *more, **desk).status == 2
