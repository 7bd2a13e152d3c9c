"""What is named for builds, held against the answer: what runs beside a wheel is what it was built against."""

import pytest

from sekisho.errors import UnresolvableError
from sekisho.model.tags import wheel_tags
from sekisho_builder.best_wheel import best_wheel
from sekisho_builder.conda.provided import Provided
from sekisho_builder.extras import check_extras, held_to, outdated
from sekisho_builder.offers import Offers
from sekisho_builder.solver import Pin
from tests.records import TARGET, artifact, closure, request

SOURCE = artifact("raw", "1.0", filename="raw-1.0.tar.gz", build_only=True)
TORCH = artifact("torch", "2.0")
NUMPY = artifact("numpy", "1.26")
TOOL = artifact("setuptools", "60.0")


def held(*rows, own=(), files=(SOURCE, TORCH, NUMPY, TOOL), installed=None):
    asked = request("raw", extra_build_dependencies={"raw": list(rows)})
    return held_to(asked, SOURCE, own, closure(*files), installed or {})


def never(name):
    return {"requirement": name, "match-runtime": False}


def always(name):
    return {"requirement": name, "match-runtime": True}


def test_what_runs_beside_it_is_what_it_is_built_against():
    found = held("torch", "cmake<4", own=("setuptools>=77",))
    assert found.requirements == ("torch", "cmake<4")
    assert found.built_with == {"torch": "2.0"}
    # what only torch needs is held, too; what the source names itself is not
    assert found.constraints == ("numpy==1.26", "torch==2.0")
    assert found.hashes == {"numpy": (NUMPY.sha256,), "torch": (TORCH.sha256,)}


def test_what_is_named_and_asked_for_by_the_source_is_held():
    assert held("setuptools", own=("setuptools>=50",)).built_with == {"setuptools": "60.0"}


def test_what_need_not_be_the_same_is_left_free():
    found = held(never("torch"), "cmake")
    assert (found.built_with, found.constraints) == ({}, ("numpy==1.26", "setuptools==60.0"))


def test_a_marker_that_does_not_fit_asks_for_nothing():
    assert held('torch; python_version < "3"', always('ghost; sys_platform == "win32"')) == held()


def test_nothing_named_holds_nothing():
    assert held(own=("torch",)) == ((), (), {}, {})


OURS = artifact("torch", "2.0", built=SOURCE.sha256)
CONDA = Provided("torch", "2.0", artifact("pytorch", "2.0", kind="conda"))


@pytest.mark.parametrize(
    ("rows", "more", "words"),
    {
        "another release": (("torch==1.9",), {}, "the answer holds 2.0: what is built against one release"),
        "not there": ((always("ghost"),), {}, "nothing of it is in the answer"),
        "source": (("torch",), {"files": (SOURCE, TORCH.model_copy(update={"build_only": True}))}, "no build waits"),
        "built here": (("torch",), {"files": (SOURCE, OURS)}, "no build waits"),
        "of a channel": (
            ("torch",),
            {"files": (SOURCE,), "installed": {"torch": CONDA}},
            "conda:pytorch 2.0 brings it",
        ),
    }.values(),
)
def test_what_cannot_be_the_same_is_refused(rows, more, words):
    with pytest.raises(UnresolvableError, match=words) as caught:
        held(*rows, **more)
    assert caught.value.where == "extra-build-dependencies of raw"
    assert caught.value.todo


def test_what_may_be_another_release_may_be_a_channels_too():
    assert held(never("torch"), files=(SOURCE,), installed={"torch": CONDA}).built_with == {}


@pytest.mark.parametrize("key", ["extra_build_dependencies", "extra_build_variables"])
def test_only_what_is_built_can_be_told_how(key):
    value = ["torch"] if key.endswith("dependencies") else {"WITH": "1"}
    asked = request("raw", **{key: {"raw": value}})
    where = key.replace("_", "-")
    check_extras(asked, closure(SOURCE))
    check_extras(asked, closure(artifact("raw", "1.0", built=SOURCE.sha256)))
    with pytest.raises(UnresolvableError, match=r"raw 1\.0 is not built from source: it has a wheel") as caught:
        check_extras(asked, closure(artifact("raw", "1.0")))
    assert caught.value.where == where
    with pytest.raises(UnresolvableError, match="raw is not in the answer") as caught:
        check_extras(asked, closure(TORCH))
    assert where in caught.value.todo


def built(**more):
    return artifact("raw", "1.0", built=SOURCE.sha256, built_with={"torch": "2.0"}, **more)


def test_a_wheel_that_was_built_against_another_release_is_built_anew_or_refused():
    asked = request("raw", extra_build_dependencies={"raw": ["torch"]})
    newer = artifact("torch", "2.1")
    assert outdated(asked, closure(built(), newer)) == {built().sha256}
    assert outdated(asked, closure(built(), TORCH)) == frozenset()
    assert outdated(asked, closure(built())) == frozenset()  # what is not there is not another release
    with pytest.raises(UnresolvableError, match=r"was built against torch 2\.0, and the answer holds 2\.1") as caught:
        outdated(request("raw"), closure(built(), newer))
    assert "torch==2.0" in caught.value.todo


def test_a_wheel_does_not_run_beside_what_a_channel_brings_of_another_release():
    newer = CONDA._replace(release="2.1")
    with pytest.raises(UnresolvableError, match=r"was built against torch 2\.0, and the answer holds 2\.1"):
        outdated(request("raw"), closure(built()), {"torch": newer})
    assert outdated(request("raw"), closure(built()), {"torch": CONDA}) == frozenset()


def test_a_wheel_that_was_built_otherwise_is_not_chosen():
    asked = request("raw", extra_build_dependencies={"raw": ["torch"]})
    ranks = {tag: rank for rank, tag in enumerate(wheel_tags(TARGET))}
    pin = Pin("raw", "1.0", ())
    so = built(recipe=asked.for_build("raw").recipe)
    assert best_wheel(pin, (built(), so), ranks, asked) == so
    assert best_wheel(pin, (built(),), ranks, request("raw")) == built()
    with pytest.raises(UnresolvableError):
        best_wheel(pin, (built(),), ranks, asked)


class _NoIndex:
    """Nothing is offered but what is approved."""

    def artifacts(self, project, release=None):
        return ()


def test_the_same_bytes_that_were_built_in_two_ways_are_found_as_either():
    ways = [request("raw", extra_build_variables={"raw": {"WAY": way}}) for way in ("1", "2")]
    made = [built(recipe=way.for_build("raw").recipe, path=f"built/{number}") for number, way in enumerate(ways)]
    for way, wheel in zip(ways, made, strict=True):
        assert Offers(way, _NoIndex(), made).best(Pin("raw", "1.0", ())) == wheel
