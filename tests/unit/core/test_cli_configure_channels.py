"""conda, mamba and pixi are pointed at a door; conda's own code and py-rattler's read what was written."""

import json
import os
import subprocess
import sys
import tomllib

import pytest
import yaml

from tests.command_line import run

TEAM = {"SEKISHO_PROXY_URL": "https://proxy.invalid:8471/", "SEKISHO_WORKSPACE": "team-a"}
BASE = "https://proxy.invalid:8471/w/team-a/conda"
KNOWN = "https://channels.invalid/forge"
_CONDA = """
import json, sys, warnings
warnings.simplefilter("ignore")
from conda_lock._vendor.conda.base.context import context, reset_context
from conda_lock._vendor.conda.models.channel import Channel, all_channel_urls
from conda_lock._vendor.conda.exceptions import OperationNotAllowed
from conda_lock._vendor.conda.core.index import check_allowlist
reset_context((sys.argv[1],))
def refused(url):
    try:
        check_allowlist([url])
    except Exception as error:
        return type(error).__name__
print(json.dumps({
    "urls": list(all_channel_urls(context.channels, subdirs=["noarch"])),
    "forge": Channel("forge").urls(subdirs=["noarch"]),
    "defaults": Channel("defaults").urls(subdirs=["noarch"]),
    "anything": Channel("somebody/label/x").urls(subdirs=["noarch"]),
    "ours": refused(Channel("forge").base_url),
    "theirs": refused("https://elsewhere.invalid/forge"),
    "verify": context.ssl_verify, "report": context.report_errors, "update": context.auto_update_conda,
}))
"""


