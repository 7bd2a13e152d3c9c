"""Locks: direct requirements, pins and hashes. The first is what the real uv writes, asked over loopback."""

import subprocess

import pytest
import uv

from sekisho.errors import BadInputError
from sekisho.wanted import Choice, read_wanted
from tests.fake_upstream import FakeUpstream, run_asgi
from tests.wheels import make_wheel

WHEELS = [
    make_wheel("alpha", "1.0", requires=("gamma[fast]",)),
    make_wheel("beta", "1.0"),
    make_wheel("beta", "2.0"),
    make_wheel("gamma", "3.0", requires=("delta; extra == 'fast'",), extra="Provides-Extra: fast\n"),
    make_wheel("delta", "0.1"),
    make_wheel("unused", "1.0"),
]
PROJECT = """[project]
name = "demo"
version = "0"
requires-python = ">=3.10"
dependencies = ["alpha>=1", "beta<2; python_version < '3.12'", "beta>=2; python_version >= '3.12'"]

[project.optional-dependencies]
more = ["unused"]

[dependency-groups]
dev = ["delta"]
"""
BY_NAME = {(wheel.project, wheel.release): wheel for wheel in WHEELS}


@pytest.fixture(scope="module")
def locks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("locked")
    (folder / "pyproject.toml").write_text(PROJECT)
    uv_run = [uv.find_uv_bin(), "--no-config", "--no-cache", "--directory", str(folder), "--no-python-downloads", "-q"]
    with run_asgi(FakeUpstream(wheels=WHEELS)) as url:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "UV_DEFAULT_INDEX": f"{url}/simple/"}
        for more in (["lock"], ["export", "--format", "pylock.toml", "--all-extras", "-o", "pylock.toml"]):
            subprocess.run([*uv_run, *more], env=environment, check=True, timeout=60)
    return folder


def _sha(project, release):
    return BY_NAME[project, release].artifact().sha256


def test_a_uv_lock_asks_for_what_its_root_names_and_pins_the_rest(locks):
    found = read_wanted(locks / "uv.lock")
    assert sorted(found.requirements) == [
        "alpha>=1",
        'beta; python_full_version < "3.12"',
        'beta; python_full_version >= "3.12"',
    ]
    assert sorted(found.constraints) == [
        "alpha==1.0",
        'beta==1.0; python_full_version < "3.12"',
        'beta==2.0; python_full_version >= "3.12"',
        "delta==0.1",
        "gamma==3.0",
    ]
    assert found.hashes["gamma"] == (_sha("gamma", "3.0"),)
    assert set(found.hashes["beta"]) == {_sha("beta", "1.0"), _sha("beta", "2.0")}
    assert found.python == ">=3.10"


def test_extras_and_groups_of_a_uv_lock_are_chosen(locks):
    found = read_wanted(locks / "uv.lock", Choice(("more",), ("dev",)))
    assert {"unused", "delta"} < set(found.requirements)
    assert "unused==1.0" in found.constraints
    with pytest.raises(BadInputError, match="there is no extra nope") as caught:
        read_wanted(locks / "uv.lock", Choice(("nope",)))
    assert caught.value.todo == "it has more"


def test_a_pylock_is_pins_with_hashes(locks):
    found = read_wanted(locks / "pylock.toml")
    assert {"alpha==1.0", "gamma==3.0", "delta==0.1", "unused==1.0"} < set(found.requirements)
    assert 'beta==1.0; python_full_version < "3.12"' in found.requirements
    assert found.hashes["alpha"] == (_sha("alpha", "1.0"),)
    assert found.constraints == ()


PYLOCK = """lock-version = "1.0"
created-by = "somebody"
requires-python = ">=3.11"
extras = ["fast"]
dependency-groups = ["dev", "docs"]
default-groups = ["docs"]

[[packages]]
name = "six"
version = "1.17.0"
wheels = [
  { url = "https://files.invalid/six-1.17.0-py3-none-any.whl", hashes = { sha256 = "AB" } },
  { url = "https://files.invalid/six-1.17.0-cp311-cp311-win_amd64.whl", hashes = { sha256 = "cd" } },
]

[[packages]]
name = "idna"
version = "3.11"
marker = "'fast' in extras or ('dev' not in dependency_groups and python_version >= '3.8')"
wheels = [{ url = "https://files.invalid/idna-3.11-py3-none-any.whl", hashes = { sha256 = "ef" } }]

[[packages]]
name = "sphinx"
version = "8.0"
marker = "'docs' in dependency_groups"
wheels = [{ url = "https://files.invalid/sphinx-8.0-py3-none-any.whl", hashes = { sha256 = "12" } }]
"""


