"""sekisho-conda: its arguments, virtual packages, specs and explicit files, and its answers as a process."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sekisho.errors import BadInputError
from sekisho_builder.conda_command.arguments import read_arguments
from sekisho_builder.conda_command.solving import read_spec
from sekisho_builder.conda_command.virtual import Virtual, split_channels
from tests.channels import Channel, make_package

BIN = Path(sys.executable).parent
DOOR = "http://127.0.0.1:9/w/everyone/conda/forge"
DATA = make_package("tinydata", "1.1")
TOOL = make_package("tinytool", "0.3", subdir="linux-64", build="h1_0", depends=("tinydata >=1", "__glibc >=2.30"))


def call(*words, folder, status=0, **environment):
    own = {"HOME": str(folder), "CONDA_PKGS_DIRS": str(folder / "pkgs"), **environment}
    done = subprocess.run(
        [BIN / "sekisho-conda", *map(str, words)],
        env={"PATH": os.environ["PATH"], **own},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def channel_of(folder, *packages):
    """Write a channel as files and return its address."""
    for path, data in Channel(packages).files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder.as_uri()


def virtual_of(folder, **versions):
    rows = {
        f"__{name}-{version}-0.tar.bz2": {"name": f"__{name}", "version": version} for name, version in versions.items()
    }
    (folder / "linux-64").mkdir(parents=True)
    (folder / "linux-64" / "repodata.json").write_text(json.dumps({"packages": rows}))
    return folder.as_uri()


def test_what_conda_lock_gives_is_read():
    words = ["create", "--prefix", "x/prefix", "--dry-run", "--json", "--override-channels", "--channel", DOOR]
    asked = read_arguments(
        [*words, "--channel", "file:///tmp/x", "python 3.11.*", "pip *"], {"CONDA_SUBDIR": "linux-aarch64"}
    )
    assert (asked.command, asked.subdir, asked.dry_run) == ("create", "linux-aarch64", True)
    assert asked.channels == (DOOR, "file:///tmp/x")
    assert asked.rest == ("python 3.11.*", "pip *")
    assert asked.prefix_or_raise().is_absolute()
    run = read_arguments(["run", "--prefix", "x", "pip", "install", "--no-deps", "-r", "f"], {})
    assert run.rest == ("pip", "install", "--no-deps", "-r", "f")


@pytest.mark.parametrize(
    "words",
    [
        ["create", "--channel", "conda-forge", "x"],
        ["create", "-c", "defaults", "x"],
        ["create", "--solver", "libmamba"],
        ["create", "--channel"],
    ],
)
def test_a_bare_channel_and_what_is_not_known_is_refused(words):
    with pytest.raises(BadInputError):
        read_arguments(words, {})


def test_virtual_packages_come_out_of_the_channel_that_states_them(tmp_path):
    virtual, real = virtual_of(tmp_path / "virtual", glibc="2.36", unix="0"), channel_of(tmp_path / "real", DATA)
    channels, found = split_channels([DOOR, virtual, real], "linux-64")
    assert channels == (DOOR, real)
    assert found == (Virtual("__glibc", "2.36", "0"), Virtual("__unix", "0", "0"))
    (tmp_path / "virtual" / "linux-64" / "repodata.json").write_text("{")
    with pytest.raises(BadInputError, match=r"no repodata\.json"):
        split_channels([virtual], "linux-64")


def test_a_specs_channel_becomes_its_address():
    assert f'channel="{DOOR}/"' in str(read_spec("forge::python==3.11.7=0_cpython", [DOOR]))
    assert str(read_spec("python 3.11.7 0_cpython", [DOOR])) == "python ==3.11.7 0_cpython"
    with pytest.raises(BadInputError, match="no match spec"):
        read_spec("python >=", [DOOR])


@pytest.mark.parametrize(
    "spec",
    [
        "https://elsewhere.invalid/t/secret/linux-64/x-1-0.conda",
        "https://elsewhere.invalid/a::b/x-1-0.conda",
        "x[url='https://elsewhere.invalid/linux-64/x-1-0.conda']",
        "/etc/x-1-0.tar.bz2",
        "file:///etc/x-1-0.conda",
    ],
)
def test_the_address_of_a_package_is_no_spec(spec):
    with pytest.raises(BadInputError) as refused:
        read_spec(spec, [DOOR])
    assert "secret" not in str(refused.value)


def test_it_solves_lists_and_updates_as_conda_lock_asks(tmp_path):
    forge = channel_of(tmp_path / "forge", DATA, TOOL)
    virtual = virtual_of(tmp_path / "virtual", glibc="2.36")
    asked = ("create", "--prefix", tmp_path / "p", "--dry-run", "--json", "--channel", forge, "--channel", virtual)
    told = json.loads(call(*asked, "tinytool", folder=tmp_path))
    rows = {row["name"]: row for row in told["actions"]["FETCH"]}
    assert {name: (row["sha256"], row["md5"]) for name, row in rows.items()} == {
        one.name: (one.sha256, one.md5) for one in (DATA, TOOL)
    }
    assert rows["tinytool"]["url"] == f"{forge}/{TOOL.path}"
    assert not (tmp_path / "p").exists()

    meta = tmp_path / "p" / "conda-meta"
    meta.mkdir(parents=True)
    for row in rows.values():
        (meta / f"{row['name']}.json").write_text(json.dumps(row))
    assert {
        row["name"] for row in json.loads(call("list", "--no-pip", "-p", tmp_path / "p", "--json", folder=tmp_path))
    } == {
        "tinydata",
        "tinytool",
    }
    newer = channel_of(tmp_path / "forge", DATA, TOOL, make_package("tinydata", "1.2"))
    more = ("--channel", newer, "--channel", virtual, "-p", tmp_path / "p", "--json", "--dry-run")
    told = json.loads(call("install", *more, "tinydata", folder=tmp_path))
    assert [(row["name"], row["version"]) for row in told["actions"]["LINK"]] == [("tinydata", "1.2")]
    assert json.loads(call("info", "--json", folder=tmp_path))["pkgs_dirs"] == [str(tmp_path / "pkgs")]


def test_the_solvers_reason_is_in_its_answer(tmp_path):
    forge = channel_of(tmp_path / "forge", DATA, TOOL)
    old = virtual_of(tmp_path / "virtual", glibc="2.17")
    asked = ("create", "--prefix", "p", "--dry-run", "--json", "--channel", forge, "--channel", old, "tinytool")
    told = json.loads(call(*asked, folder=tmp_path, status=1))
    assert (told["success"], told["error"]) == (False, "unresolvable")
    assert "__glibc" in told["message"]


def test_it_installs_an_explicit_file_and_holds_it_to_its_hashes(tmp_path):
    forge = channel_of(tmp_path / "forge", DATA)
    file = tmp_path / "explicit.txt"
    file.write_text(f"# platform: linux-64\n@EXPLICIT\n{forge}/{DATA.path}#sha256:{DATA.sha256}\n")
    call("create", "--file", file, "--prefix", tmp_path / "env", "--yes", folder=tmp_path)
    assert (tmp_path / "env" / "share" / "tinydata" / "version.txt").read_text() == "tinydata 1.1\n"
    file.write_text(f"@EXPLICIT\n{forge}/{DATA.path}#sha256:{'0' * 64}\n")
    told = json.loads(
        call(
            "create", "--file", file, "--prefix", tmp_path / "other", folder=tmp_path, status=1,
            CONDA_PKGS_DIRS=str(tmp_path / "fresh"),
        )
    )  # fmt: skip
    assert told["error"] == "corrupt"
    assert not (tmp_path / "other" / "share").exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("http://127.0.0.1:9/c/noarch/a-1-0.conda#" + "0" * 32, "no line @EXPLICIT"),
        ("@EXPLICIT\nhttp://127.0.0.1:9/c/noarch/a-1-0.conda", "no hash behind the address"),
        ("@EXPLICIT\n../noarch/a-1-0.conda#" + "0" * 32, "no address of a package"),
        ("@EXPLICIT\nhttp://127.0.0.1:9/c/noarch/evil#" + "0" * 32, "no name of a conda package"),
    ],
)
def test_an_explicit_file_that_is_none_is_refused(tmp_path, text, why):
    file = tmp_path / "explicit.txt"
    file.write_text(text)
    assert why in call("create", "--file", file, "--prefix", tmp_path / "env", folder=tmp_path, status=1)


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_another_package_of_the_same_name_is_not_taken_from_before(tmp_path, algorithm):
    other = make_package("tinydata", "1.1", files={"share/tinydata/version.txt": b"other\n"})
    for turn, package in enumerate((other, DATA)):
        channel = channel_of(tmp_path / f"channel{turn}", package)
        digest = hashlib.new(algorithm, package.data).hexdigest()
        file = tmp_path / "explicit.txt"
        file.write_text(f"@EXPLICIT\n{channel}/{package.path}#{'sha256:' if algorithm == 'sha256' else ''}{digest}\n")
        call("create", "--file", file, "--prefix", tmp_path / f"env{turn}", "--yes", folder=tmp_path)
    assert (tmp_path / "env1" / "share" / "tinydata" / "version.txt").read_text() == "tinydata 1.1\n"
    assert not list((tmp_path / "pkgs").glob("by-md5-*"))


@pytest.mark.parametrize("scheme", ["http", "ftp"])
def test_no_token_and_no_login_is_in_an_error(tmp_path, scheme):
    file = tmp_path / "explicit.txt"
    address = f"{scheme}://user:secret@127.0.0.1:9/t/secret/forge/{DATA.path}"
    file.write_text(f"@EXPLICIT\n{address}#sha256:{DATA.sha256}\n")
    told = call("create", "--file", file, "--prefix", tmp_path / "env", "--yes", folder=tmp_path, status=1)
    assert "secret" not in told
    assert DATA.filename in told


def test_it_runs_a_program_of_the_environment_and_does_nothing_else(tmp_path):
    program = tmp_path / "env" / "bin" / "say"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    assert call("run", "--prefix", tmp_path / "env", "say", "-r", "it", folder=tmp_path) == "-r it\n"
    assert "has no other" in call("run", "--prefix", tmp_path / "env", "other", folder=tmp_path, status=1)
    assert "cannot do remove" in call("remove", "--prefix", tmp_path / "env", "x", folder=tmp_path, status=1)
    assert call("--version", folder=tmp_path).startswith("conda ")
