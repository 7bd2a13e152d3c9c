"""What a request or a definition names for builds from source: its shape, its bounds, and the digest of it."""

import pytest

from sekisho.cli.described import for_builds
from sekisho.errors import BadInputError
from sekisho.model import ExtraRequirement, ImageDefinition, Request
from tests.records import artifact, request, sha


def asked(dependencies=None, variables=None):
    return request("raw", extra_build_dependencies=dependencies or {}, extra_build_variables=variables or {})


def test_uvs_own_shape_is_read():
    rows = ["cmake<4", {"requirement": "torch", "match-runtime": True}, {"requirement": "x", "match-runtime": False}]
    found = asked({"Raw": rows}, {"raw": {"WITH_TORCH": "1", "MAKEFLAGS": r"-j2 CXX_FLAGS=-O3\\ -fPIC"}})
    extra = found.for_build("raw")
    assert [(row.project, row.match_runtime) for row in extra.dependencies] == [
        ("cmake", None), ("torch", True), ("x", False),
    ]  # fmt: skip
    assert extra.variables["WITH_TORCH"] == "1"
    assert found.for_build("other").recipe is None
    assert Request.parse_json(found.canonical(), where="test") == found


def test_a_definition_names_the_same():
    said = {
        "name": "x", "base": {"debian": "b"}, "requirements": ["raw"], "target": {"python": "3.11.2", "glibc": "2.36"},
        "extra-build-dependencies": {"raw": ["torch"]}, "extra-build-variables": {"raw": {"WITH": "1"}},
    }  # fmt: skip
    found = ImageDefinition.parse(said, where="test")
    wanted = asked({"raw": ["torch"]}, {"raw": {"WITH": "1"}})
    assert found.extra_build_dependencies == wanted.extra_build_dependencies
    assert found.extra_build_variables == wanted.extra_build_variables
    assert found.digest() != ImageDefinition.parse({**said, "extra-build-variables": {}}, where="test").digest()


def test_what_is_named_is_part_of_the_request_and_has_a_digest_of_its_own():
    plain, one = asked(), asked({"raw": ["a", "b"]}, {"raw": {"X": "1"}})
    assert plain.digest() == request("raw").digest()
    assert one.digest() != plain.digest()
    recipe = one.for_build("raw").recipe
    assert recipe == asked({"raw": ["b", "a"]}, {"raw": {"X": "1"}}).for_build("raw").recipe
    others = [
        asked({"raw": ["a"]}, {"raw": {"X": "1"}}), asked({"raw": ["a", "b"]}, {"raw": {"X": "2"}}),
        asked({"raw": ["a", {"requirement": "b", "match-runtime": False}]}, {"raw": {"X": "1"}}),
        asked({"raw": ["a", "b"]}),
    ]  # fmt: skip
    assert len({recipe, *(other.for_build("raw").recipe for other in others)}) == 5


@pytest.mark.parametrize(
    "name",
    [
        "PATH", "HOME", "TMPDIR", "LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHASHSEED", "PIP_INDEX_URL",
        "UV_INDEX", "SEKISHO_WORD", "SOURCE_DATE_EPOCH", "HTTPS_PROXY", "LC_ALL", "LANG", "TZ", "BASH_ENV", "IFS",
        "GLIBC_TUNABLES", "SSL_CERT_FILE", "VIRTUAL_ENV",
    ],
)  # fmt: skip
def test_what_is_the_rooms_is_not_for_a_request_to_say(name):
    with pytest.raises(BadInputError, match=f"{name} is the build room's own") as caught:
        Request.parse({**asked().plain(), "extra_build_variables": {"raw": {name: "x"}}}, where="request")
    assert "extra_build_variables" in caught.value.what


@pytest.mark.parametrize(
    "name", ["HOROVOD_WITH_PYTORCH", "CC", "CXXFLAGS", "CMAKE_ARGS", "PATHS", "LDFLAGS", "UVLOOP_X"]
)
def test_any_other_variable_may_be_named(name):
    assert asked(variables={"raw": {name: "1"}}).for_build("raw").variables == {name: "1"}


@pytest.mark.parametrize(
    ("dependencies", "variables", "words"),
    {
        "small letters": ({}, {"raw": {"http_proxy": "x"}}, "is no variable of a build"),
        "an equals sign": ({}, {"raw": {"A=B": "x"}}, "is no variable of a build"),
        "nothing": ({}, {"raw": {"": "x"}}, "is no variable of a build"),
        "a line break": ({}, {"raw": {"A": "x\nPATH=/evil"}}, "cannot be printed"),
        "nul": ({}, {"raw": {"A": "x\0"}}, "cannot be printed"),
        "too long": ({}, {"raw": {"A": "x" * 2001}}, "more than 2000 characters"),
        "a number": ({}, {"raw": {"A": 1}}, "valid string"),
        "no name": ({"no name": ["x"]}, {}, "not a valid pypi project name"),
        "twice": ({"a-b": ["x"], "A_b": ["y"]}, {}, "a-b stands there twice"),
        "an address": ({"raw": ["x @ https://evil.example/x.whl"]}, {}, "names an address"),
        "no requirement": ({"raw": ["--index-url=x"]}, {}, "is not a requirement"),
        "another key": ({"raw": [{"requirement": "x", "index": "y"}]}, {}, "Extra inputs"),
        "a release beside match-runtime": (
            {"raw": [{"requirement": "torch==2", "match-runtime": True}]}, {}, "the closure says the release",
        ),
    }.values(),
)  # fmt: skip
def test_anything_else_is_refused(dependencies, variables, words):
    body = {"extra_build_dependencies": dependencies, "extra_build_variables": variables}
    with pytest.raises(BadInputError, match=words):
        Request.parse({**asked().plain(), **body}, where="request")


def test_only_a_wheel_that_was_built_so_answers():
    wanted = asked({"raw": ["torch"]})
    recipe = wanted.for_build("raw").recipe
    source = artifact("raw", "1.0", filename="raw-1.0.tar.gz", build_only=True)
    assert wanted.objection((source,)) is None
    assert wanted.objection((artifact("raw", "1.0", built=source.sha256, recipe=recipe),)) is None
    for other in (None, sha("other")):
        wheel = artifact("raw", "1.0", built=source.sha256, recipe=other)
        assert "was not built with" in wanted.objection((wheel,))
        assert asked().objection((wheel,)) is None


def test_a_requirement_says_what_it_names():
    assert ExtraRequirement(requirement="Torch_Vision>=1").project == "torch-vision"


@pytest.mark.parametrize("key", ["match_runtime", "match-runtime"])
def test_what_is_left_free_is_said_to_be(key):
    named = {"raw": ["cmake", {"requirement": "torch", key: False}, {"requirement": "numpy", key: True}]}
    assert for_builds({"extra_build_dependencies": named, "extra_build_variables": {"raw": {"A": "1"}}}) == [
        "to build raw with: cmake, torch (of any release, whatever is installed), numpy, A=1"
    ]
