"""What activating a conda environment sets is among an image's variables; what it would run is named and not run."""

import json

import pytest

from sekisho.errors import BadInputError
from tests.channels.packages import PLACEHOLDER, make_package
from tests.unit.builder.conda_room import HOME, LIBRARY, PACKAGES, PYTHON, TOOL, CondaHouse
from tests.unit.builder.gating import Gating
from tests.wheels import make_wheel

STATED = "etc/conda/env_vars.d"
SCRIPT = "etc/conda/activate.d/geo-activate.sh"
GEO = make_package(
    "geo",
    files={
        f"{STATED}/geo.json": json.dumps({"GEO_DATA": f"{PLACEHOLDER}/share/geo", "GEO_LEVEL": "1"}).encode(),
        "share/geo/x.txt": b"x",
        SCRIPT: b"export GEO_DATA=/else\n",
    },
)
CONDA = {"prefix": HOME, "conda": ("python", "library >=2", "geo")}


@pytest.fixture
def house(tmp_path):
    return CondaHouse(tmp_path)


def variables(house, out="out"):
    return dict(row.split("=", 1) for row in house.layout(out).config["config"]["Env"])


def geo(content, name="geo"):
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return make_package(name, files={f"{STATED}/{name}.json": data})


def test_an_image_is_in_its_environment_as_after_conda_activate(house):
    house.lay(*PACKAGES)
    found = variables(house)
    assert {name: found[name] for name in found if name.startswith("CONDA")} == {
        "CONDA_PREFIX": HOME,
        "CONDA_DEFAULT_ENV": HOME,
        "CONDA_SHLVL": "1",
    }
    assert found["PATH"].startswith(f"{HOME}/bin:")


def test_variables_of_packages_are_the_images_with_its_prefix_also_from_kept_layers(house):
    first = house.lay(PYTHON, LIBRARY, GEO)
    found = variables(house)
    assert (found["GEO_DATA"], found["GEO_LEVEL"]) == (f"{HOME}/share/geo", "1")
    again = house.lay(PYTHON, LIBRARY, GEO)
    assert (again.manifest, again.built) == (first.manifest, 0)
    elsewhere = house.lay(PYTHON, LIBRARY, GEO, cache="another", out="other", large_package=1, layers=9)
    assert elsewhere.manifest != first.manifest
    assert variables(house, "other") == found


def test_the_last_file_by_name_counts_and_the_definition_comes_before_all(house):
    packages = (PYTHON, LIBRARY, geo({"X": "of z", "Y": "of z"}, "zed"), geo({"X": "of a", "Z": "of a"}, "ay"))
    house.lay(*packages, environment={"Y": "of the image"})
    found = variables(house)
    assert (found["X"], found["Y"], found["Z"]) == ("of z", "of the image", "of a")


def test_a_wheel_states_variables_as_a_package_does(house):
    wheel = make_wheel("alpha", files={f"alpha-1.0.data/data/{STATED}/alpha.json": b'{"ALPHA": "1"}'})
    house.lay(*PACKAGES, wheels=[wheel])
    assert variables(house)["ALPHA"] == "1"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "it is not JSON"),
        (b"\xff", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        ([1], "it is no object"),
        ({"A": 1}, "A is not set to a text"),
        ({"A": "x\0y"}, "A is not set to a text"),
        (b'{"A": "\\ud800"}', "A is not set to a text"),
        (b'{"A\\n": "x"}', "is no name of a variable"),
        ({"A=B": "x"}, "'A=B' is no name of a variable"),
        ({"": "x"}, "'' is no name of a variable"),
        (json.dumps({"A": "x" * (1 << 20)}).encode(), "a very large one"),
    ],
)
def test_what_is_no_list_of_variables_is_refused_by_name(house, content, says):
    with pytest.raises(BadInputError, match="list of variables cannot be read") as caught:
        house.lay(PYTHON, LIBRARY, geo(content))
    assert says in caught.value.what
    assert caught.value.where == f"conda's geo: {HOME}/{STATED}/geo.json"
    assert not (house.folder / "out").exists()


@pytest.mark.parametrize(
    "name",
    [
        "PATH", "CONDA_PREFIX", "SEKISHO_IMAGE", "LD_PRELOAD", "BASH_ENV", "ENV", "PYTHONPATH", "PYTHONSTARTUP",
        "PIP_INDEX_URL", "UV_INDEX", "CONDARC", "CONDA_CHANNELS", "HTTPS_PROXY", "https_proxy",
    ],
)  # fmt: skip
def test_what_is_the_images_own_no_package_sets(house, name):
    with pytest.raises(BadInputError, match=f"a package sets {name}, which is the image's own") as caught:
        house.lay(PYTHON, LIBRARY, geo({name: "/else"}))
    assert f"or say {name} in `environment`" in caught.value.todo


def test_the_definition_may_say_what_a_package_would_set(house):
    house.lay(PYTHON, LIBRARY, geo({"PATH": "/else"}), environment={"PATH": "/mine"})
    assert variables(house)["PATH"] == "/mine"


def test_the_gate_names_what_is_set_and_what_no_process_runs(tmp_path):
    gating = Gating(tmp_path)
    gating.packages = (PYTHON, LIBRARY, GEO)
    result = gating.run("start-up", **CONDA)
    assert result.status == "passed", result.evidence
    assert f"variables of packages are the image's: {HOME}/{STATED}/geo.json" in result.evidence
    unrun = f"no process of the image runs {HOME}/{SCRIPT}; what they set is for `environment` to say"
    assert unrun in result.evidence


def test_a_script_that_would_install_when_a_person_activates_is_an_objection(tmp_path):
    gating = Gating(tmp_path)
    gating.packages = (PYTHON, LIBRARY, GEO.but(files={SCRIPT: b"pip install x\n"}))
    result = gating.run("start-up", **CONDA)
    assert result.status == "failed"
    assert f"{HOME}/{SCRIPT} would run `pip install`" in result.evidence


def test_an_environment_without_either_has_nothing_to_say(tmp_path):
    gating = Gating(tmp_path)
    gating.packages = (PYTHON, TOOL, LIBRARY)
    result = gating.run("start-up", prefix=HOME, conda=("python", "library >=2"))
    assert not [line for line in result.evidence if "conda" in line]
