from itertools import pairwise

from tests.records import artifact, closure


def _closure(*names, edges=(), direct=("pandas",)):
    return closure(*(artifact(name) for name in names), edges=edges, direct=direct)


def test_why_follows_the_edges_up_to_a_direct_requirement():
    found = _closure(
        "pandas", "python-dateutil", "six", edges=[("pandas", "python-dateutil"), ("python-dateutil", "six")]
    )
    assert found.why("six") == ("pandas", "python-dateutil", "six")


def test_why_of_a_direct_requirement_is_itself():
    found = _closure(
        "pandas", "numpy", edges=[("pandas", "numpy")], direct=("pandas>=2", "NumPy[extra]<3; python_version > '3'")
    )
    assert found.why("numpy") == ("numpy",)


def test_why_takes_a_shortest_chain():
    edges = [("pandas", "a"), ("a", "b"), ("b", "six"), ("pandas", "six")]
    assert _closure("pandas", "a", "b", "six", edges=edges).why("six") == ("pandas", "six")


def test_why_finds_its_way_out_of_a_cycle():
    edges = [("pandas", "a"), ("a", "b"), ("b", "a"), ("b", "six"), ("six", "six")]
    assert _closure("pandas", "a", "b", "six", edges=edges).why("six") == ("pandas", "a", "b", "six")


def test_why_finds_a_direct_requirement_that_is_part_of_a_cycle():
    edges = [("pandas", "a"), ("a", "pandas")]
    assert _closure("pandas", "a", edges=edges).why("a") == ("pandas", "a")
    assert _closure("pandas", "a", edges=edges).why("pandas") == ("pandas",)


def test_why_of_a_cycle_that_nothing_direct_needs_is_empty():
    assert _closure("pandas", "a", "b", edges=[("a", "b"), ("b", "a")]).why("a") == ()


def test_why_of_a_project_that_is_not_in_the_closure_is_empty():
    assert _closure("pandas").why("requests") == ()


def test_why_answers_for_a_chain_as_long_as_the_closure():
    names = [f"p{number}" for number in range(3000)]
    found = _closure(*names, edges=pairwise(names), direct=("p0",))
    assert found.why("p2999") == tuple(names)


def test_what_was_asked_for_is_spelled_as_its_kind_spells_it():
    mutex = artifact("_libgcc_mutex", kind="conda", filename="_libgcc_mutex-0.1-main.conda")
    found = closure(mutex, artifact("foo-bar"), direct=("Foo_Bar>=1",), conda=("forge::_libgcc_mutex=0.1",))
    assert found.asked() == {("conda", "_libgcc_mutex"), ("pypi", "foo-bar")}
    assert found.why("conda:_libgcc_mutex") == ("conda:_libgcc_mutex",)


def test_one_name_may_be_of_an_index_and_of_a_channel():
    wheel, package = artifact("numpy"), artifact("numpy", kind="conda", filename="numpy-2.1.0-0.conda")
    found = closure(wheel, package, edges=(("conda:pandas", "conda:numpy"),), direct=("numpy",), conda=("pandas",))
    assert (found.why(wheel.node), found.why(package.node)) == (("numpy",), ("conda:pandas", "conda:numpy"))
    assert (found.of("conda"), found.of("pypi")) == ((package,), (wheel,))
