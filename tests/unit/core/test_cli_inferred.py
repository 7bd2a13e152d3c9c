"""A request says by itself whom it is for and on what; each is shown with where it was seen, and can be corrected."""

import json
import platform
import sys

import pytest

from sekisho.cli.clients.door import Place
from sekisho.cli.clients.doors import workspaces
from sekisho.cli.inferred import infer_target
from sekisho.errors import BadInputError
from tests.command_line import run

CLEARED = dict.fromkeys(
    ("PIP_INDEX_URL", "PIP_CONFIG_FILE", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "VIRTUAL_ENV", "CONDA_PREFIX",
     "XDG_CONFIG_HOME", "SEKISHO_WORKSPACE", "SEKISHO_IMAGE", "SEKISHO_CONFIG"),
)  # fmt: skip
HERE = ".".join(map(str, sys.version_info[:3]))
DOOR = "https://packages.invalid:8471/w/{}/pypi/simple/"


@pytest.fixture
def sekisho(portal, portal_url, tmp_path, monkeypatch):
    portal.answers["/api/requests"] = {
        "id": "r1", "seq": 1, "state": "resolving", "link": "x", "request": {"requester": "rita", "requirements": ["six"]},
    }  # fmt: skip
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    project.mkdir()
    monkeypatch.chdir(project)
    known = {
        "SEKISHO_PORTAL_URL": portal_url, "SEKISHO_TOKEN": "secret", "HOME": str(home),
        "XDG_CONFIG_DIRS": str(tmp_path / "xdg"), "SEKISHO_IMAGES": str(tmp_path / "images"), **CLEARED,
    }  # fmt: skip
    return lambda *arguments, **more: run(*arguments, **(known | more))


