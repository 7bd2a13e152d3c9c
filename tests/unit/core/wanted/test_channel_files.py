"""Locks and projects of conda's and pixi's world: each is read into specs that only its own files match."""

import re

import pytest

from sekisho.channels import find_channel, settle
from sekisho.errors import BadInputError
from sekisho.lock import write_lock
from sekisho.model import MatchSpec
from sekisho.wanted import Choice, Named, Wanted, read_wanted
from tests.unit.core.test_lock_formats import DOOR, MIXED, NOARCH, NUMPY, PYTHON, SIX, ZLIB

KNOWN = {
    "forge": "https://channels.invalid/conda-forge/",
    "house": "https://house.invalid:8443/channels/house",
    "other": "https://other.invalid/conda-forge",
}
BUILD = "https://house.invalid:8443/channels/house/linux-64/libx-1.2-h5_0.conda"
PIXI = f"""
[workspace]
name = "x"
channels = ["house", {{channel = "https://channels.invalid/conda-forge"}}]
platforms = ["linux-64"]

[dependencies]
python = "3.11.*"
libx = {{ version = ">=1,<2", build = "h5*", channel = "{KNOWN["house"]}" }}
liby = "*"

[pypi-dependencies]
six = ">=1.16"
idna = {{ version = "3.11", extras = ["all"] }}

[target.linux-64.dependencies]
libz = "==1.2"

[target.osx-64.dependencies]
never = "*"

[feature.dev.dependencies]
libdev = "2.*"
"""


def read(tmp_path, name, text, choice=Choice(), **more):  # noqa: B008 (an immutable value)
    path = tmp_path / name
    path.write_text(text)
    return read_wanted(path, choice, **more)


@pytest.mark.parametrize(
    ("name", "written"), [("pixi.lock", "pixi"), ("conda-lock.yml", "conda-lock"), ("pins.txt", "explicit")]
)
def test_what_we_write_is_read_again_to_the_very_files(tmp_path, name, written):
    found = read(tmp_path, name, write_lock(MIXED, written, DOOR))
    specs, channels = settle(found, KNOWN)
    parsed = [MatchSpec.parse(text) for text in specs]
    packages = (PYTHON, ZLIB, NOARCH)
    assert sorted(channels) == ["forge", "house"]
    assert [[spec.matches(one) for spec in parsed].count(True) for one in packages] == [1, 1, 1]
    assert not any(spec.matches(one.model_copy(update={"sha256": "0" * 64})) for spec in parsed for one in packages)
    assert (found.python, found.arch) == ("==3.11.2", "x86_64")
    if name != "pins.txt":
        assert sorted(found.requirements) == ["numpy==2.1.0", "six==1.17.0"]
        assert found.hashes == {"numpy": (NUMPY.sha256,), "six": (SIX.sha256,)}


def test_a_pixi_project_is_read_with_its_target_and_with_features_that_are_named(tmp_path):
    found = read(tmp_path, "pixi.toml", PIXI)
    specs, channels = settle(found, KNOWN)
    assert specs == ["python 3.11.*", "house::libx >=1,<2[build='h5*']", "liby", "libz ==1.2"]
    assert channels == ["house", "forge"]
    assert found.requirements == ("six>=1.16", "idna[all]==3.11")
    assert found.python == "==3.11.*"
    assert found.ignored == ("feature dev is left out; --group takes it",)
    more = read(tmp_path, "pixi.toml", PIXI, Choice(groups=("dev",)))
    assert [row.text for row in more.conda][-1] == "libdev 2.*"
    where = tmp_path / "pixi.toml"
    assert [row.where for row in found.conda][:2] == [f"{where}, line 8", f"{where}, line 9"]


