"""What the builder may report of sources and wheels, and what it may not."""

import pytest

from sekisho.errors import BadInputError
from sekisho.model import Build, Built
from sekisho_portal.standing import Standing
from sekisho_portal.wheels_built import check_builds, check_built, check_exchange, check_extras
from tests.records import NOW, artifact, closure, facts, request, sha

SOURCE = artifact("raw", "1.0", filename="raw-1.0.tar.gz", build_only=True)
TOOL = artifact("tool", "1.0")
WHEEL = artifact("raw", "1.0", built=SOURCE.sha256, path="built/x")
OTHER = artifact("beta", "2.0")
BUILD = Build(project="raw", sdist=SOURCE.sha256, requires=("tool",), artifacts=(TOOL,))
BEFORE = closure(SOURCE, OTHER, builds=(BUILD,))
AFTER = closure(WHEEL, OTHER)


def built(**more):
    values = {
        "wheel": WHEEL, "source": SOURCE, "requires": (TOOL,), "base": sha("base"), "room": sha("room"),
        "runner": "test", "environment": {}, "reproducible": True, "begun": NOW, "ended": NOW,
    }  # fmt: skip
    return Built(**(values | more))


def report(*rows, after=AFTER, found=None):
    rows = rows or (built(),)
    found = found if found is not None else [facts(one.wheel) for one in rows]
    return {
        "closure": after.plain(),
        "facts": [one.plain() for one in found],
        "built": [one.plain() for one in rows],
    }


class Asked(Standing):
    """A request whose closure is ``BEFORE``."""

    id = "r1"

    def __init__(self, present=BEFORE):
        self._present = present

    def closure(self):
        return self._present


def test_a_wheel_takes_the_place_of_its_source():
    check_builds(BEFORE)
    check_built(report())
    check_exchange(Asked(), report())
    assert {one.sha256 for one in BEFORE.files} == {SOURCE.sha256, OTHER.sha256, TOOL.sha256}


@pytest.mark.parametrize(
    ("found", "words"),
    {
        "no build": (closure(SOURCE), "are not those of its sources"),
        "a build too many": (closure(OTHER, builds=(BUILD,)), "are not those of its sources"),
        "twice": (closure(SOURCE, builds=(BUILD, BUILD)), "are not those of its sources"),
        "of another project": (
            closure(SOURCE, builds=(BUILD.model_copy(update={"project": "beta"}),)), "are not those of its sources",
        ),
        "source to build with": (
            closure(SOURCE, builds=(BUILD.model_copy(update={"artifacts": (SOURCE,)}),)), "would need another build",
        ),
    }.values(),
)  # fmt: skip
def test_every_source_has_one_build(found, words):
    with pytest.raises(BadInputError, match=words):
        check_builds(found)


STRAY = artifact("raw", "1.0", built=sha("other source"), path="built/y")


@pytest.mark.parametrize(
    ("body", "words"),
    {
        "nothing": ({**report(), "built": []}, "nothing was built"),
        "facts of another": (report(found=[facts(OTHER)]), "not those of what was built"),
        "not in the closure": (report(after=BEFORE), "is not in the closure"),
        "of another source": (
            report(built(wheel=STRAY), after=closure(STRAY, OTHER)), "is not in the closure",
        ),
        "of another release": (
            report(built(source=SOURCE.model_copy(update={"release": "2.0"}))), "is not in the closure",
        ),
    }.values(),
)  # fmt: skip
def test_a_report_that_does_not_hold_together(body, words):
    with pytest.raises(BadInputError, match=words):
        check_built(body)


@pytest.mark.parametrize(
    "body",
    {
        "something else is exchanged too": report(after=closure(WHEEL, artifact("beta", "3.0"))),
        "something is added": report(after=closure(WHEEL, OTHER, artifact("more", "1.0"))),
        "built with something else": report(built(requires=(OTHER,))),
        "built with less": report(built(requires=())),
        "another source": report(built(source=artifact("raw", "1.0", filename="other-1.0.tar.gz"))),
    }.values(),
)
def test_no_more_than_what_was_approved_is_built(body):
    with pytest.raises(BadInputError, match="not what was approved to be built"):
        check_exchange(Asked(), body)
    with pytest.raises(BadInputError, match="no closure"):
        check_exchange(Asked(None), body)


NAMED = {
    "extra_build_dependencies": {"raw": ["other>=1"]},
    "extra_build_variables": {"raw": {"WITH": "1"}},
}
ASKED = request("raw", "beta", **NAMED)
RECIPE = ASKED.for_build("raw").recipe
WAY = {"extra": ("other>=1",), "variables": {"WITH": "1"}, "recipe": RECIPE, "built_with": {"beta": "2.0"}}
TOLD = BUILD.model_copy(update=WAY)
MADE = WHEEL.model_copy(update={"recipe": RECIPE, "built_with": {"beta": "2.0"}})


def told_wheel(**more):
    values = {"extra": WAY["extra"], "variables": WAY["variables"], "environment": {"WITH": "1", "TZ": "UTC"}}
    return built(**({"wheel": MADE} | values | more))


def test_a_wheel_that_was_built_as_the_request_says():
    before = closure(SOURCE, OTHER, builds=(TOLD,))
    check_extras(ASKED, before, "here")
    check_exchange(Asked(before), report(told_wheel(), after=closure(MADE, OTHER)))


@pytest.mark.parametrize(
    "row",
    {
        "without the variable": told_wheel(variables={}),
        "without telling it": told_wheel(environment={"TZ": "UTC"}),
        "with another requirement": told_wheel(extra=("more",)),
        "under no recipe": told_wheel(wheel=MADE.model_copy(update={"recipe": None})),
        "against another release": told_wheel(wheel=MADE.model_copy(update={"built_with": {"beta": "3.0"}})),
    }.values(),
)
def test_a_wheel_that_was_built_otherwise(row):
    before = closure(SOURCE, OTHER, builds=(TOLD,))
    with pytest.raises(BadInputError, match="not what was approved to be built"):
        check_exchange(Asked(before), report(row, after=closure(row.wheel, OTHER)))


@pytest.mark.parametrize(
    ("asked", "build"),
    {
        "nothing was named": (request("raw"), TOLD),
        "a variable too many": (ASKED, TOLD.model_copy(update={"variables": {"WITH": "1", "MORE": "1"}})),
        "another recipe": (ASKED, TOLD.model_copy(update={"recipe": sha("x")})),
        "a requirement too many": (ASKED, TOLD.model_copy(update={"extra": ("other>=1", "evil")})),
        "left out": (ASKED, BUILD),
    }.values(),
)
def test_builds_are_what_the_request_says(asked, build):
    with pytest.raises(BadInputError, match="is not what the request says of it"):
        check_extras(asked, closure(SOURCE, builds=(build,)), "here")
