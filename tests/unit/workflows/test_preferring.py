"""Of the answers that satisfy a request, the one that policy would allow; and whatever can be satisfied is."""

import pytest

from sekisho.errors import UnresolvableError, UpstreamError
from sekisho.model import Outcome
from sekisho_builder.preferring import Preferring, prefer
from sekisho_builder.solver import Pin, Wish
from tests.unit.workflows.tiny_solver import TinySolver

ALLOW, REVIEW, DENY = Outcome.ALLOW, Outcome.REVIEW, Outcome.DENY
INDEX = {
    ("app", "1.0"): ("lib>=1",),
    ("app", "2.0"): ("lib>=2", "new"),
    ("lib", "1.0"): (),
    ("lib", "2.0"): (),
    ("lib", "3.0"): (),
    ("new", "1.0"): (),
}


class Outlook:
    """What policy would say, and how often it was asked."""

    def __init__(self, index, **said):
        self._index = index
        self._said = {tuple(name.split("_", 1)): outcome for name, outcome in said.items()}

    def _of(self, project, release):
        return self._said.get((project, release.replace(".", "_")), self._said.get((project,), ALLOW))

    def outcomes(self, pins):
        return {pin: self._of(pin.project, pin.release) for pin in pins}

    def releases(self, project):
        return {release: self._of(project, release) for name, release in self._index if name == project}


def _prefer(*requirements, preferred=None, index=INDEX, **said):
    solver = TinySolver(index)
    pins = prefer(solver, Outlook(index, **said), Wish(requirements, preferred or {}))
    return {pin.project: pin.release for pin in pins}, solver


def test_what_nobody_objects_to_is_what_the_resolver_says_and_it_is_asked_once():
    found, solver = _prefer("app")
    assert found == {"app": "2.0", "lib": "3.0", "new": "1.0"}
    assert len(solver.asked) == 1


def test_what_is_approved_is_preferred_over_what_is_newer():
    assert _prefer("app", preferred={"lib": ("2.0",)})[0] == {"app": "2.0", "lib": "2.0", "new": "1.0"}
    assert _prefer("app", preferred={"lib": ("1.0",)})[0]["lib"] == "3.0"  # the approved one does not fit


@pytest.mark.parametrize("outcome", [REVIEW, DENY])
def test_what_policy_would_not_allow_is_used_only_if_nothing_else_satisfies(outcome):
    assert _prefer("app", lib_3_0=outcome)[0]["lib"] == "2.0"
    assert _prefer("app", lib_3_0=outcome, lib_2_0=outcome)[0] == {"app": "1.0", "lib": "1.0"}
    assert _prefer("app==2.0", lib_3_0=outcome, lib_2_0=outcome)[0]["lib"] in {"2.0", "3.0"}
    assert _prefer("lib==3.0", lib_3_0=outcome)[0] == {"lib": "3.0"}


def test_a_review_is_taken_before_a_denial():
    assert _prefer("app==2.0", lib_3_0=DENY, lib_2_0=REVIEW)[0]["lib"] == "2.0"
    assert _prefer("app==2.0", lib_3_0=REVIEW, lib_2_0=DENY)[0]["lib"] == "3.0"


def test_a_project_that_policy_does_not_allow_at_all_is_avoided_where_it_can_be():
    assert _prefer("app", new_1_0=REVIEW)[0] == {"app": "1.0", "lib": "3.0"}
    assert _prefer("app>=2", new_1_0=REVIEW)[0] == {"app": "2.0", "lib": "3.0", "new": "1.0"}


def test_what_one_requirement_cannot_do_without_is_no_reason_to_take_more():
    found, _ = _prefer("new", "app", new_1_0=REVIEW, lib_3_0=REVIEW)
    assert found == {"app": "2.0", "lib": "2.0", "new": "1.0"}


def test_an_approved_release_stays_preferred_where_something_had_to_be_let_in():
    found, _ = _prefer("new", "app", preferred={"lib": ("2.0",)}, new_1_0=REVIEW)
    assert found == {"app": "2.0", "lib": "2.0", "new": "1.0"}


def test_what_was_asked_for_by_name_and_is_allowed_in_no_release_costs_no_search():
    found, solver = _prefer("lib", lib_3_0=REVIEW, lib_2_0=REVIEW, lib_1_0=DENY)
    assert found == {"lib": "3.0"}
    assert len(solver.asked) == 1


def test_what_cannot_be_satisfied_at_all_says_so_as_the_resolver_does():
    with pytest.raises(UnresolvableError, match="app>=9"):
        _prefer("app>=9", preferred={"lib": ("2.0",)})


def test_a_pass_that_fails_or_takes_too_long_takes_nothing_away():
    class Slow(TinySolver):
        def __call__(self, wish):
            if wish.preferred or wish.hidden:
                raise UpstreamError("it took too long")
            return super().__call__(wish)

    pins = prefer(Slow(INDEX), Outlook(INDEX, lib_3_0=REVIEW), Wish(("lib",), {"lib": ("1.0",)}))
    assert pins == [Pin("lib", "3.0", ())]


def test_no_constraint_names_a_pre_release_unless_one_was_chosen():
    index = {("lib", "1.0"): (), ("lib", "2.0"): (), ("lib", "3.0rc1"): ()}
    hidden = []

    class Watched(TinySolver):
        def __call__(self, wish):
            hidden.append(dict(wish.hidden))
            return super().__call__(wish)

    said = {"lib_2_0": REVIEW, "lib_3_0rc1": REVIEW}
    assert Preferring(Watched(index), Outlook(index, **said), Wish(("lib",))).best().pins == [Pin("lib", "1.0", ())]
    assert hidden == [{}, {"lib": ["2.0"]}]
