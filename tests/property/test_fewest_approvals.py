"""The fewest approvals of small channels: by the real solver, held to every answer that there is."""

import os
from itertools import product

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sekisho.model import Outcome
from sekisho.model.conda import PackageName
from sekisho.model.match_spec import match_spec
from sekisho_builder.conda import SolverProcess
from sekisho_builder.conda.approvals import fewest_approvals
from tests.channels import Channel
from tests.unit.builder.conda.mount import desk, package

ALLOW, REVIEW, DENY = Outcome.ALLOW, Outcome.REVIEW, Outcome.DENY
NAMES = "abcde"
specs = st.builds("{} {}".format, st.sampled_from(NAMES), st.sampled_from((">=1", ">=2", "<2", "==3")))


@st.composite
def universes(draw):
    """Channels of a few names in a few versions, and what policy says of each file."""
    packages = []
    for name in NAMES:
        for version in draw(st.sets(st.sampled_from("123"), min_size=1)):
            others = [spec for spec in draw(st.lists(specs, max_size=2)) if spec[0] != name]
            packages.append(package(name, version, *others))
    said = {one.path: draw(st.sampled_from((ALLOW, REVIEW, REVIEW, DENY))) for one in packages}
    return packages, said, draw(st.lists(specs, min_size=1, max_size=2))


def least(packages, said, wanted):
    """Return how many files of any answer are denied, and need an approval, at least; nothing if there is none."""
    found = None
    choices = [[None, *(one for one in packages if one.name == name)] for name in NAMES]
    for some in product(*choices):
        chosen = [one for one in some if one is not None]
        needs = [*wanted, *(spec for one in chosen for spec in one.depends)]
        artifacts = [one.artifact() for one in chosen]
        if all(any(match_spec(spec).matches(artifact) for artifact in artifacts) for spec in needs):
            cost = tuple(sum(said[one.path] is outcome for one in chosen) for outcome in (DENY, REVIEW))
            found = cost if found is None else min(found, cost)
    return found


PROCESS = SolverProcess(timeout=60)


def teardown_module():
    PROCESS.end()


@settings(
    deadline=None,
    max_examples=300 if os.environ.get("SEKISHO_SOAK") == "1" else 30,
    suppress_health_check=list(HealthCheck),
)
@given(universes())
def test_no_answer_needs_fewer_approvals(universe):
    packages, said, wanted = universe

    def rate(files, _):
        return {file.sha256: said[file.path] for file in files}

    with desk(PROCESS, main=Channel(tuple(packages), plain=False)) as at, at.solver(*wanted) as solver:
        found = fewest_approvals(solver, at.offers(solver, rate=rate), {}, patience=60)
    expected = least(packages, said, wanted)
    assert (found is None) == (expected is None)
    if found is None:
        return
    assert found.proved
    assert found.denied == {row.path for row in found.chosen if said[row.path] is DENY}
    assert found.needed == {row.path for row in found.chosen if said[row.path] is REVIEW}
    assert found.cost == expected
    names = {PackageName.parse(row.path.partition("/")[2]).name for row in found.chosen}
    assert {spec.split()[0] for spec in wanted} <= names
