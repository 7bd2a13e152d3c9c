"""Records of channels: what of them counts, and how an artifact carries it."""

import json
from datetime import UTC, datetime

import pytest

from sekisho.errors import BadInputError
from sekisho.model import PackageName, clean_record, conda_artifact, conda_record, is_subdir
from tests.records import sha

FILE = "numpy-2.1.0-py311h1234567_0.conda"
SEEN = datetime(2026, 11, 1, 12, tzinfo=UTC)


def _record(**more):
    record = {
        "name": "numpy",
        "version": "2.1.0",
        "build": "py311h1234567_0",
        "build_number": 0,
        "depends": ["python >=3.11,<3.12.0a0"],
        "license": "BSD-3-Clause",
        "md5": "0" * 32,
        "sha256": sha("numpy"),
        "size": 100,
        "subdir": "linux-64",
        "timestamp": 1700000000000,
    }
    return record | more


def test_an_artifact_carries_its_record_and_gives_it_back():
    made = conda_artifact("forge", FILE, _record(), subdir="linux-64", seen=SEEN)
    assert (made.project, made.release, made.path) == ("numpy", "2.1.0", f"linux-64/{FILE}")
    assert conda_record(made) == _record(constrains=[], indexed_timestamp=1793534400000)


@pytest.mark.parametrize("key", ["url", "base_url", "signatures", "channel", "whatever", "indexed_timestamp"])
def test_what_could_lead_elsewhere_is_dropped(key):
    assert key not in clean_record(FILE, _record(**{key: "https://elsewhere.invalid/x"}), subdir="linux-64")


@pytest.mark.parametrize(
    "more",
    [
        {"sha256": None},
        {"sha256": "0" * 63},
        {"sha256": sha("x").upper()},
        {"md5": "0"},
        {"size": -1},
        {"size": True},
        {"size": "100"},
        {"name": "other"},
        {"version": "3"},
        {"build": "0"},
        {"subdir": "noarch"},
        {"depends": "python"},
        {"depends": ["a\nb"]},
        {"depends": [1]},
        {"depends": ["elsewhere::evil"]},
        {"depends": ["https://elsewhere.invalid/evil::evil"]},
        {"constrains": ["evil[channel=elsewhere]"]},
        {"depends": ["evil[version='>1', url = x]"]},
        {"depends": ["evil[build=']', channel=elsewhere]"]},
        {"depends": ["elsewhere:namespace:evil"]},
        {"run_exports": {"weak": ["elsewhere::evil"]}},
        {"run_exports": {"other": ["evil"]}},
        {"run_exports": ["evil"]},
        {"license": "a\x00b"},
        {"noarch": "ruby"},
        {"timestamp": 1.5},
        *(
            {"python_site_packages_path": place}
            for place in (
                "../outside",
                "/etc",
                "lib/../../outside",
                "lib/..",
                "..",
                ".",
                "",
                "lib//x",
                "lib/",
                "C:\\x",
                1,
            )
        ),
    ],
)
def test_a_record_that_is_of_no_use_is_refused(more):
    with pytest.raises(BadInputError, match="record of"):
        clean_record(FILE, _record(**more), subdir="linux-64")


@pytest.mark.parametrize("place", ["lib/python3.13t/site-packages", "Lib/site-packages", "lib/..x"])
def test_where_packages_for_any_python_go_is_below_the_prefix(place):
    """Clients lay their files there: with ``../outside`` py-rattler wrote beside the environment."""
    record = _record(python_site_packages_path=place)
    assert clean_record(FILE, record, subdir="linux-64")["python_site_packages_path"] == place


@pytest.mark.parametrize(
    "name",
    [
        "numpy.conda",
        "numpy-1.conda",
        "-1-0.conda",
        "numpy-1-0.zip",
        "../numpy-1-0.conda",
        "Numpy-1-0.conda",
        "n-1-0 .conda",
        "n\n-1-0.conda",
        "",
    ],
)
def test_a_name_that_no_package_has_is_refused(name):
    with pytest.raises(BadInputError):
        PackageName.parse(name)


def test_a_name_is_read_from_behind():
    found = PackageName.parse("_libgcc-mutex-0.1-conda_forge.tar.bz2")
    assert found == ("_libgcc-mutex", "0.1", "conda_forge", ".tar.bz2")
    assert str(found) == "_libgcc-mutex-0.1-conda_forge.tar.bz2"


@pytest.mark.parametrize("text", ["noarch", "linux-64", "osx-arm64", "emscripten-wasm32"])
def test_parts_of_a_channel(text):
    assert is_subdir(text)


@pytest.mark.parametrize("text", ["", "linux", "../x", "linux-64/..", "Linux-64", "linux-64\n"])
def test_what_is_no_part_of_a_channel(text):
    assert not is_subdir(text)


def test_an_artifact_whose_record_is_of_another_file_has_none():
    made = conda_artifact("forge", FILE, _record(), subdir="linux-64")
    other = json.dumps(_record(sha256=sha("other")))
    with pytest.raises(BadInputError, match="another file"):
        conda_record(made.model_copy(update={"index": {"record": other}}))
    with pytest.raises(BadInputError, match="no record"):
        conda_record(made.model_copy(update={"index": {}}))


def test_what_a_package_exports_is_kept_and_what_nobody_said_is_not_made_up():
    exports = {"weak": ["numpy >=2,<3"], "strong": []}
    clean = clean_record(FILE, _record(run_exports=exports, depends=["blas * *mkl|*openblas"]), subdir="linux-64")
    assert clean["run_exports"] == {"weak": ["numpy >=2,<3"]}
    assert "run_exports" not in clean_record(FILE, _record(), subdir="linux-64")
