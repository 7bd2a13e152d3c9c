"""Wheels that speak for other packages, or would take the place of programs: none of them becomes a layer."""

from dataclasses import replace

import pytest

from sekisho.errors import BadInputError
from tests.unit.builder.room import SITE, House
from tests.wheels import make_wheel, pack, record_of, wheel_files

OTHER = "alpha-1.0.data/purelib/beta-1.0.dist-info"
THROUGH_DATA = "alpha-1.0.data/data/lib/python3.11/site-packages"


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


@pytest.mark.parametrize(
    "path",
    [
        f"{OTHER}/METADATA",
        f"{OTHER}/direct_url.json",
        f"{OTHER}/entry_points.txt",
        "alpha-1.0.data/platlib/alpha-1.0.dist-info/direct_url.json",
        "alpha-1.0.data/purelib/alpha-1.0.dist-info/RECORD",
        f"{THROUGH_DATA}/beta-1.0.dist-info/METADATA",
        f"{THROUGH_DATA}/Beta-1.0.DIST-INFO/METADATA",
        "Beta-1.0.DIST-INFO/METADATA",
        "beta.egg-info",
        "beta-1.0.egg-info/PKG-INFO",
    ],
)
def test_a_wheel_that_speaks_for_another_package(house, path):
    with pytest.raises(BadInputError, match=r"only another package's \.dist-info folder may say"):
        house.assemble(make_wheel("alpha", files={path: b"Name: beta\nVersion: 1.0\n"}))


@pytest.mark.parametrize("path", ["alpha-1.0.data/data/lib64/python3.11/site-packages/beta-1.0.dist-info/METADATA"])
def test_the_environments_second_name_for_lib_is_no_way_round(house, path):
    with pytest.raises(BadInputError):
        house.assemble(make_wheel("alpha", files={path: b"Name: beta\nVersion: 1.0\n"}))


def test_the_metadata_of_what_a_package_carries_with_it_is_left_alone(house):
    path = "alpha/_vendor/beta-1.0.dist-info/METADATA"
    house.assemble(make_wheel("alpha", files={path: b"Name: beta\nVersion: 1.0\n"}))
    assert f"{SITE}/{path}" in house.files()


@pytest.mark.parametrize("folder", ["beta-1.0.dist-info", "alpha-2.0.dist-info", "alpha.dist-info"])
def test_a_dist_info_folder_under_another_name(house, folder):
    files = {name.replace("alpha-1.0.dist-info", folder): data for name, data in wheel_files("alpha", "1.0").items()}
    del files[f"{folder}/RECORD"]
    files[f"{folder}/RECORD"] = record_of(files, folder)
    with pytest.raises(BadInputError, match=r"no project name|not named after alpha 1\.0"):
        house.assemble(replace(make_wheel("alpha"), data=pack(files)))


@pytest.mark.parametrize(
    "name", ["sh", "env", "python", "python3", "python3.11", "pythonw", "activate", "activate.fish"]
)
@pytest.mark.parametrize("way", ["entry point", "script", "data"])
def test_a_program_that_would_be_found_instead_of_a_known_one(house, name, way):
    more = {
        "entry point": {"entry_points": f"[console_scripts]\n{name} = alpha:main\n"},
        "script": {"files": {f"alpha-1.0.data/scripts/{name}": b"#!python\n"}},
        "data": {"files": {f"alpha-1.0.data/data/bin/{name}": b"#!/bin/sh\n"}},
    }[way]
    with pytest.raises(BadInputError, match="the place of a program that finds others"):
        house.assemble(make_wheel("alpha", **more))


@pytest.mark.parametrize(
    "name", ["python-argcomplete-check", "activate-global-python-argcomplete", "show", "pip", "envsubst"]
)
def test_programs_that_only_sound_like_them(house, name):
    house.assemble(make_wheel("alpha", entry_points=f"[console_scripts]\n{name} = alpha:main\n"))
    assert f"opt/venv/bin/{name}" in house.files()


@pytest.mark.parametrize("value", ["alpha:1main", "alpha:class", "alpha:main.import", "class:main", "alpha.1x:main"])
def test_an_entry_point_that_is_no_name(house, value):
    with pytest.raises(BadInputError, match="does not name what Python could import"):
        house.assemble(make_wheel("alpha", entry_points=f"[console_scripts]\ntool = {value}\n"))


@pytest.mark.parametrize("letter", ["\x85", "\x9b", "\u202e", "\u2066", "\u200f", "\u061c", "\u2028", "\u2029"])
def test_a_name_that_shows_as_another(house, letter):
    with pytest.raises(BadInputError, match="controls how it is shown"):
        house.assemble(make_wheel("alpha", files={f"alpha/a{letter}yp.txt": b""}))


def test_names_in_other_scripts_are_names(house):
    house.assemble(make_wheel("alpha", files={"alpha/関所-ñ.txt": b""}))
    assert f"{SITE}/alpha/関所-ñ.txt" in house.files()
