from pathlib import Path

import pytest
from click.testing import CliRunner

from sekisho.errors import BadInputError
from sekisho.settings import load_settings


@pytest.fixture
def load(tmp_path):
    """Load settings with an environment, and with a TOML file if there is text for one."""

    def load(toml=None, **environment):
        if toml is not None:
            path = tmp_path / "conf.toml"
            path.write_text(toml)
            environment["SEKISHO_CONFIG"] = str(path)
        with CliRunner(env=environment).isolation():
            return load_settings()

    return load


def test_everything_has_a_default(load):
    settings = load()
    assert settings.data == Path("sekisho-data")
    assert (settings.portal, settings.proxy) == ("http://127.0.0.1:8470", "http://127.0.0.1:8471")
    assert settings.workspace == "everyone"
    assert settings.database_url == f"sqlite:///{Path.cwd()}/sekisho-data/sekisho.sqlite"
    assert settings.trust_file == Path("sekisho-data/trust.json")


def test_a_variable_beats_the_file_and_the_file_beats_the_default(load):
    toml = 'portal_port = 1000\nproxy_port = 1001\nworkspace = "team-a"\n'
    settings = load(toml, SEKISHO_PORTAL_PORT="2000")
    assert (settings.portal_port, settings.proxy_port, settings.workspace) == (2000, 1001, "team-a")


def test_an_address_loses_its_trailing_slash(load):
    assert load(SEKISHO_PORTAL_URL="https://portal.invalid/sekisho/").portal == "https://portal.invalid/sekisho"


def test_an_unset_path_follows_the_data_folder(load):
    settings = load(SEKISHO_DATA="/srv/sekisho")
    assert settings.database_url == "sqlite:////srv/sekisho/sekisho.sqlite"
    assert settings.service_token_file == Path("/srv/sekisho/service.token")


def test_a_given_database_is_used_as_it_is(load):
    assert (
        load(SEKISHO_DATABASE="postgresql+psycopg://db.invalid/s").database_url == "postgresql+psycopg://db.invalid/s"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("portal_port", "70000"), ("proxy_port", "http"), ("replica", "perhaps"), ("upstream_timeout", "0")],
)
def test_a_wrong_value_is_named(load, name, value):
    with pytest.raises(BadInputError, match=name) as caught:
        load(**{f"SEKISHO_{name.upper()}": value})
    assert "docs/reference/settings.md" in caught.value.todo


def test_an_unknown_key_of_the_file_is_named(load):
    with pytest.raises(BadInputError, match="portal_prot"):
        load("portal_prot = 1\n")


def test_a_file_that_is_not_toml_is_named(load):
    with pytest.raises(BadInputError) as caught:
        load("portal_port = = 1\n")
    assert caught.value.where.endswith("conf.toml")


def test_a_named_file_that_is_missing_is_not_passed_over(load):
    with pytest.raises(BadInputError, match="no such file") as caught:
        load(SEKISHO_CONFIG="/nowhere/sekisho.toml")
    assert "/nowhere/sekisho.toml" in caught.value.where


def test_variables_of_others_are_no_settings(load):
    assert load(SEKISHO_NETWORK="cut", SEKISHO_SOMETHING_ELSE="x").workspace == "everyone"


def test_settings_are_frozen(load):
    with pytest.raises(ValueError, match="frozen"):
        load().workspace = "team-a"
