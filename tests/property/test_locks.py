"""Locking is idempotent, does not depend on order, and reads back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.errors import RefusedError
from sekisho.lock import Lock, lock_digest, make_lock, pins, to_requirements
from tests.property.strategies import approvals, closures
from tests.records import NOW, approval

FULL = closures().filter(lambda closure: closure.artifacts)
EXTRA = st.lists(approvals(), max_size=3)


def _lock(closure, found):
    return make_lock("image", closure, found, workspace="everyone", now=NOW)


@given(FULL, EXTRA)
def test_locking_again_gives_the_same_lock(closure, extra):
    found = [approval(*closure.artifacts), *extra]
    lock = _lock(closure, found)
    assert _lock(closure, found) == lock
    again = Lock.parse_json(lock.canonical(), where="x")
    assert (again, lock_digest(again), to_requirements(again)) == (lock, lock_digest(lock), to_requirements(lock))


@given(FULL, EXTRA, st.randoms())
def test_the_order_of_approvals_changes_nothing(closure, extra, order):
    found = [approval(*closure.artifacts), *extra]
    lock = _lock(closure, found)
    order.shuffle(found)
    assert _lock(closure, found) == lock


@given(FULL, st.randoms())
def test_the_order_of_artifacts_changes_nothing_in_the_file(closure, order):
    found = list(closure.artifacts)
    order.shuffle(found)
    other = closure.model_copy(update={"artifacts": tuple(found)})
    assert lock_digest(_lock(other, [approval(*found)])) == lock_digest(_lock(closure, [approval(*found)]))


@given(FULL)
def test_a_lock_reads_back_as_one_pin_for_each_project(closure):
    text = to_requirements(_lock(closure, [approval(*closure.artifacts)]))
    expected = {one.project: (one.release, one.sha256) for one in closure.artifacts}
    assert pins(text, where="x") == expected


@given(FULL, st.data())
def test_a_closure_of_which_anything_is_not_approved_has_no_lock(closure, data):
    missing = data.draw(st.sampled_from(closure.artifacts))
    rest = [one for one in closure.artifacts if one != missing]
    with pytest.raises(RefusedError, match=missing.project):
        _lock(closure, [approval(*rest)] if rest else [])