def test_a_unified_lock_is_read_for_one_platform_and_category(tmp_path):
    rows = "".join(
        f"- {{name: {name}, version: '1.2', manager: conda, platform: {platform}, category: {category},"
        f" url: '{BUILD.replace('libx', name)}', hash: {{md5: {'ab' * 16}}}}}\n"
        for name, platform, category in (
            ("libx", "linux-64", "main"),
            ("liby", "linux-64", "dev"),
            ("libx", "osx-64", "main"),
        )
    )
    text = f"version: 1\nmetadata: {{}}\npackage:\n{rows}"
    found = read(tmp_path, "conda-lock.yml", text)
    assert [row.text for row in found.conda] == [f"{KNOWN['house']}::libx ==1.2 h5_0[md5={'ab' * 16}]"]
    assert found.ignored == ("1 packages of other categories are left out; --group takes one",)
    assert len(read(tmp_path, "conda-lock.yml", text, Choice(groups=("dev",))).conda) == 2
    with pytest.raises(BadInputError, match="it has nothing for linux-aarch64"):
        read(tmp_path, "conda-lock.yml", text, subdir="linux-aarch64")


WRONG = {
    "a lock of another version": ("conda-lock.yml", "version: 2\npackage: []\n", "version 2 is not known"),
    "a lock that is none": ("conda-lock.yml", "[]\n", "has a list `package`"),
    "a pixi lock of another version": ("pixi.lock", "version: 5\n", "version 5 is not known"),
    "an environment that is not there": ("pixi.lock", "version: 6\nenvironments: {}\npackages: []\n", "no environment default"),
    "an address without a subdir": ("e.txt", "@EXPLICIT\nhttps://x.invalid/libx-1.2-h5_0.conda\n", "line 2.*no address of a package"),
    "a name that no package has": ("e.txt", f"@EXPLICIT\n\n{BUILD.replace('libx-', '')}\n", "line 3"),
    "a hash that is none": ("e.txt", f"@EXPLICIT\n{BUILD}#abc\n", "no sha256 and no md5"),
    "another system": ("e.txt", f"@EXPLICIT\n{BUILD.replace('linux-64', 'osx-64')}\n", "it is for osx-64"),
    "two systems": ("e.txt", f"@EXPLICIT\n{BUILD}\n{BUILD.replace('linux-64', 'linux-aarch64')}\n", "it is for linux-64, linux-aarch64"),
    "a git repository": ("pixi.toml", '[dependencies]\nx = {git = "https://code.invalid/x"}\n', "line 2.*asked for with 'git'"),
    "a folder": ("pixi.toml", '[pypi-dependencies]\nx = {path = "../x"}\n', "comes from no index"),
    "a feature that is not there": ("pixi.toml", "[dependencies]\n", "nothing-here"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_read_is_named(tmp_path, name):
    filename, text, said = WRONG[name]
    choice = Choice(groups=("nothing-here",)) if name == "a feature that is not there" else Choice()
    with pytest.raises(BadInputError) as caught:
        read(tmp_path, filename, text, choice)
    assert str(tmp_path / filename) in str(caught.value)
    where, told = caught.value.where, caught.value.what
    assert re.search(said, f"{where} {told}"), f"{where} {told}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("forge", "forge"),
        ("https://channels.invalid/conda-forge", "forge"),
        ("http://CHANNELS.invalid/conda-forge/linux-64/", "forge"),
        ("https://user:pw@house.invalid:8443/t/tok/channels/house", "house"),
        ("https://proxy.invalid/w/team-a/conda/house/noarch", "house"),
        ("https://proxy.invalid/t/tok/w/team-a/@2026-11-01/conda/forge", "forge"),
    ],
)
def test_a_channel_is_known_by_its_id_its_address_and_its_door(text, found):
    assert find_channel(text, KNOWN, where="x") == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("conda-forge", "may be forge or other"),
        ("https://channels.invalid/Conda-Forge", "no source declares"),
        ("https://proxy.invalid/w/team-a/conda/nowhere", "no source declares"),
        ("", "no source declares"),
        ("https://me:secret@x.invalid/t/secret/y", "'https://x.invalid/t/…/y'"),
    ],
)
def test_a_channel_that_no_source_is_or_two_are_is_refused_without_its_secret(text, said):
    with pytest.raises(BadInputError, match=said) as caught:
        settle(Wanted(channels=(Named(text, "environment.yml, line 2"),)), KNOWN)
    assert caught.value.where == "environment.yml, line 2"
    assert "secret" not in str(caught.value)
