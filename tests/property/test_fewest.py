"""The fewest names that must be let in: never more than what trying every set finds."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from sekisho_builder.conda.fewest import fewest, smallest_hitting

NAMES = tuple("abcdefg")
sets_of_names = st.frozensets(st.sampled_from(NAMES), max_size=4)


def by_trying(fits, names):
    """Return the size of the smallest set that fits, by trying them all."""
    for size in range(len(names) + 1):
        if any(fits(frozenset(some)) is not None for some in combinations(sorted(names), size)):
            return size
    return None


@given(st.lists(sets_of_names, min_size=1, max_size=6), st.sets(st.sampled_from(NAMES)))
def test_no_smaller_set_fits_of_any_universe(answers, known):
    """Each universe has some answers, and a set fits that has all names of one of them."""

    def fits(opened):
        having = [answer for answer in answers if answer <= opened]
        return max(having, key=len) if having else None

    forced = frozenset.intersection(*answers) & known
    found = fewest(fits, NAMES, forced=forced, patience=60)
    assert found is not None
    assert found.proved
    assert fits(found.names) is not None
    assert len(found.names) == by_trying(fits, NAMES)


@given(st.lists(st.frozensets(st.sampled_from(NAMES), min_size=1, max_size=4), max_size=7))
def test_a_hitting_set_hits_all_and_is_smallest(cores):
    found = smallest_hitting(cores)
    assert all(core & found for core in cores)
    least = by_trying(lambda names: names if all(core & names for core in cores) else None, NAMES)
    assert len(found) == least


@given(st.lists(st.frozensets(st.sampled_from(NAMES), min_size=1, max_size=4), max_size=6))
def test_a_hitting_set_weighs_least(cores):
    def weigh(names):
        return sum(9 if name in "abc" else 1 for name in names)

    found = smallest_hitting(cores, weigh)
    hitting = (
        frozenset(some)
        for size in range(len(NAMES) + 1)
        for some in combinations(NAMES, size)
        if all(core & frozenset(some) for core in cores)
    )
    assert all(core & found for core in cores)
    assert weigh(found) == min(map(weigh, hitting))


def test_nothing_is_found_where_not_even_all_names_do():
    assert fewest(lambda _: None, NAMES) is None


def test_what_was_found_in_time_is_given_unproved():
    times = iter(range(100))

    def fits(opened):
        return opened if {"a", "b"} <= opened else None

    found = fewest(fits, NAMES, patience=0.5, clock=lambda: next(times))
    assert found is not None
    assert not found.proved
    assert fits(found.names) is not None
