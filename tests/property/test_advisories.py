"""Which releases a range holds: what the index prepares answers as looking at every range does."""

from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from sekisho.advisories.ranges import cut, spans
from sekisho.advisories.record import Range
from tests.advisories import index, osv

VERSIONS = st.sampled_from(["0.9", "1.0rc1", "1.0", "1.0.0", "1.0.post1", "1.5", "1.10", "2.0a1", "2.0", "1!0.1"])
ENDS = st.none() | VERSIONS
RANGES = st.lists(st.builds(Range, ENDS, ENDS, st.booleans()), max_size=6)


def _holds(found, version):
    after = found.start is None or version >= Version(found.start)
    before = found.end is None or version < Version(found.end) or (found.upto and version == Version(found.end))
    return after and before


@given(RANGES, VERSIONS.map(Version))
def test_cut_ranges_hold_what_each_of_them_holds(ranges, version):
    found = set(cut("pypi", list(enumerate(ranges))).at(version))
    assert found == {number for number, one in enumerate(ranges) if _holds(one, version)}


EVENTS = st.lists(
    st.tuples(st.sampled_from(["introduced", "fixed", "last_affected"]), st.just("0") | VERSIONS), min_size=1, max_size=6
)  # fmt: skip


def _walk(events, version):
    """OSV's algorithm: go through the sorted events up to the version."""
    held = False
    rank = {"introduced": 0, "fixed": 1, "last_affected": 2}
    for key, text in sorted(events, key=lambda event: (event[1] != "0", Version(event[1]), rank[event[0]])):
        at = Version("0.dev0") if text == "0" else Version(text)
        if key == "introduced" and version >= at:
            held = True
        elif (key == "fixed" and version >= at) or (key == "last_affected" and version > at):
            held = False
    return held


@given(st.lists(VERSIONS, min_size=1, max_size=4, unique_by=Version), st.data())
def test_events_become_the_ranges_that_osv_s_algorithm_walks(bounds, data):
    ordered = sorted(bounds, key=Version)
    kinds = data.draw(st.tuples(*(st.sampled_from(["fixed", "last_affected"]) for _ in ordered)))
    events = [
        ("introduced", "0" if n == 0 else text) if n % 2 == 0 else (kinds[n], text) for n, text in enumerate(ordered)
    ]
    version = Version(data.draw(VERSIONS))
    shuffled = data.draw(st.permutations(events))
    assert any(_holds(one, version) for one in spans("pypi", shuffled)) is _walk(events, version)


@given(EVENTS, VERSIONS)
def test_whatever_the_events_are_the_index_answers(events, release):
    made = index(osv(events=[{key: text} for key, text in events]))
    assert len(made.affecting("pypi", "numpy", release)) <= 1
