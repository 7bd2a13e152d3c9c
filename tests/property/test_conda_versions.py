"""conda's versions and match specs: what is read here is what the solver's own library reads."""

import re

from hypothesis import assume, example, given
from hypothesis import strategies as st
from rattler import BuildString, PackageRecord, VersionWithSource
from rattler import MatchSpec as SolverSpec
from rattler import Version as SolverVersion

from sekisho.model import Artifact, CondaVersion, MatchSpec, conda_artifact, glob_matches

SEGMENTS = st.sampled_from(
    [
        "0",
        "1",
        "2",
        "10",
        "20240101",
        "1a",
        "a",
        "rc1",
        "1rc2",
        "dev",
        "1dev",
        "post",
        "1post2",
        "alpha",
        "01",
        "2g3",
        "B",
    ]
)
PLAIN = st.lists(SEGMENTS, min_size=1, max_size=4).flatmap(
    lambda rows: st.lists(st.sampled_from("._"), min_size=len(rows), max_size=len(rows)).map(
        lambda joints: "".join(f"{joint}{row}" for joint, row in zip(joints, rows, strict=True))[1:]
    )
)
EPOCHS = st.sampled_from(["", "", "", "0!", "1!", "2!"])
LOCALS = st.sampled_from(["", "", "", "+0", "+1", "+local", "+0.local", "+1.2"])
VERSIONS = st.builds("{}{}{}".format, EPOCHS, PLAIN, LOCALS)

LITERALS = st.sampled_from(["1", "1.2", "1.2.3", "2", "1.10", "1.2a", "1.2rc1", "1.2.post1", "0.9", "1!1.1", "3.11"])
BUILDS = st.sampled_from(["py311_0", "*", "py311*", "*_0", "h12*_1", "PY311_0"])
CLAUSES = st.builds(
    lambda operator, literal, star: f"{operator}{literal}{'' if operator in {'<', '>', '<=', '>='} else star}",
    st.sampled_from(["", "", "==", "!=", "<", ">", "<=", ">=", "~=", "="]),
    LITERALS,
    st.sampled_from(["", "", ".*", "*"]),
)
VERSION_SPECS = st.builds(
    lambda first, others: first + "".join(f"{joint}{clause}" for joint, clause in others),
    CLAUSES,
    st.lists(st.tuples(st.sampled_from([",", "|", ", ", " |"]), CLAUSES), max_size=3),
)
SPECS = st.one_of(
    st.builds("pkg {}".format, VERSION_SPECS),
    st.builds("pkg={}".format, LITERALS),
    st.builds("pkg=={}".format, LITERALS),
    st.builds("pkg={}={}".format, LITERALS, BUILDS),
    st.builds("pkg {} {}".format, VERSION_SPECS, BUILDS),
    st.builds("pkg {}{} {}".format, st.sampled_from(["=", "==", ">="]), LITERALS, BUILDS),
    st.builds("pkg[version='{}', build=\"{}\"]".format, VERSION_SPECS, BUILDS),
    st.builds("pkg[build_number='{}{}']".format, st.sampled_from(["", ">=", "<", "!="]), st.integers(0, 2)),
)
PACKAGES = st.tuples(
    st.sampled_from(
        ["1", "1.2", "1.2.3", "1.2.4", "2.0", "1.10", "1.2a1", "1.2rc1", "1.2.post1", "0.9", "1!1.1", "1.20"]
    ),
    st.sampled_from([("py311_0", 0), ("h123_1", 1), ("0", 0)]),
)


@given(VERSIONS, VERSIONS)
@example("1.1dev1", "1.1a1")
@example("1.1.post1", "1.1post1")
@example("1.0.1_", "1.0.1a")
@example("0.4.1+local", "0.4.1")
def test_versions_are_ordered_as_the_solver_orders_them(one: str, other: str) -> None:
    own, solver = (CondaVersion(one), CondaVersion(other)), (SolverVersion(one), SolverVersion(other))
    assert (own[0] < own[1], own[0] == own[1]) == (solver[0] < solver[1], solver[0] == solver[1])
    assert own[0] != own[1] or hash(own[0]) == hash(own[1])


@given(VERSIONS, PLAIN)
def test_a_version_starts_with_what_the_solver_says(one: str, start: str) -> None:
    assume(not re.search(r"(^|[._])[0a-z]*0$", start))  # the solver takes 1.2a1 for a 1.2.0.*, the CEP does not
    assert CondaVersion(one).starts_with(CondaVersion(start)) == SolverVersion(one).starts_with(SolverVersion(start))


@given(SPECS, st.lists(PACKAGES, min_size=1, max_size=6))
def test_a_spec_matches_what_the_solver_matches(text: str, packages: list[tuple[str, tuple[str, int]]]) -> None:
    own, solver = MatchSpec.parse(text), SolverSpec(text)
    for version, (build, number) in packages:
        record = PackageRecord("pkg", VersionWithSource(version), BuildString(build), number, "linux-64")
        assert own.matches(package(version, build, number)) == solver.matches(record), (text, version, build)


@given(st.text(alphabet="pk=<>!~|,.*()[]'\"1a_ :^$", max_size=40))
def test_what_no_client_reads_is_refused_and_nothing_else_is_raised(text: str) -> None:
    try:
        spec = MatchSpec.parse(text)
    except ValueError:
        return
    assert spec.name
    spec.matches(package("1.2", "py311_0", 0))


@given(st.text(alphabet="ab*", max_size=12), st.text(alphabet="ab", max_size=12))
def test_a_star_is_anything(pattern: str, text: str) -> None:
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None
    assert glob_matches(pattern, text) == expected


def package(version: str, build: str, number: int) -> Artifact:
    """Return a package of that version and build."""
    name = f"pkg-{version}-{build}.conda"
    record = {"name": "pkg", "version": version, "build": build, "build_number": number, "size": 1, "sha256": "0" * 64}
    return conda_artifact("forge", name, record, subdir="linux-64")
