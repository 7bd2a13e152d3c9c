"""What to have instead of a closure that policy does not allow: the nearest answer, or nothing."""

from sekisho.model import Change, Judgement, Outcome, Reason, Verdict
from sekisho_builder.suggesting import read_judged, suggest
from tests.records import NOW, artifact, closure, sha
from tests.unit.workflows.test_preferring import ALLOW, DENY, INDEX, REVIEW, Outlook
from tests.unit.workflows.tiny_solver import TinySolver

LIB = artifact("lib", "3.0")
APP = artifact("app", "2.0")
NEW = artifact("new", "1.0")


def _judged(direct, *avoidable, edges=(("app", "lib"), ("app", "new")), **outcomes):
    made = closure(APP, LIB, NEW, direct=direct, edges=edges)
    verdicts = tuple(
        Verdict(
            purl=one.purl,
            sha256=one.sha256,
            outcome=outcomes.get(one.project, ALLOW),
            reasons=(Reason(rule="r", outcome=outcomes.get(one.project, ALLOW), evidence="e"),),
        )
        for one in made.artifacts
    )
    judgement = Judgement(closure=made.digest(), policy=sha("p"), at=NOW, outcome=DENY, verdicts=verdicts)
    return read_judged(made, judgement, [one.sha256 for one in avoidable])


def _suggest(judged, **said):
    return suggest(TinySolver(INDEX), Outlook(INDEX, **said), judged)


def test_the_same_requirements_are_satisfied_otherwise_if_they_can_be():
    judged = _judged(("app",), LIB, lib=DENY)
    found = _suggest(judged)
    assert found.closure == judged.closure.digest()
    assert found.requirements == ("app",)
    assert found.changes == (Change(project="lib", before="3.0", after="2.0"),)
    assert (found.review, found.deny) == ((), ())


def test_a_pin_is_moved_to_the_nearest_release_that_is_allowed_and_nothing_else_is():
    found = _suggest(_judged(("app==2.0", "lib==3.0"), LIB, lib=DENY))
    assert found.requirements == ("app==2.0", "lib==2.0")
    assert found.changes == (Change(project="lib", before="3.0", after="2.0"),)


def test_what_needs_a_denied_release_gives_way_too():
    found = _suggest(_judged(("app==2.0",), LIB, lib=DENY), lib_2_0=DENY)
    assert found.requirements == ("app==1.0",)
    assert Change(project="lib", before="3.0", after="1.0") in found.changes
    assert Change(project="new", before="1.0", after=None) in found.changes


def test_what_another_answer_would_still_need_is_named():
    found = _suggest(_judged(("app==2.0", "new", "lib==3.0"), LIB, lib=DENY, new=REVIEW), new=REVIEW)
    assert found.requirements == ("app==2.0", "new", "lib==2.0")
    assert (found.review, found.deny) == (("new 1.0",), ())


def test_nothing_is_suggested_where_nothing_is_better():
    assert _suggest(_judged(("app",), NEW, new=REVIEW, edges=()), app_1_0=DENY, new=REVIEW) is None
    assert _suggest(_judged(("lib",), LIB, lib=REVIEW), lib=REVIEW) is None


def test_an_exception_that_other_releases_share_is_not_looked_for():
    solver = TinySolver(INDEX)
    assert suggest(solver, Outlook(INDEX), _judged(("app",), lib=REVIEW)) is None
    assert solver.asked == []
    assert Outcome.REVIEW in _judged(("app",), lib=REVIEW).outcomes.values()
