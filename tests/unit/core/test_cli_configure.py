import configparser
import json
import tomllib

import pytest

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