def conda_reads(path):
    bare = {key: value for key, value in os.environ.items() if not key.startswith(("CONDA", "MAMBA"))}
    done = subprocess.run([sys.executable, "-c", _CONDA, path], capture_output=True, text=True, env=bare, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_conda_itself_asks_the_door_whatever_name_it_is_given(tmp_path):
    path = tmp_path / ".condarc"
    assert run("configure", "conda", "--channel", "forge", "--channel", "lab", "--to", str(path), **TEAM).status == 0
    read = conda_reads(path)
    assert read["urls"] == [f"{BASE}/forge/noarch", f"{BASE}/lab/noarch"]
    assert read["forge"] == [f"{BASE}/forge/noarch"]
    assert read["defaults"] == [f"{BASE}/forge/noarch", f"{BASE}/lab/noarch"]
    assert read["anything"] == [f"{BASE}/somebody/label/x/noarch"]
    assert (read["ours"], bool(read["theirs"])) == (None, True)
    assert (read["report"], read["update"]) == (False, False)


def test_a_frozen_door_is_a_channel_like_any_other_to_conda(tmp_path):
    path = tmp_path / ".condarc"
    done = run("configure", "conda", "--channel", "forge", "--at", "2026-11-24", "--to", str(path), **TEAM)
    assert done.status == 0
    assert conda_reads(path)["urls"] == ["https://proxy.invalid:8471/w/team-a/@2026-11-24/conda/forge/noarch"]


@pytest.mark.parametrize("client", ["conda", "mamba"])
def test_a_name_is_found_by_both_ways_of_looking_it_up(tmp_path, client):
    path = tmp_path / ".condarc"
    assert run("configure", client, "--channel", "forge", "--to", str(path), **TEAM).status == 0
    said = yaml.safe_load(path.read_text())
    assert said["channel_alias"] == BASE
    assert said["mirrored_channels"] == {"forge": [f"{BASE}/forge"]}


def test_pixi_is_mirrored_and_its_pypi_part_too(tmp_path):
    path = tmp_path / "config.toml"
    done = run("configure", "pixi", "--channel", f"forge={KNOWN}/", "--to", str(path), **TEAM, HOME=str(tmp_path))
    assert done.status == 0, done.err
    said = tomllib.loads(path.read_text())
    assert said["mirrors"] == {KNOWN: [f"{BASE}/forge"]}
    assert said["default-channels"] == [f"{BASE}/forge"]
    assert said["pypi-config"] == {
        "index-url": "https://proxy.invalid:8471/w/team-a/pypi/simple/",
        "extra-index-urls": [],
    }
    import rattler

    config, unused = rattler.Config.from_toml_with_unused_keys(path.read_text())
    assert config.mirrors == said["mirrors"]
    assert unused == ["pypi-config"]  # which is pixi's own


def test_no_written_file_names_a_host_but_the_proxys_and_the_one_that_is_mirrored(tmp_path):
    for client in ("conda", "mamba", "pixi"):
        path = tmp_path / client / "config.toml"
        run("configure", client, "--channel", f"forge={KNOWN}", "--to", str(path), **TEAM, HOME=str(tmp_path))
        hosts = {text.split("/")[2] for text in path.read_text().split('"') if "://" in text}
        assert hosts == ({"proxy.invalid:8471", "channels.invalid"} if client == "pixi" else {"proxy.invalid:8471"})


@pytest.mark.parametrize(
    ("client", "options", "said"),
    [
        ("conda", [], "nothing says which channels to ask"),
        ("pixi", ["--channel", "forge"], "pixi has to be told which address forge stands for"),
        ("conda", ["--channel", "Forge!"], "is no name of a channel"),
        ("pixi", ["--channel", "forge=https://me:secret@channels.invalid/x"], "holds a name or a password"),
        ("pixi", ["--channel", 'forge=https://x.invalid/"'], "is not an address"),
    ],
)
def test_what_cannot_be_written_is_said(tmp_path, client, options, said):
    path = tmp_path / "config.toml"
    done = run("configure", client, *options, "--to", str(path), **TEAM, HOME=str(tmp_path))
    assert done.status == 1
    assert said in done.err
    assert "secret" not in done.err
    assert not path.exists()


@pytest.mark.parametrize(
    ("client", "where", "text", "said"),
    [
        ("conda", ".conda/.condarc", "channels: [elsewhere]\n", "channels leads elsewhere"),
        (
            "conda",
            ".config/conda/condarc.d/x.yaml",
            "channel_alias: https://x.invalid\n",
            "channel_alias leads elsewhere",
        ),
        (
            "mamba",
            ".mambarc",
            "mirrored_channels: {forge: ['https://x.invalid']}\n",
            "mirrored_channels leads elsewhere",
        ),
        ("conda", ".conda/condarc", "ssl_verify: false\n", "ssl_verify trusts somebody else"),
        (
            "pixi",
            ".pixi/config.toml",
            '[mirrors]\n"https://a.invalid" = ["https://b.invalid"]\n',
            "mirrors lead elsewhere",
        ),
        (
            "pixi",
            ".pixi/config.toml",
            '[pypi-config]\nindex-url = "https://b.invalid"\n',
            "pypi-config leads elsewhere",
        ),
        ("pixi", ".pixi/config.toml", "tls-no-verify = true\n", "trusts anybody"),
    ],
)
def test_files_that_lead_elsewhere_are_named(tmp_path, client, where, text, said):
    other = tmp_path / where
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_text(text)
    done = run("configure", client, "--channel", f"forge={KNOWN}", **TEAM, HOME=str(tmp_path))
    assert done.status == 1
    assert said in done.out
    assert str(other) in done.out


def test_variables_that_lead_elsewhere_are_named(tmp_path):
    more = {"CONDA_CHANNELS": "elsewhere", "MAMBA_CHANNEL_ALIAS": "https://x.invalid", "HOME": str(tmp_path)}
    done = run("configure", "conda", "--channel", "forge", **TEAM, **more)
    assert done.status == 1
    assert "CONDA_CHANNELS" in done.out
    assert "MAMBA_CHANNEL_ALIAS" in done.out
    assert "x.invalid" not in done.out


def test_a_check_fails_until_it_is_written(tmp_path):
    options = ["--channel", "forge", "--check"]
    assert run("configure", "conda", *options, **TEAM, HOME=str(tmp_path)).status == 1
    assert run("configure", "conda", *options[:2], **TEAM, HOME=str(tmp_path)).status == 0
    assert run("configure", "conda", *options, **TEAM, HOME=str(tmp_path)).status == 0


def test_a_shell_and_an_image_get_condas_variables_where_channels_are_named(tmp_path):
    plain = json.loads(run("configure", "env", "--json", **TEAM, HOME=str(tmp_path)).out)["variables"]
    assert not [name for name in plain if name.startswith("CONDA")]
    done = run("configure", "env", "--channel", "forge", "--json", **TEAM, HOME=str(tmp_path))
    found = json.loads(done.out)["variables"]
    assert found["CONDA_CHANNEL_ALIAS"] == BASE
    assert found["CONDA_DEFAULT_CHANNELS"] == f"{BASE}/forge"
    assert found["CONDARC"] == os.devnull