def _environment(folder, version="3.12.4"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyvenv.cfg").write_text(f"home = /usr/bin\nversion_info = {version}\n")
    return str(folder)


def test_nothing_but_a_name_is_demanded(portal, sekisho):
    done = sekisho("request", "six")
    assert done.status == 0
    (_, _, body) = portal.asked[0]
    assert (body["workspace"], body["requirements"]) == ("everyone", ["six"])
    assert body["target"]["python"] == HERE
    if platform.libc_ver()[0] == "glibc":
        assert body["target"]["glibc"] == ".".join(platform.libc_ver()[1].split(".")[:2])
    assert "target: Python " + HERE in done.err
    assert "another with --python, --glibc, --arch" in done.err
    assert "workspace: everyone (no client here is pointed at a door); another with --workspace" in done.err


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX", None])
def test_the_python_is_that_of_the_environment_which_is_active_or_lies_here(portal, sekisho, tmp_path, variable):
    if variable == "CONDA_PREFIX":
        folder = tmp_path / "conda"
        (folder / "conda-meta").mkdir(parents=True)
        (folder / "conda-meta" / "python-3.12.4-h99a_0_cpython.json").write_text("{}")
    else:
        folder = tmp_path / "project" / ".venv"
        _environment(folder)
    done = sekisho("request", "six", **({variable: str(folder)} if variable else {}))
    assert portal.asked[0][2]["target"]["python"] == "3.12.4"
    assert f"the environment {folder}" in done.err


def test_what_merely_lies_in_a_folder_is_not_run(portal, sekisho, tmp_path):
    bin_ = tmp_path / "project" / ".venv" / "bin"
    bin_.mkdir(parents=True)
    (bin_ / "python").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (bin_ / "python").chmod(0o755)
    sekisho("request", "six")
    assert portal.asked[0][2]["target"]["python"] == HERE
    assert not (tmp_path / "ran").exists()


def test_options_correct_what_was_inferred(portal, sekisho):
    told = ("--python", "3.13.1", "--glibc", "2.31", "--arch", "aarch64", "--workspace", "team-b", "--beside", "torch")
    sekisho("request", "six", *told, SEKISHO_WORKSPACE="team-a", SEKISHO_IMAGE="sklearn")
    body = portal.asked[0][2]
    assert body["target"] == {"python": "3.13.1", "glibc": "2.31", "arch": "aarch64"}
    assert (body["workspace"], body["beside"]) == ("team-b", "torch")


@pytest.mark.parametrize(
    "option", [("--python", "3.11"), ("--python", "2.7.18"), ("--python", "3.11.2", "--glibc", "9")]
)
def test_a_target_that_is_none_is_named_and_nothing_is_asked(portal, sekisho, option):
    done = sekisho("request", "six", *option)
    assert (done.status, portal.asked) == (1, [])
    assert "where: --python, --glibc and --arch" in done.err


def test_an_image_says_itself_what_somebody_works_in(portal, sekisho, tmp_path):
    done = sekisho("request", "six", SEKISHO_IMAGE="sklearn")
    assert portal.asked[0][2]["beside"] == "sklearn"
    assert "beside: image sklearn (SEKISHO_IMAGE, which the image sets)" in done.err
    folder = tmp_path / "images" / "torch"
    folder.mkdir(parents=True)
    target = '{python: 3.10.9, glibc: "2.28"}'
    (folder / "image.yaml").write_text(f"name: torch\nbase: {{debian: x}}\ntarget: {target}\nrequirements: [torch]\n")
    done = sekisho("request", "six", "--beside", "torch")
    assert portal.asked[1][2]["target"] == {"python": "3.10.9", "glibc": "2.28"}
    assert "the definition of image torch" in done.err


def test_the_workspace_is_that_of_the_door_which_pip_or_uv_asks(portal, sekisho, tmp_path):
    uv, pip = tmp_path / "home" / ".config" / "uv", tmp_path / "home" / ".config" / "pip"
    uv.mkdir(parents=True)
    (uv / "uv.toml").write_text(f'[[index]]\nurl = "{DOOR.format("team-uv")}"\ndefault = true\n')
    sekisho("request", "six")
    pip.mkdir(parents=True)
    (pip / "pip.conf").write_text(f"[global]\nindex-url = {DOOR.format('team-pip/@7')}\n")
    done = sekisho("request", "six")
    sekisho("request", "six", PIP_INDEX_URL=DOOR.format("team-var"))
    sekisho("request", "six", SEKISHO_WORKSPACE="team-set")
    assert [row[2]["workspace"] for row in portal.asked] == ["team-uv", "team-pip", "team-var", "team-set"]
    assert f"the door in {pip / 'pip.conf'}; but {uv / 'uv.toml'} says team-uv" in done.err


@pytest.mark.parametrize(
    "url", ["https://index.invalid/simple", "https://h.invalid/w/UP/pypi/simple", "w/a/pypi/simple", ""]
)
def test_another_index_says_nothing_of_a_workspace(tmp_path, url):
    assert list(workspaces(Place({"PIP_INDEX_URL": url, "HOME": str(tmp_path)}, tmp_path))) == []


@pytest.mark.parametrize(
    ("wants", "python"), [("==3.12.*", "3.12.0"), ("==3.9.4", "3.9.4"), (">=3.20,<4", "3.20.0"), (f">={HERE}", HERE)]
)
def test_a_file_for_another_python_has_the_lowest_that_it_is_for(tmp_path, wants, python):
    found = infer_target(None, None, None, wants, Place({"HOME": str(tmp_path)}, tmp_path))
    assert found.value.python == python
    assert (f"the file is for Python {wants}" in found.seen) == (python != HERE)


@pytest.mark.parametrize("wants", ["<3", "==3.9.*,==3.10.*", "soon"])
def test_a_file_for_no_python_at_all_is_refused(tmp_path, wants):
    with pytest.raises(BadInputError) as caught:
        infer_target(None, None, None, wants, Place({"HOME": str(tmp_path)}, tmp_path))
    assert "--python 3.11.2" in caught.value.todo


def test_a_dry_run_shows_what_would_be_asked_and_asks_nothing(portal, sekisho, tmp_path):
    path = tmp_path / "r.txt"
    path.write_text(f"-c pins.txt\nsix==1.17.0 --hash=sha256:{'ab' * 32}\n--pre\n")
    (tmp_path / "pins.txt").write_text("idna<4\n")
    done = sekisho("request", "pytz", "-r", str(path), "--dry-run", "--json")
    body = json.loads(done.out)
    assert body["requirements"] == ["pytz", "six==1.17.0"]
    assert (body["constraints"], body["hashes"]) == (["idna<4"], {"six": ["ab" * 32]})
    assert "requirements: 2, bound by 1 constraints and the hashes of 1 projects" in done.err
    assert f"{path}, line 3: --pre is ignored" in done.err
    assert portal.asked == []


CHANNELS = [
    {"id": "pypi", "kind": "pypi", "url": None},
    {"id": "forge", "kind": "conda", "url": "https://channels.invalid/conda-forge"},
    {"id": "lab", "kind": "conda", "url": "https://lab.invalid/channels/lab"},
]
MIXED = """channels:
  - conda-forge
  - https://lab.invalid/t/secret/channels/lab/noarch
dependencies:
  - python=3.12
  - numpy
  - lab::tool=1.2
  - pip: [six]
"""


def test_an_environment_is_asked_for_with_the_channels_that_it_names(portal, sekisho, tmp_path):
    portal.answers["/api/sources"] = CHANNELS
    path = tmp_path / "environment.yml"
    path.write_text(MIXED)
    done = sekisho("request", "-r", str(path), "--conda", "extra>=2")
    assert done.status == 0, done.err
    body = portal.asked[-1][2]
    assert body["requirements"] == ["six"]
    assert body["conda"] == ["extra>=2", "python=3.12", "numpy", "lab::tool=1.2"]
    assert body["channels"] == ["forge", "lab"]
    assert body["target"]["python"].startswith("3.12.")
    assert "of channels: 4, from forge, then lab" in done.err


def test_a_channel_that_no_source_declares_is_named_with_file_and_line_and_without_its_token(portal, sekisho, tmp_path):
    portal.answers["/api/sources"] = CHANNELS
    path = tmp_path / "environment.yml"
    path.write_text(MIXED.replace("lab.invalid", "elsewhere.invalid"))
    done = sekisho("request", "-r", str(path))
    assert done.status == 1
    assert "no source declares the channel 'https://elsewhere.invalid/t/…/channels/lab/noarch'" in done.err
    assert f"{path}, line 3" in done.err
    assert "secret" not in done.err
    assert [row[1] for row in portal.asked if row[0] == "POST"] == []


def test_where_no_source_is_a_channel_the_target_says_what_python_is(portal, sekisho, tmp_path):
    portal.answers["/api/sources"] = CHANNELS[:1]
    path = tmp_path / "environment.yml"
    path.write_text("dependencies: [python=3.12, pip, {pip: [six]}]\n")
    done = sekisho("request", "-r", str(path))
    body = portal.asked[-1][2]
    assert (body["requirements"], "conda" in body) == (["six"], False)
    assert body["target"]["python"].startswith("3.12.")
    assert "NOT asked for, as no source is a channel: python=3.12, pip; the target says it" in done.err
    path.write_text("dependencies:\n  - python=3.12\n  - numpy\n")
    done = sekisho("request", "-r", str(path))
    assert done.status == 1
    assert "no source is a channel, and 2 packages of channels are asked for" in done.err
    assert f"{path}, line 2" in done.err


def test_specs_are_asked_for_by_name_and_shown_in_a_dry_run(portal, sekisho):
    portal.answers["/api/sources"] = CHANNELS
    done = sekisho("request", "--conda", "numpy=1.26", "--channel", "conda-forge", "six", "--dry-run")
    assert done.out.split() == ["conda:numpy=1.26", "six"]
    done = sekisho("request", "--conda", "numpy[url=x]")
    assert done.status == 1
    assert "names url" in done.err
    done = sekisho("request", "--conda", "numpy", "--channel", "elsewhere")
    assert "no source declares the channel 'elsewhere'" in done.err


@pytest.mark.parametrize("name", ["./x", "x @ https://files.invalid/x.whl", "git+https://code.invalid/x", "x.whl"])
def test_a_name_that_is_an_address_is_refused_before_it_is_asked(portal, sekisho, name):
    done = sekisho("request", name)
    assert (done.status, portal.asked) == (1, [])
    assert "where: the command line" in done.err


def test_an_empty_file_asks_for_nothing(portal, sekisho, tmp_path):
    (tmp_path / "r.txt").write_text("# nothing yet\n")
    done = sekisho("request", "-r", str(tmp_path / "r.txt"))
    assert (done.status, portal.asked) == (1, [])
    assert "nothing is asked for" in done.err