def _write(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_the_markers_of_a_pylock_are_settled_by_the_choice(tmp_path):
    path = _write(tmp_path, "pylock.dev.toml", PYLOCK)
    found = read_wanted(path)
    assert [text.partition(";")[0].strip() for text in found.requirements] == [
        "six==1.17.0",
        "idna==3.11",
        "sphinx==8.0",
    ]
    assert found.hashes["six"] == ("ab",)
    chosen = read_wanted(path, Choice((), ("dev",)))
    assert [text.partition(";")[0].strip() for text in chosen.requirements] == ["six==1.17.0", "idna==3.11"]
    assert not _marker(chosen.requirements[1]).evaluate()
    assert _marker(read_wanted(path, Choice(("fast",), ("dev",))).requirements[1]).evaluate()


def _marker(text):
    from packaging.requirements import Requirement

    return Requirement(text).marker


UV_LOCK = """version = 1
requires-python = ">=3.11"

[[package]]
name = "demo"
version = "0"
source = { editable = "." }
dependencies = [{ name = "odd" }]

[[package]]
name = "odd"
version = "1.0"
source = { registry = "https://index.invalid/simple" }
"""
WRONG_UV = {
    "no toml": ("version = ", 1, "not valid TOML"),
    "another version": (UV_LOCK.replace("version = 1\n", "version = 7\n"), 0, "of version 7 is not known"),
    "git": (UV_LOCK.replace('registry = "https://index', 'git = "https://code'), 11, "odd comes from a git"),
    "path": (UV_LOCK.replace('registry = "https://index.invalid/simple"', 'path = "x.whl"'), 11, "comes from a path"),
    "folder": (UV_LOCK.replace("https://index.invalid/simple", "../wheels"), 11, "comes from a registry"),
    "no project": (UV_LOCK.replace("editable", "directory"), 0, "names no project of its own"),
    "missing": (UV_LOCK.replace('name = "odd"\nversion', 'name = "even"\nversion'), 0, "does not hold odd"),
    "conflicts": (
        UV_LOCK.replace('{ name = "odd" }', """{ name = "odd", marker = "extra == 'extra-4-demo-cpu'" }"""),
        0, "conflicting extras",
    ),
    "no version": (UV_LOCK.replace('version = "1.0"\n', ""), 0, "has no version"),
    "no source": (UV_LOCK.replace('source = { registry = "https://index.invalid/simple" }', ""), 0, "without a name or a source"),
    "no list": (UV_LOCK.replace('[{ name = "odd" }]', '"odd"'), 0, "not a list of tables"),
    "odd name": (UV_LOCK.replace('"odd"', '"../odd"'), 0, "names an address|valid"),
}  # fmt: skip
WRONG_PY = {
    "no toml": ("lock-version", 1, "not valid TOML"),
    "another version": (PYLOCK.replace('"1.0"', '"2.0"'), 0, "not supported"),
    "no packages": (PYLOCK.partition("[[")[0], 0, "Missing required value"),
    "git": (
        PYLOCK.partition("wheels")[0] + 'vcs = {type = "git", url = "https://code.invalid/six", commit-id = "1"}\n',
        9, "six comes from a vcs",
    ),
    "folder": (PYLOCK.partition("wheels")[0] + 'directory = {path = "."}\n', 9, "six comes from a directory"),
    "address": (
        PYLOCK.partition("wheels")[0] + 'archive = {url = "https://files.invalid/six.zip", hashes = {sha256 = "ab"}}\n',
        9, "six comes from a archive",
    ),
    "no version": (PYLOCK.replace('version = "1.17.0"\n', ""), 9, "has no version"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("file", "name"), [("uv.lock", name) for name in WRONG_UV] + [("pylock.toml", name) for name in WRONG_PY]
)
def test_what_cannot_be_read_or_is_not_of_an_index_is_named(tmp_path, file, name):
    text, line, said = (WRONG_UV if file == "uv.lock" else WRONG_PY)[name]
    path = _write(tmp_path, file, text)
    with pytest.raises(BadInputError, match=said) as caught:
        read_wanted(path)
    assert caught.value.where == (f"{path}, line {line}" if line else str(path))


@pytest.mark.parametrize("name", ["pylock.toml", "pyproject.toml", "uv.lock"])
def test_a_number_that_python_does_not_read_is_bad_input(tmp_path, name):
    (tmp_path / name).write_text(f"x = {'9' * 5000}\n")
    with pytest.raises(BadInputError, match="not valid TOML"):
        read_wanted(tmp_path / name)
